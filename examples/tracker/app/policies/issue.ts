import { policy } from 'moln';
import { Issue } from '../models/issue.ts';
import { isMe, isMember, isOwner, myTeams } from '../roles.ts';

export const issuePolicy = policy(Issue, {
  see: async () => ({ team_id: await myTeams() }),
  create: ({ team_id }) => isMember(team_id),
  update: ({ team_id }) => isMember(team_id),
  delete: async ({ author_id, team_id }) => (await isMe(author_id)) || (await isOwner(team_id)),
});
