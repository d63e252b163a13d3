/** What several pages have. */
import type { User } from '../models/user.ts';
import { type State, STATES } from '../models/issue.ts';

export type People = ReadonlyMap<number, User>;

/** The name of somebody; who has left all teams of the visitor has none any more. */
export function nameOf(people: People, id: number | null): string {
  return id === null ? 'nobody' : (people.get(id)?.name ?? 'somebody who has left');
}

export function Who({ people, id }: { people: People; id: number | null }) {
  return <span class={id === null ? 'quiet' : 'who'}>{nameOf(people, id)}</span>;
}

export function When({ at }: { at: Date }) {
  return (
    <time datetime={at.toISOString()}>{at.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>
  );
}

export function StateMark({ state }: { state: State }) {
  return <span class={`state state-${state}`}>{STATES[state]}</span>;
}

/** The state as people read it, for inputs. */
export const STATE_CHOICES = Object.entries(STATES);
