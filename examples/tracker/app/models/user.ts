import { model, type RowOf, shape, string } from 'moln';
import { Membership } from './membership.ts';

export const User = model(
  'user',
  {
    name: string({ max: 80 }),
    email: string({ format: 'email', unique: true, label: 'E-mail' }),
    password_digest: string({ hidden: true }),
  },
  {
    beforeSave: (values) =>
      values.email === undefined ? values : { ...values, email: values.email.toLowerCase() },
  },
);

export type User = RowOf<typeof User>;

/** What signing up asks for. */
export const SignUp = shape({
  name: string({ max: 80 }),
  email: string({ format: 'email', label: 'E-mail' }),
  password: string({ format: 'password', min: 10, max: 200 }),
});

/** What signing in asks for. */
export const SignIn = shape({
  email: string({ label: 'E-mail' }),
  password: string({ format: 'password', max: 200 }),
});

/** Who is in that team, by their names. */
export async function peopleOf(team: { readonly id: number }): Promise<readonly User[]> {
  const memberships = await Membership.where({ team_id: team.id }).all();
  const people = await User.byId(memberships.map(({ user_id }) => user_id));
  return [...people.values()].sort((a, b) => a.name.localeCompare(b.name));
}
