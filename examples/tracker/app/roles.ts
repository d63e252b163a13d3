/** What the visitor is in which team: the policies ask here. */
import { oncePerRequest } from 'moln';
import { currentUser } from './auth.ts';
import { Membership } from './models/membership.ts';

const memberships = oncePerRequest(async () => {
  const user = await currentUser();
  return user === undefined ? [] : await Membership.where({ user_id: user.id }).all();
});

/** Ids of the teams that the visitor is in. */
export async function myTeams(): Promise<number[]> {
  return (await memberships()).map(({ team_id }) => team_id);
}

/** Ids of all who are in one of these teams, the visitor too. */
export const myPeople = oncePerRequest(async () => {
  const user = await currentUser();
  const together = await Membership.where({ team_id: await myTeams() }).all();
  return [
    ...new Set([
      ...(user === undefined ? [] : [user.id]),
      ...together.map(({ user_id }) => user_id),
    ]),
  ];
});

export async function isMember(team: number): Promise<boolean> {
  return (await myTeams()).includes(team);
}

export async function isOwner(team: number): Promise<boolean> {
  return (await memberships()).some(({ team_id, role }) => team_id === team && role === 'owner');
}

export async function isMe(user: number): Promise<boolean> {
  return (await currentUser())?.id === user;
}
