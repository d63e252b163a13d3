/**
 * Purges as a record that all nodes read: a node that was away finds there what it has missed. One record, so that its orders have
 * one order; it keeps those of a day, and not too many.
 */
import { MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import {
  PURGE_ORDERS_MAX,
  type PurgeOrders,
  purgeOrdersSchema,
  type PurgeRequest,
} from '../gateway/gateway.ts';
import { Collection, type Entry, type Registry, type Revision } from '../registry/registry.ts';

const PREFIX = '/cache/';
const ID = 'purges';
export const PURGES_KEY: string = PREFIX + ID;

const FORMAT = 1;
const DAY_MS = 86_400_000;
/** Characters of all targets that are kept: a record of the registry has to stay small. */
const TARGETS_CHARACTERS_MAX = 256 * 1024;

export const NO_PURGES: PurgeOrders = { floor: 0, orders: [] };

export class PurgeLog {
  readonly #collection: Collection<PurgeOrders>;
  readonly #clock: Clock;

  constructor(options: { readonly registry: Registry; readonly clock: Clock }) {
    const { registry } = options;
    this.#collection = new Collection({ registry, prefix: PREFIX, schema: purgeOrdersSchema });
    this.#clock = options.clock;
  }

  /** Resolves with the revision at which every node can read it. */
  async add(purge: PurgeRequest): Promise<Revision> {
    const nowMs = this.#clock.now();
    const { revision } = await this.#collection.update(ID, (known = NO_PURGES) =>
      withOrder(known, purge, nowMs),
    );
    return revision;
  }
}

/** For those who follow the whole registry. Throws when it is of a later format. */
export function readPurges({ key, value }: Entry): PurgeOrders {
  const { format, record } = JSON.parse(Buffer.from(value).toString()) as {
    readonly format?: unknown;
    readonly record?: unknown;
  };
  if (format !== FORMAT) throw new Error(`"${key}" has format ${String(format)}, want ${FORMAT}`);
  return purgeOrdersSchema.decode(record, ID);
}

/**
 * Pure. Numbers are milliseconds since the epoch or one more than the last, so that those of one cluster also come after
 * those of another one that a node was in before. What is forgotten raises the floor: who did not see it purges everything.
 */
export function withOrder(
  { floor, orders }: PurgeOrders,
  { targets, soft }: PurgeRequest,
  nowMs: number,
): PurgeOrders {
  const last = Math.max(floor, orders.at(-1)?.number ?? 0);
  const all = [...orders, { number: Math.max(nowMs, last + 1), targets, soft }];
  const sizes = all.map((order) => JSON.stringify(order.targets).length);
  let characters = sizes.reduce((sum, size) => sum + size, 0);
  let from = 0;
  const isTooMuch = (): boolean =>
    all.length - from > PURGE_ORDERS_MAX ||
    characters > TARGETS_CHARACTERS_MAX ||
    (all[from]?.number ?? Infinity) < nowMs - DAY_MS;
  while (from < all.length - 1 && isTooMuch()) {
    characters -= sizes[from] ?? 0;
    from++;
  }
  return { floor: Math.max(floor, all[from - 1]?.number ?? 0), orders: all.slice(from) };
}

/** The purge is written down, but these have not done it yet. */
export function purgeBehind(cause: MolnError): MolnError {
  return new MolnError(
    cause.code,
    `The purge is not done everywhere, and follows there: ${cause.message}`,
    {
      retryable: true,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      cause,
    },
  );
}
