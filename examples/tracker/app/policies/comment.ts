import { policy } from 'moln';
import { Comment } from '../models/comment.ts';
import { isMe, isMember, isOwner, myTeams } from '../roles.ts';

/** What was said is not changed, only taken back. */
export const commentPolicy = policy(Comment, {
  see: async () => ({ team_id: await myTeams() }),
  create: ({ team_id }) => isMember(team_id),
  delete: async ({ author_id, team_id }) => (await isMe(author_id)) || (await isOwner(team_id)),
});
