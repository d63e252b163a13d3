import { can, Form, Inputs, Live } from 'moln';
import type { Board as BoardOf, Column } from '../models/board.ts';
import { Issue, type State, STATES } from '../models/issue.ts';
import { Team } from '../models/team.ts';
import { Layout } from './layout.tsx';
import { nameOf, type People } from './parts.tsx';

/** Follows what anybody does, without being loaded again. */
export async function Board({ team, board }: { team: Team; board: BoardOf }) {
  return (
    <Layout title={team.name} team={team} wide>
      <div class="head">
        <h1>{team.name}</h1>
        <a class="button" href={`/teams/${team.id}/issues/new`}>
          New issue
        </a>
        {(await can('update', team)) && <a href={`/teams/${team.id}/edit`}>Rename</a>}
      </div>
      <Live of={[Issue]}>
        <div class="board">
          {board.columns.map((column) => (
            <BoardColumn team={team} column={column} people={board.people} />
          ))}
        </div>
      </Live>
    </Layout>
  );
}

function BoardColumn({ team, column, people }: { team: Team; column: Column; people: People }) {
  const { state, issues, total } = column;
  return (
    <section class={`column column-${state}`} aria-labelledby={`column-${state}`}>
      <h2 id={`column-${state}`}>
        {STATES[state]} <span class="quiet">{total}</span>
      </h2>
      {issues.length === 0 && <p class="quiet">Nothing here.</p>}
      <ul>
        {issues.map((issue) => (
          <Card issue={issue} people={people} />
        ))}
      </ul>
      {total > issues.length && (
        <p>
          <a href={`/teams/${team.id}/issues`}>All {total}</a>
        </p>
      )}
    </section>
  );
}

function Card({ issue, people }: { issue: Issue; people: People }) {
  const others = (Object.keys(STATES) as State[]).filter((state) => state !== issue.state);
  return (
    <li class="card" id={`issue-${issue.id}`}>
      <a href={`/issues/${issue.id}`}>{issue.title}</a>
      <p class="quiet">
        {issue.assignee_id === null ? 'Nobody yet' : nameOf(people, issue.assignee_id)}
      </p>
      <Form action={`/issues/${issue.id}/move`} class="moves">
        {others.map((state) => (
          <button
            name="state"
            value={state}
            aria-label={`Move "${issue.title}" to ${STATES[state]}`}
          >
            {STATES[state]}
          </button>
        ))}
      </Form>
    </li>
  );
}

export function NewTeam() {
  return (
    <Layout title="New team">
      <h1>New team</h1>
      <Form action="/teams">
        <Inputs model={Team} />
        <button>Create</button>
      </Form>
    </Layout>
  );
}

export function EditTeam({ team }: { team: Team }) {
  return (
    <Layout title={`Rename ${team.name}`} team={team}>
      <h1>Rename the team</h1>
      <Form action={`/teams/${team.id}`} method="patch">
        <Inputs model={Team} row={team} />
        <button>Save</button>
      </Form>
    </Layout>
  );
}
