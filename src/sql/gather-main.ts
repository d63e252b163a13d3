/**
 * A process that runs reading texts for the engine: gathers the rows that it asks for and lets SQLite compute over them, which nobody
 * can stop but by ending the process. One text at a time; it ends with its parent.
 */
import {
  Planner,
  type Sightings,
  type SqlRow,
  type Stripes,
  type StripeSession,
} from '../planner/planner.ts';
import {
  type Ask,
  errorOf,
  failureOf,
  type FromProcess,
  type SeenRows,
  type SentJob,
  type ToProcess,
} from './gather-calls.ts';
import { PORTION_ROWS } from './limits.ts';

interface Waiting {
  readonly resolve: (answer: SeenRows) => void;
  readonly reject: (error: Error) => void;
}

const waiting = new Map<number, Waiting>();
let next = 0;
let asks: Ask[] = [];
let catalogue = '';
let kept:
  | { readonly planner: Planner; readonly catalogue: string; readonly slots: number }
  | undefined;

process.on('message', (message: ToProcess) => {
  if (message.kind === 'run') return void run(message.job);
  for (const answer of message.answers) {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('rows' in answer) asked?.resolve(answer);
    else asked?.reject(errorOf(answer.failure));
  }
});
process.on('disconnect', () => process.exit());

async function run(job: SentJob): Promise<void> {
  const seen = new Seen(job.sightings === 'used');
  const opened = session(seen, job.sightings === 'none' ? undefined : seen);
  try {
    // With temporary tables a connection has scratches of its own, which are made anew.
    const temporary = job.temporary.length === 0 ? undefined : job.temporary;
    const begin = (): Promise<StripeSession> => Promise.resolve(opened);
    const connection = plannerOf(job).connect({ begin }, temporary);
    let rows: readonly SqlRow[];
    try {
      ({ rows } = await connection.execute(job.sql, job.values));
    } finally {
      // Scratches of its own would wait for a next statement that never comes.
      await connection.close();
    }
    let at = 0;
    for (; rows.length - at > PORTION_ROWS; at += PORTION_ROWS)
      say({ kind: 'part', rows: rows.slice(at, at + PORTION_ROWS) });
    say({ kind: 'done', rows: at === 0 ? rows : rows.slice(at), used: seen.used });
  } catch (error) {
    say({ kind: 'failed', failure: failureOf(error), used: seen.used });
  }
}

/** What one text has seen of the stripes. */
class Seen implements Sightings {
  readonly #mayUse: boolean;
  readonly #at = new Map<number, number | undefined>();
  used: ReadonlyMap<number, number> = new Map();

  constructor(mayUse: boolean) {
    this.#mayUse = mayUse;
  }

  see(stripe: number, at: number | undefined): void {
    const before = this.#at.has(stripe) ? this.#at.get(stripe) : at;
    this.#at.set(stripe, before === at ? at : undefined);
  }

  of(stripe: number): number | undefined {
    return this.#at.get(stripe);
  }

  use(at: ReadonlyMap<number, number>): boolean {
    if (!this.#mayUse) return false;
    this.used = new Map(at);
    for (const [stripe, index] of at) this.see(stripe, index);
    return true;
  }
}

function plannerOf({ budget, catalogue: told, slots, version }: SentJob): Planner {
  if (told !== undefined) catalogue = told;
  if (kept?.catalogue === catalogue && kept.slots === slots.version) return kept.planner;
  kept?.planner[Symbol.dispose]();
  const stripes: Stripes = {
    slots,
    catalogue,
    schemaVersion: version,
    begin: () => Promise.reject(new Error('Each text has a session of its own')),
  };
  const planner = new Planner(stripes, { budget, force: 'gather' });
  kept = { planner, catalogue, slots: slots.version };
  return kept.planner;
}

function session(seen: Seen, sightings: Sightings | undefined): StripeSession {
  const nothing = (): Promise<void> => Promise.resolve();
  const refused = (): Promise<never> => Promise.reject(new Error('It only reads'));
  return {
    sightings,
    rows: (stripe, sql, values) => rowsOf(stripe, sql, values, seen),
    write: refused,
    alter: refused,
    savepoint: nothing,
    release: nothing,
    rollbackTo: nothing,
    commit: nothing,
    rollback: nothing,
  };
}

async function* rowsOf(
  stripe: number,
  sql: string,
  values: SqlRow,
  seen: Seen,
): AsyncGenerator<readonly SqlRow[]> {
  const id = next++;
  const { promise, resolve, reject } = Promise.withResolvers<SeenRows>();
  waiting.set(id, { resolve, reject });
  asks.push({ id, stripe, sql, values });
  if (asks.length === 1) setImmediate(sendAsks);
  const { at, rows } = await promise;
  seen.see(stripe, at);
  yield rows;
}

/** What is asked for in one turn goes as one message. */
function sendAsks(): void {
  say({ kind: 'ask', asks });
  asks = [];
}

function say(message: FromProcess): void {
  process.send?.(message);
}
