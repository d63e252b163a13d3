/**
 * The catalogue's rows, as they were at one moment, in blocks of their own on up to five storages: what `moln recover` begins with when no
 * copy of the catalogue's database is left. The names of these blocks begin with `c` and the time, so that they are found on bare disks.
 * Which places have which block is not in it: that is what the disks tell.
 */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { pipeline, Readable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink, Row, Statement, Value } from './catalogue-link.ts';
import { todoRelease } from './collector.ts';
import { type Contents, contentInserts } from './content.ts';
import { insertsOf } from './changes.ts';
import {
  CHECKPOINT_EVERY_MS,
  CHECKPOINT_PAGE,
  CHECKPOINT_TIMES,
  CHECKPOINTS_KEPT,
} from './limits.ts';
import { isHere, type Place } from './placement.ts';
import { parsePolicy, type Policy } from './policy.ts';
import { number, text } from './rows.ts';
import { catalogueShape, type TableShape } from './schema.ts';
import type { Sessions } from './sessions.ts';

/** Of rows that belong to no bucket, and of the blocks of a checkpoint. */
export const NO_BUCKET = '';
export const CHECKPOINT_MARK = 'c';
const NAME = 'catalogue';
const FORMAT = 1;
const TIME_DIGITS = 11;
const FID_DIGITS = 24;
const COPIES_MAX = 5;
/** What is of no use to another cluster, or is told by the disks. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'copy',
  'coded',
  'alloc',
  'lock',
  'lastchange',
  'accesskey',
  'place',
]);

export interface CheckpointState {
  /** Of the newest one, milliseconds since the epoch; undefined while there is none. */
  readonly madeAt: number | undefined;
  readonly rows: number;
  readonly bytes: number;
}

export interface CheckpointsOptions {
  readonly link: CatalogueLink;
  readonly contents: Contents;
  readonly places: { all(): readonly Place[] };
  readonly sessions: Sessions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** As many copies as there are places for them, up to five. */
export function checkpointPolicy(places: readonly Place[]): Policy {
  const usable = places.filter(isHere).length;
  return parsePolicy(`${Math.min(COPIES_MAX, Math.max(1, usable))} copies`);
}

/** Tables of a checkpoint, in the order in which they are written. */
export function checkpointTables(): readonly TableShape[] {
  return catalogueShape().filter(({ name }) => !LEFT_OUT.has(name));
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #tables = checkpointTables();
  #dueMs = -Infinity;
  /** What the catalogue was when the newest one was made. */
  #known = '';
  #state: CheckpointState = { madeAt: undefined, rows: 0, bytes: 0 };

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** Makes one when it is time and something has changed. */
  async step(): Promise<void> {
    const { clock, link, log } = this.#options;
    if (clock.monotonicMs() < this.#dueMs) return;
    const [counts = []] = await link.read([
      { sql: "SELECT bucket, ord, bytes, objects FROM usage WHERE bucket <> '' ORDER BY bucket" },
    ]);
    const now = JSON.stringify(counts);
    if (counts.length === 0 || now === this.#known) return;
    try {
      await this.make();
      this.#known = now;
    } catch (error) {
      log.warn('The checkpoint of the catalogue could not be made', { why: messageOf(error) });
    }
  }

  async make(): Promise<CheckpointState> {
    const { clock, contents, link, sessions } = this.#options;
    const startMs = clock.monotonicMs();
    const madeAt = clock.now();
    await using session = await sessions.take();
    let rows = 0;
    const content = await link.moment(async (read) => {
      const lines = this.#lines(read, madeAt, () => (rows += 1));
      const packed = pipeline(Readable.from(lines), createZstdCompress(), () => undefined);
      return await contents.write(packed, {
        name: NAME,
        policy: checkpointPolicy(this.#options.places.all()),
        size: undefined,
        session: session.seq,
        mayInline: false,
        fid: checkpointFid(madeAt),
      });
    });
    const before = await link.all(
      "SELECT fid FROM content WHERE bucket = '' AND refs > 0 ORDER BY fid DESC",
      [],
    );
    const old = before.slice(CHECKPOINTS_KEPT - 1);
    await link.run([
      ...insertsOf(NO_BUCKET, contentInserts(content)),
      ...old.map(([fid]) => todoRelease(NO_BUCKET, text(fid), madeAt)),
    ]);
    const tookMs = clock.monotonicMs() - startMs;
    this.#dueMs = clock.monotonicMs() + Math.max(CHECKPOINT_EVERY_MS, CHECKPOINT_TIMES * tookMs);
    this.#state = { madeAt, rows, bytes: content.size };
    return this.#state;
  }

  async state(): Promise<CheckpointState> {
    if (this.#state.madeAt !== undefined) return this.#state;
    const row = await this.#options.link.one(
      "SELECT fid, size FROM content WHERE bucket = '' AND refs > 0 ORDER BY fid DESC LIMIT 1",
      [],
    );
    if (row === undefined) return this.#state;
    return { madeAt: timeOfCheckpoint(text(row[0])), rows: 0, bytes: number(row[1]) };
  }

  async *#lines(
    read: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>,
    madeAt: number,
    onRow: () => void,
  ): AsyncGenerator<string> {
    const [buckets = []] = await read([{ sql: 'SELECT bucket FROM bucket ORDER BY bucket' }]);
    yield lineOf({ format: FORMAT, madeAt });
    let rows = 0;
    for (const bucket of [NO_BUCKET, ...buckets.map(([name]) => text(name))])
      for (const table of this.#tables) {
        if (bucket === NO_BUCKET && !OF_NO_BUCKET.has(table.name)) continue;
        for await (const row of rowsOf(read, table, bucket)) {
          rows += 1;
          onRow();
          yield lineOf([table.name, ...row.map(encodeValue)]);
        }
      }
    yield lineOf({ rows });
  }
}

/** Its own blocks are not in it, nor what is done about them. */
const OF_NO_BUCKET: ReadonlySet<string> = new Set(['usage', 'session']);

/** Rows of a table that are read back: by name of the table. Throws when it does not end as it should. */
export async function readCheckpoint(
  body: AsyncIterable<Uint8Array>,
  onRow: (table: string, row: Row) => void,
): Promise<{ readonly madeAt: number }> {
  const plain = pipeline(Readable.from(body), createZstdDecompress(), () => undefined);
  let madeAt: number | undefined;
  let rows = 0;
  for await (const line of createInterface({ input: plain, crlfDelay: Infinity })) {
    const value = JSON.parse(line) as unknown;
    if (Array.isArray(value)) {
      const [table, ...values] = value as unknown as readonly [string, ...unknown[]];
      onRow(table, values.map(decodeValue));
      rows += 1;
      continue;
    }
    const head = value as Readonly<Record<string, number>>;
    if (head['format'] !== undefined && head['format'] > FORMAT)
      throw new Error(`A checkpoint has format ${head['format']}, this Moln knows ${FORMAT}`);
    madeAt ??= head['madeAt'];
    if (head['rows'] === rows && madeAt !== undefined) return { madeAt };
  }
  throw new Error('A checkpoint of the catalogue is not whole');
}

/** Those of later ones are greater. */
function checkpointFid(madeAt: number): string {
  const digits = `${CHECKPOINT_MARK}${madeAt.toString(16).padStart(TIME_DIGITS, '0')}`;
  return `${digits}${randomBytes((FID_DIGITS - digits.length) / 2).toString('hex')}`;
}

function timeOfCheckpoint(fid: string): number {
  return Number.parseInt(
    fid.slice(CHECKPOINT_MARK.length, CHECKPOINT_MARK.length + TIME_DIGITS),
    16,
  );
}

async function* rowsOf(
  read: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>,
  { name, columns, key }: TableShape,
  bucket: string,
): AsyncGenerator<Row> {
  const order = key.length === 0 ? '' : `ORDER BY ${key.join(', ')}`;
  const at = key.map((column) => columns.indexOf(column));
  for (let last: Row | undefined; ;) {
    const after =
      last === undefined
        ? undefined
        : behind(
            key,
            at.map((index) => last?.[index] ?? null),
          );
    const [page = []] = await read([
      {
        sql: `SELECT ${columns.join(', ')} FROM ${name} WHERE bucket = ?
          ${after === undefined ? '' : `AND (${after.sql})`} ${order} LIMIT ${CHECKPOINT_PAGE}`,
        args: [bucket, ...(after?.args ?? [])],
      },
    ]);
    yield* page;
    last = page.at(-1);
    if (page.length < CHECKPOINT_PAGE) return;
  }
}

/** `a > ? OR (a = ? AND b > ?)`: what comes behind a row in the order of its key. */
export function behind(
  key: readonly string[],
  values: Row,
): { readonly sql: string; readonly args: Row } {
  const terms = key.map((column, at) => {
    const same = key.slice(0, at).map((one) => `${one} = ?`);
    return `(${[...same, `${column} > ?`].join(' AND ')})`;
  });
  return { sql: terms.join(' OR '), args: key.flatMap((_, at) => values.slice(0, at + 1)) };
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function encodeValue(value: Value): unknown {
  return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
}

function decodeValue(value: unknown): Value {
  if (typeof value !== 'object' || value === null) return value as Value;
  return Buffer.from((value as { readonly base64: string }).base64, 'base64');
}
