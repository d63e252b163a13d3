/**
 * Moves half of a stripe's slots into a new stripe while clients go on. Each step is one transaction over all stripes: some slots' rows
 * go from one file to the other, and with them, at the same revision, goes the next slot map, which makes a new version of every
 * stripe's schema. So a statement that was planned by the map before is refused wherever it arrives, and planned again. Whoever runs
 * this may die at any time: the map on stripe 0 says what has moved and what has not, and anybody goes on from there.
 */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type Statement,
  type StripeClient,
  type StripeTransaction,
  Together,
} from '../database/database.ts';
import {
  type Planner,
  quoted,
  slotOf,
  type SqlRow,
  storedColumns,
  type Table,
} from '../planner/planner.ts';
import { movedSlots, type SlotMap, splitSlots } from '../slots/slots.ts';
import { limitMet } from './errors.ts';
import {
  SPLIT_AGAIN_MS,
  SPLIT_BYTES_MAX,
  SPLIT_HOLD_MS,
  SPLIT_PAGE_ROWS,
  SPLIT_PORTION_KEYS,
  SPLIT_REFERENCE_ROWS_MAX,
  SPLIT_REST_MS,
  SPLIT_WAIT_MS,
  SPLIT_WAIT_MS_MAX,
} from './limits.ts';
import { type Ask, MovingRows, type Portion } from './moving-rows.ts';
import { KeySet } from './moving-table.ts';
import { keepCatalogue, type Schema, type StripeSet } from './stripe-set.ts';

/** A stripe, and the new one that takes half of its slots. */
export interface Split {
  readonly from: number;
  readonly into: number;
}

export interface SplitterOptions {
  readonly set: StripeSet;
  readonly planner: Planner;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two steps. */
  readonly onStep?: (step: SplitStep) => void;
}

export type SplitStep = 'joined' | 'scanned' | 'held' | 'copied' | 'moved';

/** Of the split that this process does. */
export interface SplitFigures {
  readonly rows: number;
  /** Clients waited so long at most. */
  readonly pauseMsMax: number;
}

interface Held {
  readonly schema: Schema;
  readonly by: ReadonlyMap<number, StripeTransaction>;
  readonly together: Together;
  readonly beganMs: number;
}

/** Of tables, not of indexes that SQLite makes, nor of what belongs to full-text tables. */
const DEFINITIONS = `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
  AND name NOT IN ('_moln_catalogue', '_moln_applied', '_moln_triggers')
  AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow') ORDER BY rowid`;

export class Splitter {
  readonly #options: SplitterOptions;
  #rows = 0;
  #pauseMsMax = 0;

  constructor(options: SplitterOptions) {
    this.#options = options;
  }

  get figures(): SplitFigures {
    return { rows: this.#rows, pauseMsMax: this.#pauseMsMax };
  }

  /** Resolves when the slots have moved. Throws what keeps it from going on; it may be tried again at any time, by anybody. */
  async run(split: Split, signal: AbortSignal): Promise<void> {
    const { set } = this.#options;
    await set.reload();
    while (set.slots.count <= split.into)
      await this.#attempt((waitMs) => this.#join(split, waitMs), signal);
    while (set.slots.moving !== undefined) await this.#moveSome(signal);
  }

  /** The new stripe gets all tables, the rows of reference tables, and no slot. */
  async #join({ from, into }: Split, waitMs: number): Promise<boolean> {
    const held = await this.#hold(into + 1, waitMs);
    if (held === undefined) return false;
    return await this.#commit(held, async () => {
      const { schema } = held;
      const map = splitSlots(schema.slots, from);
      // Somebody else was faster, or the order of splits has changed, which nobody may do.
      if (map?.moving?.into !== into) throw new Error(`Stripe ${from} cannot be split now`);
      const definitions = await held.by.get(from)?.run({ sql: DEFINITIONS });
      await held.by
        .get(into)
        ?.runAll([
          ...(definitions?.rows ?? []).map(([sql]) => ({ sql: String(sql) })),
          { schemaVersion: schema.stripeVersion + 1 },
        ]);
      const tables = [...this.#options.planner.catalogue.tables.values()];
      if (schema.slots.count === 1) await this.#raiseIds(tables, held);
      await copyReference(
        tables.filter(({ place }) => place === 'reference'),
        held,
        { from, into },
      );
      return map;
    });
  }

  /** A single stripe gives ids by itself; from now on they come from the counters, which have to be above. */
  async #raiseIds(tables: readonly Table[], { by }: Held): Promise<void> {
    const { ids } = this.#options.planner.settings;
    for (const { counter, name, place, rid } of tables) {
      if (place !== 'striped' || rid === undefined) continue;
      const sql = `SELECT max(${quoted(rid)}) FROM ${quoted(name)}`;
      const [[largest] = []] = (await by.get(0)?.run({ sql }))?.rows ?? [];
      if (typeof largest === 'bigint') await ids?.taken(counter, largest);
    }
  }

  /** As many slots as are known at a time, in steps. */
  async #moveSome(signal: AbortSignal): Promise<void> {
    const { planner, set } = this.#options;
    const { moving, count } = set.slots;
    if (moving === undefined) return;
    const { catalogue } = planner;
    const client = set.client(moving.from);
    const rows = new MovingRows({
      log: set.log,
      stripe: client.name,
      tables: catalogue.tables.values(),
      slots: moving.left,
    });
    const ask: Ask = async (statement, index) =>
      (await client.query(statement, { kind: 'session', index })).rows;
    await rows.scan(ask, signal);
    this.#options.onStep?.('scanned');
    // Tables that have changed are walked through again.
    while (!rows.isEmpty && set.schema.version === catalogue.version) {
      await this.#attempt(async (waitMs) => {
        await rows.catchUp(ask);
        const held = await this.#hold(count, waitMs);
        if (held === undefined) return false;
        if (held.schema.version !== catalogue.version || held.schema.slots.moving === undefined) {
          await held.together.rollBack();
          return true;
        }
        return await this.#commit(held, async () => this.#portions(held, rows), rows);
      }, signal);
    }
  }

  /** Portion after portion for as long as clients may wait. */
  async #portions(held: Held, rows: MovingRows): Promise<SlotMap> {
    const { clock } = this.#options;
    const { slots } = held.schema;
    const from = held.by.get(slots.moving?.from ?? -1);
    const into = held.by.get(slots.moving?.into ?? -1);
    if (from === undefined || into === undefined) throw new Error('Both stripes are held');
    await rows.catchUp(async (statement) => (await from.run(statement)).rows);
    let map = slots;
    for (let bytes = 0; ;) {
      const portion = rows.next(SPLIT_PORTION_KEYS);
      if (portion.slots.size === 0) break;
      bytes += await this.#carry(portion, from, into);
      map = movedSlots(map, portion.slots);
      rows.moved(portion.slots, -1);
      const took = clock.monotonicMs() - held.beganMs;
      if (map.moving === undefined || took > SPLIT_HOLD_MS || bytes > SPLIT_BYTES_MAX) break;
    }
    return { ...map, version: slots.version + 1 };
  }

  /** Bytes of the rows. */
  async #carry(
    { keys, slots }: Portion,
    from: StripeTransaction,
    into: StripeTransaction,
  ): Promise<number> {
    let bytes = 0;
    for (const [table, all] of keys) {
      const gone = new KeySet();
      for (const statement of table.read(all)) {
        const found = (await from.run(statement)).rows;
        const rows = found.filter((row) => slots.has(table.slotOf(row, slotOf)));
        const fresh = rows.filter((row) => gone.add(table.keyOf(row)));
        await into.runAll(table.put(fresh));
        this.#rows += fresh.length;
        bytes += fresh.reduce((sum, row) => sum + bytesOf(row), 0);
      }
      await from.runAll(table.remove(gone));
    }
    return bytes;
  }

  /** All stripes, or undefined when that takes too long or another schema came in between: then nothing is held. */
  async #hold(count: number, waitMs: number): Promise<Held | undefined> {
    const { clock, set } = this.#options;
    const { schema } = set;
    const numbers = [...Array.from({ length: count }).keys()];
    const nameOf = (stripe: number): string => set.client(stripe).name;
    // In the order in which all take them.
    numbers.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const by = new Map<number, StripeTransaction>();
    const holds = new Map<string, StripeTransaction>();
    const beganMs = clock.monotonicMs();
    let isSame = true;
    try {
      for (const stripe of numbers) {
        const leftMs = beganMs + waitMs - clock.monotonicMs();
        const hold = await heldWithin(set.client(stripe), leftMs, clock);
        if (hold === undefined) break;
        holds.set(nameOf(stripe), hold);
        by.set(stripe, hold);
        isSame = stripe >= schema.slots.count || hold.schemaVersion === schema.stripeVersion;
        if (!isSame) break;
      }
    } catch (error) {
      await rollBackAll(holds.values());
      throw error;
    }
    const together = new Together(set.log, holds);
    if (by.size === count && isSame) {
      this.#options.onStep?.('held');
      return { schema, by, together, beganMs };
    }
    await rollBackAll(holds.values());
    if (!isSame) await set.reload();
    return undefined;
  }

  /** What `work` does, and the map that it gives, at one revision. */
  async #commit(held: Held, work: () => Promise<SlotMap>, rows?: MovingRows): Promise<true> {
    const { clock, set } = this.#options;
    const { schema, together, by, beganMs } = held;
    let next: Schema;
    try {
      const slots = await work();
      next = { ...schema, slots, stripeVersion: schema.stripeVersion + 1 };
      await Promise.all(
        [...by].map(async ([stripe, hold]) => hold.runAll(keepCatalogue(stripe, next))),
      );
      this.#options.onStep?.('copied');
    } catch (error) {
      await together.rollBack();
      throw error;
    }
    const indexes = await together.commit();
    set.adopt(next);
    const from = next.slots.moving?.from ?? schema.slots.moving?.from;
    const index = from === undefined ? undefined : indexes.get(set.client(from).name);
    if (index !== undefined) rows?.moved(new Set(), index);
    this.#pauseMsMax = Math.max(this.#pauseMsMax, clock.monotonicMs() - beganMs);
    this.#options.onStep?.(rows === undefined ? 'joined' : 'moved');
    return true;
  }

  /** Until it was done; clients get their turn in between. */
  async #attempt(work: (waitMs: number) => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const { clock, logger, set } = this.#options;
    const beganMs = clock.monotonicMs();
    for (let times = 1, waitMs = SPLIT_WAIT_MS; ; times++) {
      signal.throwIfAborted();
      if (await work(waitMs)) break;
      waitMs = Math.min(2 * waitMs, SPLIT_WAIT_MS_MAX);
      if (times % 50 === 0) logger.info('A stripe waits to be split: others hold it', { times });
      await clock.sleep(SPLIT_AGAIN_MS, signal);
    }
    if (set.slots.moving === undefined) return;
    await clock.sleep(Math.max(SPLIT_REST_MS, clock.monotonicMs() - beganMs), signal);
  }
}

async function copyReference(
  tables: readonly Table[],
  held: Held,
  { from, into }: Split,
): Promise<void> {
  const [source, target] = [held.by.get(from), held.by.get(into)];
  let count = 0;
  for (const table of tables) {
    const columns = storedColumns(table).map(quoted);
    const keys = table.key.map(quoted).join(', ');
    const at = table.key.map((name) => storedColumns(table).indexOf(name));
    const put = `INSERT INTO ${quoted(table.name)}(${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
    for (let last: SqlRow | undefined, full = true; full;) {
      const behind =
        last === undefined ? '' : ` WHERE (${keys}) > (${at.map(() => '?').join(', ')})`;
      const sql = `SELECT ${columns.join(', ')} FROM ${quoted(table.name)}${behind} ORDER BY ${keys} LIMIT ${SPLIT_PAGE_ROWS}`;
      const args = at.map((place) => last?.[place] ?? null);
      const rows = (await source?.run({ sql, args: last === undefined ? [] : args }))?.rows ?? [];
      count += rows.length;
      if (count > SPLIT_REFERENCE_ROWS_MAX) throw referenceTooLarge(table.name);
      await target?.runAll(rows.map((row): Statement => ({ sql: put, args: row })));
      last = rows.at(-1);
      full = rows.length === SPLIT_PAGE_ROWS;
    }
  }
}

function referenceTooLarge(table: string): Error {
  return limitMet(
    'splitReferenceRows',
    `A new stripe needs a copy of the reference tables, and up to "${table}" they have more than ${SPLIT_REFERENCE_ROWS_MAX} rows`,
    'Make large tables striped, and only small ones "reference"',
  );
}

/** Undefined when it takes longer; its turn is given up then. */
async function heldWithin(
  client: StripeClient,
  ms: number,
  clock: Clock,
): Promise<StripeTransaction | undefined> {
  const begun = client.begin();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  using _timer = clock.after(Math.max(0, ms), () => resolve(undefined));
  const hold = await Promise.race([begun, promise]);
  if (hold === undefined) {
    begun.then(
      (late) => late.rollBack().catch(() => undefined),
      () => undefined,
    );
  }
  return hold;
}

/** What cannot be told ends by its own time limit. */
async function rollBackAll(holds: Iterable<StripeTransaction>): Promise<void> {
  await Promise.allSettled([...holds].map(async (hold) => hold.rollBack()));
}

function bytesOf(row: SqlRow): number {
  return row.reduce<number>((sum, value) => {
    if (typeof value === 'string') return sum + value.length;
    return sum + (value instanceof Uint8Array ? value.byteLength : 8);
  }, 0);
}
