import {
  type Given,
  model,
  type Outcome,
  type RowOf,
  string,
  transaction,
  withoutPolicies,
} from 'moln';
import { Membership } from './membership.ts';
import type { User } from './user.ts';

export const Team = model('team', {
  name: string({ max: 80 }),
});

export type Team = RowOf<typeof Team>;

/** A new team, with its founder as the owner. */
export async function foundTeam(given: Given, founder: User): Promise<Outcome<Team>> {
  return await transaction(async () => {
    const made = await Team.tryCreate(given);
    if (!made.ok) return made;
    // Owners add members; the first one has nobody who could.
    await withoutPolicies(() =>
      Membership.create({ team_id: made.row.id, user_id: founder.id, role: 'owner' }),
    );
    return made;
  });
}
