import { policy } from 'moln';
import { Membership } from '../models/membership.ts';
import { isMe, isOwner, myTeams } from '../roles.ts';

export const membershipPolicy = policy(Membership, {
  see: async () => ({ team_id: await myTeams() }),
  create: ({ team_id }) => isOwner(team_id),
  // Owners stay, so that a team always has one.
  delete: async ({ role, team_id, user_id }) =>
    role !== 'owner' && ((await isOwner(team_id)) || (await isMe(user_id))),
});
