/**
 * What took long to find out, kept for a while in the memory of this instance. Forgotten at once when models change rows here that it was
 * made of; other instances have it until its time is over.
 */
import { systemClock } from '../base/time.ts';
import { refusingPolicies } from './policy.ts';
import { isInTransaction, onRowsChanged } from './sql.ts';

/** The one that was not asked for longest goes first. */
const ENTRIES_MAX = 1000;

export interface CacheOptions {
  readonly seconds: number;
  /** The models whose rows it is made of. */
  readonly of?: readonly { readonly table: string }[];
}

interface Entry {
  readonly value: Promise<unknown>;
  readonly untilMs: number;
  readonly tables: readonly string[];
}

/** In the order in which they were last asked for. */
const entries = new Map<string, Entry>();

onRowsChanged((tables) => {
  for (const [key, entry] of entries)
    if (entry.tables.some((table) => tables.has(table))) entries.delete(key);
});

/**
 * What `work` gives, made once for all who ask for `key` within that time; those who come while it is made wait for it. What fails is
 * not kept, and in a transaction nothing is, for others may never see what that sees. Do not change what you get.
 *
 *     const popular = await cached('popular', { seconds: 60, of: [Post] }, () => Post.order('-likes').limit(10).all());
 */
export async function cached<Value>(
  key: string,
  { seconds, of = [] }: CacheOptions,
  work: () => Value | Promise<Value>,
): Promise<Value> {
  if (isInTransaction()) return await refusingPolicies(work);
  const nowMs = systemClock.monotonicMs();
  const known = entries.get(key);
  entries.delete(key);
  if (known !== undefined && known.untilMs > nowMs) {
    entries.set(key, known);
    return (await known.value) as Value;
  }
  // It begins when the entry is there for changes to remove.
  const value = Promise.resolve().then(() => refusingPolicies(work));
  const entry = {
    value,
    untilMs: nowMs + seconds * 1000,
    tables: of.map(({ table }) => table),
  };
  entries.set(key, entry);
  if (entries.size > ENTRIES_MAX) entries.delete(entries.keys().next().value ?? '');
  try {
    return await value;
  } catch (error) {
    if (entries.get(key) === entry) entries.delete(key);
    throw error;
  }
}

/** Another app, or another database, begins. */
export function forgetCached(): void {
  entries.clear();
}
