import type { Issue } from '../models/issue.ts';
import type { Team } from '../models/team.ts';
import { Layout } from './layout.tsx';
import { StateMark } from './parts.tsx';

/** For who is not signed in. */
export function Welcome() {
  return (
    <Layout title="Welcome">
      <div class="welcome">
        <h1>What is to be done, and who does it</h1>
        <p>
          Teams write down issues, talk about them, attach what is needed, and see them move over a
          board.
        </p>
        <p>
          <a class="button" href="/users/new">
            Sign up
          </a>{' '}
          <a href="/session/new">Sign in</a>
        </p>
      </div>
    </Layout>
  );
}

export function Home({ teams, issues }: { teams: readonly Team[]; issues: readonly Issue[] }) {
  const names = new Map(teams.map(({ id, name }) => [id, name]));
  return (
    <Layout title="Your work">
      <h1>Your work</h1>
      <section aria-labelledby="assigned">
        <h2 id="assigned">Assigned to you</h2>
        {issues.length === 0 && <p class="quiet">Nothing at the moment.</p>}
        <ul class="rows">
          {issues.map((issue) => (
            <li>
              <a href={`/issues/${issue.id}`}>{issue.title}</a> <StateMark state={issue.state} />
              <span class="quiet">{names.get(issue.team_id)}</span>
            </li>
          ))}
        </ul>
      </section>
      <section aria-labelledby="teams">
        <h2 id="teams">Your teams</h2>
        {teams.length === 0 && (
          <p class="quiet">
            You are in no team yet: make one, or have its owner add you by your address.
          </p>
        )}
        <ul class="rows">
          {teams.map(({ id, name }) => (
            <li>
              <a href={`/teams/${id}`}>{name}</a>
            </li>
          ))}
        </ul>
        <p>
          <a class="button" href="/teams/new">
            New team
          </a>
        </p>
      </section>
    </Layout>
  );
}
