/**
 * Replica policies: one line that says where copies belong. Pure.
 *
 *   2 copies                      3 copies across zone            2 copies: east, west
 *   east & ssd, !east             2 copies; must                  3 copies; min 2; ack all
 */
import { policyInvalid } from './errors.ts';

/** What the copies must differ in. */
export type Domain = 'place' | 'host' | 'zone' | 'region';

export interface Term {
  /** A region, a zone, a node's name, or a label. */
  readonly word: string;
  readonly isNot: boolean;
}

/** One copy: all of these hold for its place. Empty: any. */
export type Slot = readonly Term[];

export interface Policy {
  readonly text: string;
  readonly slots: readonly Slot[];
  /** Undefined: of different hosts where that can be. */
  readonly across: Domain | undefined;
  /** Durable copies before a write is acknowledged, where there are so many places. */
  readonly min: number;
  /** Refuse a write that cannot have all copies now, instead of making them later. */
  readonly isMust: boolean;
}

export const COPIES_MAX = 9;
const POLICY_CHARACTERS_MAX = 300;
const WORD = /^[a-z0-9](?:[a-z0-9._-]{0,62})$/;
const COUNT =
  /^(?<count>\d+)(?:\s+cop(?:y|ies))?(?:\s+across\s+(?<across>[a-z]+))?\s*(?::(?<slots>.*))?$/;
const DOMAINS: ReadonlySet<string> = new Set(['host', 'zone', 'region']);

/** Throws `FILES_POLICY`. */
export function parsePolicy(text: string): Policy {
  const fail = (why: string): never => {
    throw policyInvalid(text, why);
  };
  if (text.length > POLICY_CHARACTERS_MAX)
    fail(`it has more than ${POLICY_CHARACTERS_MAX} characters`);
  const [head = '', ...options] = text
    .trim()
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (/^ec\b/.test(head)) fail('erasure coding is not there yet');
  const counted = COUNT.exec(head)?.groups;
  const slots = [...slotsOf(counted === undefined ? head : (counted['slots'] ?? ''), fail)];
  const count = counted === undefined ? slots.length : Number(counted['count']);
  if (count < 1 || count > COPIES_MAX)
    fail(`it has ${count} copies, and 1 to ${COPIES_MAX} can be`);
  if (slots.length > count) fail(`it names ${slots.length} places for ${count} copies`);
  while (slots.length < count) slots.push([]);
  const across = counted?.['across'];
  if (across !== undefined && !DOMAINS.has(across))
    fail(`copies can be across host, zone or region, not "${across}"`);
  let min: number | undefined;
  let isMust = false;
  for (const option of options) {
    const [, word, value] = /^(min|ack|must|prefer)(?:\s+(\d+|all))?$/.exec(option) ?? [];
    if (word === 'must' || word === 'prefer') isMust = word === 'must';
    else if (word === undefined || value === undefined)
      fail(`"${option}" is none of "min N", "ack N", "ack all", "prefer" and "must"`);
    else min = value === 'all' ? count : Number(value);
  }
  if (min !== undefined && (min < 1 || min > count)) fail(`it waits for ${min} of ${count} copies`);
  return {
    text,
    slots,
    across: across as Domain | undefined,
    min: min ?? Math.min(2, count),
    isMust,
  };
}

function slotsOf(text: string, fail: (why: string) => never): readonly Slot[] {
  if (text.trim() === '') return [];
  return text.split(',').map((slot) =>
    slot.split('&').flatMap((piece) => {
      const word = piece.trim();
      if (word === '*' || word === 'any') return [];
      const isNot = word.startsWith('!');
      const name = isNot ? word.slice(1).trim() : word;
      if (!WORD.test(name)) fail(`"${name}" is no region, zone, node or label`);
      return [{ word: name, isNot }];
    }),
  );
}

/** As people write it. */
export function slotText(slot: Slot): string {
  if (slot.length === 0) return 'any';
  return slot.map(({ word, isNot }) => (isNot ? `!${word}` : word)).join(' & ');
}
