import { controller, limitRate, withoutPolicies } from 'moln';
import { requireUser, theUser } from '../../auth.ts';
import { Membership, NewMember } from '../../models/membership.ts';
import { Team } from '../../models/team.ts';
import { User } from '../../models/user.ts';
import { Members } from '../../views/members.tsx';

async function membersOf(team: Team) {
  const memberships = await Membership.where({ team_id: team.id }).order('id').all();
  const people = await User.byId(memberships.map(({ user_id }) => user_id));
  return { team, memberships, people };
}

export const members = controller({
  before: [requireUser],

  async index(c) {
    const given = await membersOf(await Team.get(c.params.team_id));
    return c.respond(given.memberships, () => Members(given));
  },

  async create(c) {
    const team = await Team.get(c.params.team_id);
    const given = await NewMember.check(await c.form());
    const shown = await membersOf(team);
    if (!given.ok) return c.invalid(given, () => Members(shown));
    // Who adds somebody learns whether there is a user with that address: not for thousands of them.
    await limitRate(`members ${(await theUser()).id}`, { times: 100, seconds: 3600 });
    const { email } = given.values;
    const user = await withoutPolicies(() => User.where({ email: email.toLowerCase() }).first());
    const refuse = (sentence: string) => {
      const errors = { email: [sentence] };
      return c.invalid({ ok: false, errors, values: given.values }, () => Members(shown));
    };
    if (user === undefined) return refuse('Nobody has signed up with this address');
    const made = await Membership.tryCreate({}, { team_id: team.id, user_id: user.id });
    if (!made.ok) return refuse(`${user.name} is in this team already`);
    c.flash(`${user.name} is in the team now`);
    return c.done(`/teams/${team.id}/members`, made.row);
  },

  async destroy(c) {
    const membership = await Membership.get(c.params.id);
    await Membership.delete(membership);
    const isLeaving = membership.user_id === (await theUser()).id;
    c.flash(isLeaving ? 'You have left the team' : 'The member was removed');
    return c.done(isLeaving ? '/' : `/teams/${membership.team_id}/members`);
  },
});
