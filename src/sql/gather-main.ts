/**
 * A process that runs reading texts for the engine: gathers the rows that it asks for and lets SQLite compute over them, which nobody
 * can stop but by ending the process. One text at a time; it ends with its parent.
 */
import { Planner, type SqlRow, type Stripes, type StripeSession } from '../planner/planner.ts';
import {
  type Ask,
  errorOf,
  failureOf,
  type FromProcess,
  type GatherJob,
  type ToProcess,
} from './gather-calls.ts';

interface Waiting {
  readonly resolve: (rows: readonly SqlRow[]) => void;
  readonly reject: (error: Error) => void;
}

const waiting = new Map<number, Waiting>();
let next = 0;
let asks: Ask[] = [];
let kept:
  | { readonly planner: Planner; readonly catalogue: string; readonly slots: number }
  | undefined;

process.on('message', (message: ToProcess) => {
  if (message.kind === 'run') return void run(message.job);
  for (const answer of message.answers) {
    const asked = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('rows' in answer) asked?.resolve(answer.rows);
    else asked?.reject(errorOf(answer.failure));
  }
});
process.on('disconnect', () => process.exit());

async function run(job: GatherJob): Promise<void> {
  try {
    const planner = plannerOf(job);
    const { rows } = await planner
      .connect(planner.stripes, job.temporary)
      .execute(job.sql, job.values);
    say({ kind: 'done', rows });
  } catch (error) {
    say({ kind: 'failed', failure: failureOf(error) });
  }
}

function plannerOf({ budget, catalogue, slots, version }: GatherJob): Planner {
  if (kept?.catalogue === catalogue && kept.slots === slots.version) return kept.planner;
  kept?.planner[Symbol.dispose]();
  const stripes: Stripes = {
    slots,
    catalogue,
    schemaVersion: version,
    begin: () => Promise.resolve(session()),
  };
  kept = { planner: new Planner(stripes, { budget }), catalogue, slots: slots.version };
  return kept.planner;
}

function session(): StripeSession {
  const nothing = (): Promise<void> => Promise.resolve();
  const refused = (): Promise<never> => Promise.reject(new Error('It only reads'));
  return {
    rows: (stripe, sql, values) => rowsOf(stripe, sql, values),
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
): AsyncGenerator<readonly SqlRow[]> {
  const id = next++;
  const { promise, resolve, reject } = Promise.withResolvers<readonly SqlRow[]>();
  waiting.set(id, { resolve, reject });
  asks.push({ id, stripe, sql, values });
  if (asks.length === 1) setImmediate(sendAsks);
  yield await promise;
}

/** What is asked for in one turn goes as one message. */
function sendAsks(): void {
  say({ kind: 'ask', asks });
  asks = [];
}

function say(message: FromProcess): void {
  process.send?.(message);
}
