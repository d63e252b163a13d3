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

/** What a team works on, the latest changes first. */
export async function boardOf(team: Team): Promise<Board> {
  const columns = await Promise.all(
    (Object.keys(STATES) as State[]).map(async (state): Promise<Column> => {
      const here = Issue.where({ team_id: team.id, state }).order('-updated_at', '-id');
      const [issues, total] = await Promise.all([here.limit(CARDS_MAX).all(), here.count()]);
      return { state, issues, total };
    }),
  );
  const cards = columns.flatMap(({ issues }) => issues);
  return { columns, people: await User.byId(cards.map(({ assignee_id }) => assignee_id)) };
}
