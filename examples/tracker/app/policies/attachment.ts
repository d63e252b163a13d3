import { policy } from 'moln';
import { Attachment } from '../models/attachment.ts';
import { isMe, isMember, isOwner, myTeams } from '../roles.ts';

export const attachmentPolicy = policy(Attachment, {
  see: async () => ({ team_id: await myTeams() }),
  create: ({ team_id }) => isMember(team_id),
  delete: async ({ author_id, team_id }) => (await isMe(author_id)) || (await isOwner(team_id)),
});
