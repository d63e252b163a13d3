import { policy } from 'moln';
import { currentUser } from '../auth.ts';
import { Team } from '../models/team.ts';
import { isOwner, myTeams } from '../roles.ts';

export const teamPolicy = policy(Team, {
  see: async () => ({ id: await myTeams() }),
  create: async () => (await currentUser()) !== undefined,
  update: ({ id }) => isOwner(id),
});
