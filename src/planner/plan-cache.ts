/**
 * What follows from a text alone is kept with it, for as long as the schema stays: its binding, and how it could run. The
 * values of parameters decide the rest each time.
 */
import { type Binding, bind, type Reach } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { type ReadShape, readShape } from './read-plan.ts';
import { type WriteShape, writeShape } from './write-plan.ts';

export interface Prepared {
  readonly catalogue: Catalogue;
  readonly reach: Reach;
  readonly binding: Binding;
  readonly read: ReadShape | undefined;
  readonly write: WriteShape | undefined;
}

const TEXTS_KEPT = 1000;
/** Longer texts hardly come twice. */
const TEXT_LENGTH_MAX = 20_000;

export class PlanCache {
  readonly #kept = new Map<string, Prepared>();

  /** A text that is known under this schema, for connections that are set like this one; it is now the newest. */
  find(sql: string, catalogue: Catalogue, reach: Reach): Prepared | undefined {
    const known = this.#kept.get(sql);
    if (known === undefined || known.catalogue !== catalogue) return undefined;
    const { foreignKeys, recursiveTriggers } = known.reach;
    if (foreignKeys !== reach.foreignKeys || recursiveTriggers !== reach.recursiveTriggers)
      return undefined;
    this.#kept.delete(sql);
    this.#kept.set(sql, known);
    return known;
  }

  /** Throws SQLite's error for a text that does not fit the schema. */
  prepare(sql: string, catalogue: Catalogue, reach: Reach): Prepared {
    const prepared = makePlan(sql, catalogue, reach);
    if (sql.length <= TEXT_LENGTH_MAX) this.#keep(sql, prepared);
    return prepared;
  }

  #keep(sql: string, prepared: Prepared): void {
    if (this.#kept.size >= TEXTS_KEPT) {
      const oldest = this.#kept.keys().next();
      if (oldest.done !== true) this.#kept.delete(oldest.value);
    }
    this.#kept.set(sql, prepared);
  }
}

/** Throws SQLite's error for a text that does not fit the schema. */
export function makePlan(
  sql: string,
  catalogue: Catalogue,
  { foreignKeys, recursiveTriggers }: Reach,
): Prepared {
  // Of that moment: a connection may change its own.
  const reach = { foreignKeys, recursiveTriggers };
  const binding = bind(catalogue, sql, reach);
  const writes = binding.writes.size > 0;
  return {
    catalogue,
    reach,
    binding,
    read: writes ? undefined : readShape(binding, catalogue),
    write: writes ? writeShape(binding, catalogue) : undefined,
  };
}
