/**
 * How fresh what a client reads has to be. `strong`: everything that was acknowledged before it was asked. `snapshot`: the same, over
 * several stripes as of one moment. `session`: at least what this client has written, on any copy. `stale`, `stale:5s`: what a copy
 * has, if it was complete within that time. Pure.
 */
import { MolnError, messageOf } from '../base/errors.ts';
import { parseDuration } from '../base/units.ts';

export type Level =
  | { readonly kind: 'strong' | 'snapshot' | 'session' }
  | { readonly kind: 'stale'; readonly maxMs: number | undefined };

/** Throws `SQL_READ_LEVEL`. */
export function parseLevel(text: string): Level {
  const [kind, age] = text.trim().toLowerCase().split(':', 2);
  if (kind === 'stale') {
    if (age === undefined) return { kind, maxMs: undefined };
    try {
      return { kind, maxMs: parseDuration(age, 'stale') };
    } catch (error) {
      throw unknownLevel(text, messageOf(error));
    }
  }
  if (age === undefined && (kind === 'strong' || kind === 'snapshot' || kind === 'session')) {
    return { kind };
  }
  throw unknownLevel(text, 'there is none of that name');
}

export function levelText(level: Level): string {
  if (level.kind !== 'stale' || level.maxMs === undefined) return level.kind;
  return `stale:${level.maxMs}ms`;
}

function unknownLevel(text: string, why: string): MolnError {
  return new MolnError('SQL_READ_LEVEL', `"${text}" is not a read level: ${why}`, {
    hint: "Use 'strong', 'snapshot', 'session', 'stale' or 'stale:5s'",
  });
}

/** What a client has seen: entry by stripe. As text it can be handed to another connection. */
export class SeenEntries {
  readonly #entries = new Map<string, number>();

  see(entries: ReadonlyMap<string, number>): void {
    for (const [stripe, index] of entries) {
      if (index > (this.#entries.get(stripe) ?? 0)) this.#entries.set(stripe, index);
    }
  }

  of(stripe: string): number {
    return this.#entries.get(stripe) ?? 0;
  }

  toString(): string {
    return [...this.#entries].map(([stripe, index]) => `${stripe}=${index}`).join(',');
  }

  /** Throws `SQL_TOKEN`. */
  static parse(text: string): ReadonlyMap<string, number> {
    const pairs = text === '' ? [] : text.split(',');
    return new Map(
      pairs.map((pair) => {
        const match = /^([\w.-]+)=(\d{1,15})$/.exec(pair);
        if (match === null) {
          throw new MolnError('SQL_TOKEN', `"${text}" is not what PRAGMA moln_token gave`);
        }
        return [match[1] ?? '', Number(match[2])];
      }),
    );
  }
}
