import { authorize, controller } from 'moln';
import { requireUser, theUser } from '../auth.ts';
import { boardOf } from '../models/board.ts';
import { foundTeam, Team } from '../models/team.ts';
import { Board, EditTeam, NewTeam } from '../views/teams.tsx';

export const teams = controller({
  before: [requireUser],

  async show(c) {
    const team = await Team.get(c.params.id);
    const board = await boardOf(team);
    return c.respond({ columns: board.columns }, () => Board({ team, board }));
  },

  new: () => NewTeam(),

  async create(c) {
    const made = await foundTeam(await c.form(), await theUser());
    if (!made.ok) return c.invalid(made, () => NewTeam());
    c.flash('The team was created: add its members, or write down the first issue');
    return c.done(`/teams/${made.row.id}`, made.row);
  },

  async edit(c) {
    const team = await Team.get(c.params.id);
    await authorize('update', team);
    return EditTeam({ team });
  },

  async update(c) {
    const team = await Team.get(c.params.id);
    const changed = await Team.tryUpdate(team, await c.form());
    if (!changed.ok) return c.invalid(changed, () => EditTeam({ team }));
    c.flash('The team was renamed');
    return c.done(`/teams/${team.id}`, changed.row);
  },
});
