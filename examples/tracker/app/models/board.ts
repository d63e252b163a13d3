import { withoutPolicies } from 'moln';
import { db } from '../db.ts';
import { Issue, type State, STATES } from './issue.ts';
import type { Team } from './team.ts';
import { User } from './user.ts';

/** Cards of one column; the list of issues has all of them. */
const CARDS_MAX = 50;

export interface Column {
  readonly state: State;
  readonly issues: readonly Issue[];
  /** Also of those that are not among `issues`. */
  readonly total: number;
}

export interface Board {
  readonly columns: readonly Column[];
  readonly people: ReadonlyMap<number, User>;
}

/** How many there are in each column; who has the team may know. */
async function totalsOf(team: Team): Promise<ReadonlyMap<State, number>> {
  const counts = db
    .selectFrom('issues')
    .select(({ fn }) => ['state', fn.countAll<number>().as('total')])
    .where('team_id', '=', team.id)
    .groupBy('state');
  const rows = await withoutPolicies(() => counts.execute());
  return new Map(rows.map(({ state, total }) => [state, total]));
}

/** What a team works on, the latest changes first. */
export async function boardOf(team: Team): Promise<Board> {
  const totals = await totalsOf(team);
  const columns = await Promise.all(
    (Object.keys(STATES) as State[]).map(async (state): Promise<Column> => {
      const here = Issue.where({ team_id: team.id, state }).order('-updated_at', '-id');
      return { state, issues: await here.limit(CARDS_MAX).all(), total: totals.get(state) ?? 0 };
    }),
  );
  const cards = columns.flatMap(({ issues }) => issues);
  return { columns, people: await User.byId(cards.map(({ assignee_id }) => assignee_id)) };
}
