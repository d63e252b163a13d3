/**
 * Changes of buckets. Those of one bucket that wait go together in one transaction, so that one commit is paid for many; two that touch one
 * key go one after the other. Each is decided by itself from what was read in that transaction. A transaction leaves its id, so that one
 * whose end is unknown is not made twice: those of one bucket go one after the other, and what was left last tells.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { randomId } from '../base/ids.ts';
import type { CatalogueLink, Row, Statement, Value } from './catalogue-link.ts';
import { noBucket } from './errors.ts';
import { GROUP_MAX, ROWS_PER_INSERT } from './limits.ts';
import { marksOf } from './lookups.ts';
import {
  bucketOf,
  bucketReads,
  type BucketState,
  USAGE_COLUMNS,
  VERSION_COLUMNS,
  versionOf,
  type VersionRow,
} from './rows.ts';

export interface Insert {
  readonly table: string;
  /** Comma-separated; without bucket, which comes first. */
  readonly columns: string;
  readonly rows: readonly (readonly Value[])[];
}

export interface Effect<T> {
  /** Before the statements; rows for one table go together. */
  readonly inserts?: readonly Insert[];
  readonly statements?: readonly Statement[];
  /** What is added. Judged against the quota unless it shrinks. */
  readonly bytes?: number;
  readonly objects?: number;
  /** A new version has taken the next `ord`. */
  readonly takesOrd?: boolean;
  readonly result: T;
}

export interface Change<T> {
  /** What it touches: a key, an upload. */
  readonly touches: readonly string[];
  /** Keys whose newest version `decide` wants to know. */
  readonly keys?: readonly string[];
  readonly reads: readonly Statement[];
  /** Throws what the caller is to get; then nothing of it happens. `state` has what others of the same transaction did. */
  readonly decide: (
    rows: readonly (readonly Row[])[],
    state: BucketState,
    current: (key: string) => VersionRow | undefined,
  ) => Effect<T>;
}

interface Waiting {
  readonly change: Change<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Group {
  readonly waiting: Waiting[];
  isRunning: boolean;
}

type Outcome =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: unknown };

export interface ChangesOptions {
  readonly link: CatalogueLink;
  /** This node's id; of each node one process makes changes. */
  readonly node: () => string;
  /** Told how a bucket is after each transaction. */
  readonly onState: (bucket: string, state: BucketState) => void;
}

export class Changes {
  readonly #link: CatalogueLink;
  readonly #node: () => string;
  readonly #onState: (bucket: string, state: BucketState) => void;
  readonly #groups = new Map<string, Group>();

  constructor(options: ChangesOptions) {
    this.#link = options.link;
    this.#node = options.node;
    this.#onState = options.onState;
  }

  /** Throws `FILES_NO_BUCKET`, and what `decide` throws. */
  async make<T>(bucket: string, change: Change<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const group = this.#groups.get(bucket) ?? { waiting: [], isRunning: false };
    this.#groups.set(bucket, group);
    group.waiting.push({ change, resolve, reject });
    if (!group.isRunning) void this.#run(bucket, group);
    return (await promise) as T;
  }

  async #run(bucket: string, group: Group): Promise<void> {
    group.isRunning = true;
    // Blocks of many become durable at once: all that come in this turn of the event loop go together.
    await turn();
    while (group.waiting.length > 0) {
      const taken = takeApart(group.waiting);
      try {
        const outcomes = await this.#together(
          bucket,
          taken.map(({ change }) => change),
        );
        for (const [at, outcome] of outcomes.entries()) {
          if (outcome.ok) taken[at]?.resolve(outcome.result);
          else taken[at]?.reject(outcome.error);
        }
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    this.#groups.delete(bucket);
  }

  async #together(
    bucket: string,
    changes: readonly Change<unknown>[],
  ): Promise<readonly Outcome[]> {
    const keys = changes.flatMap((change) => change.keys ?? []);
    const mark = { node: this.#node(), id: randomId(16) };
    const own = markedReads(bucket, mark.node);
    const reads = [
      ...own,
      ...currentReads(bucket, keys),
      ...changes.flatMap((change) => change.reads),
    ];
    let tried: readonly Outcome[] = [];
    let created: number | undefined;
    const { outcomes, state } = await this.#link.transaction(reads, (rows) => {
      const before = bucketOf(rows[0]?.[0], rows[1]?.[0]);
      // What was left last goes with its bucket: in another one of that name nobody could tell what was made.
      if (before === undefined || (created ?? before.created) !== before.created)
        throw noBucket(bucket);
      ({ created } = before);
      if (rows[1]?.[0]?.at(-1) === mark.id)
        return { writes: [], result: { outcomes: tried, state: before } };
      let state: BucketState = before;
      const effects: Effect<unknown>[] = [];
      const counts = own.length;
      let from = counts + currentReads(bucket, keys).length;
      const known = new Map(
        rows
          .slice(counts, from)
          .flat()
          .map(versionOf)
          .map((row) => [row.key, row]),
      );
      const decided = changes.map((change): Outcome => {
        const own = rows.slice(from, (from += change.reads.length));
        try {
          const effect = change.decide(own, state, (key) => known.get(key));
          effects.push(effect);
          state = after(state, effect);
          return { ok: true, result: effect.result };
        } catch (error) {
          return { ok: false, error };
        }
      });
      tried = decided;
      const writes = writesOf(bucket, { before, state, effects });
      if (writes.length > 0) writes.push(markOf(bucket, mark));
      return { writes, result: { outcomes: decided, state } };
    });
    this.#onState(bucket, state);
    return outcomes;
  }
}

/** As `bucketReads`; behind the usage is what this node changed last. */
function markedReads(bucket: string, node: string): readonly [Statement, Statement] {
  const [settings] = bucketReads(bucket);
  const last = '(SELECT id FROM lastchange WHERE bucket = ? AND node = ?)';
  return [
    settings,
    {
      sql: `SELECT ${USAGE_COLUMNS}, ${last} FROM usage WHERE bucket = ?`,
      args: [bucket, node, bucket],
    },
  ];
}

function markOf(
  bucket: string,
  { node, id }: { readonly node: string; readonly id: string },
): Statement {
  return {
    sql: 'INSERT OR REPLACE INTO lastchange (bucket, node, id) VALUES (?, ?, ?)',
    args: [bucket, node, id],
  };
}

/** The newest versions of all keys in one statement, for each statement costs about the same. */
function currentReads(bucket: string, keys: readonly string[]): readonly Statement[] {
  if (keys.length === 0) return [];
  return [
    {
      sql: `SELECT ${VERSION_COLUMNS} FROM object WHERE bucket = ? AND key IN (${marksOf(keys)})`,
      args: [bucket, ...keys],
    },
  ];
}

/** As many as go together, in order: no two that touch the same. */
function takeApart(waiting: Waiting[]): Waiting[] {
  const touched = new Set<string>();
  const taken: Waiting[] = [];
  const left: Waiting[] = [];
  for (const one of waiting) {
    const { touches } = one.change;
    const isFree = taken.length < GROUP_MAX && !touches.some((each) => touched.has(each));
    // What has to wait goes before those behind it that touch the same.
    for (const each of touches) touched.add(each);
    (isFree ? taken : left).push(one);
  }
  waiting.splice(0, waiting.length, ...left);
  return taken;
}

function after(state: BucketState, effect: Effect<unknown>): BucketState {
  return {
    ...state,
    bytes: state.bytes + (effect.bytes ?? 0),
    objects: state.objects + (effect.objects ?? 0),
    ord: state.ord + (effect.takesOrd === true ? 1 : 0),
  };
}

function writesOf(
  bucket: string,
  {
    before,
    state,
    effects,
  }: {
    readonly before: BucketState;
    readonly state: BucketState;
    readonly effects: readonly Effect<unknown>[];
  },
): Statement[] {
  const writes: Statement[] = [
    ...insertsOf(
      bucket,
      effects.flatMap(({ inserts = [] }) => inserts),
    ),
    ...effects.flatMap(({ statements = [] }) => statements),
  ];
  const { bytes, objects, ord } = state;
  const isCounted = bytes !== before.bytes || objects !== before.objects || ord !== before.ord;
  if (isCounted)
    writes.push({
      sql: 'UPDATE usage SET bytes = ?, objects = ?, ord = ? WHERE bucket = ?',
      args: [bytes, objects, ord, bucket],
    });
  return writes;
}

/** Rows of one table together. */
export function insertsOf(bucket: string, inserts: readonly Insert[]): Statement[] {
  const tables = new Map<
    string,
    { readonly columns: string; readonly rows: (readonly Value[])[] }
  >();
  for (const { table, columns, rows } of inserts) {
    const known = tables.get(table) ?? { columns, rows: [] };
    known.rows.push(...rows);
    tables.set(table, known);
  }
  const statements: Statement[] = [];
  for (const [table, { columns, rows }] of tables) {
    for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
      const some = rows.slice(from, from + ROWS_PER_INSERT);
      const marks = some.map((row) => `(?${', ?'.repeat(row.length)})`).join(', ');
      statements.push({
        sql: `INSERT INTO ${table} (bucket, ${columns}) VALUES ${marks}`,
        args: some.flatMap((row) => [bucket, ...row]),
      });
    }
  }
  return statements;
}
