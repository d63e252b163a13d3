import { policy } from 'moln';
import { User } from '../models/user.ts';
import { isMe, myPeople } from '../roles.ts';

export const userPolicy = policy(User, {
  /** People know those whom they share a team with, so only they can be assigned. */
  see: async () => ({ id: await myPeople() }),
  update: ({ id }) => isMe(id),
});
