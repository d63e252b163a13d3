import { Button, can, Form, Input } from 'moln';
import { type Membership, Membership as Memberships, NewMember } from '../models/membership.ts';
import type { Team } from '../models/team.ts';
import { Layout } from './layout.tsx';
import { nameOf, type People } from './parts.tsx';

interface Given {
  team: Team;
  memberships: readonly Membership[];
  people: People;
}

export async function Members({ team, memberships, people }: Given) {
  const mayAdd = await can('create', Memberships, { team_id: team.id });
  return (
    <Layout title={`Members of ${team.name}`} team={team}>
      <h1>Members</h1>
      <ul class="rows">
        {memberships.map((membership) => (
          <Member membership={membership} people={people} />
        ))}
      </ul>
      {mayAdd && (
        <Form action={`/teams/${team.id}/members`} class="box">
          <Input model={NewMember} name="email" autocomplete="off" />
          <button>Add</button>
        </Form>
      )}
    </Layout>
  );
}

async function Member({ membership, people }: { membership: Membership; people: People }) {
  const { id, role, team_id, user_id } = membership;
  const name = nameOf(people, user_id);
  return (
    <li>
      <span class="who">{name}</span> <span class="quiet">{people.get(user_id)?.email}</span>{' '}
      {role === 'owner' && <span class="state">Owner</span>}
      {(await can('delete', membership)) && (
        <Button action={`/teams/${team_id}/members/${id}`} method="delete" label={`Remove ${name}`}>
          Remove
        </Button>
      )}
    </li>
  );
}
