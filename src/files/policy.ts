/**
 * Replica policies: one line that says where copies belong. Pure.
 *
 *   2 copies                      3 copies across zone            2 copies: east, west
 *   east & ssd, !east             2 copies; must                  3 copies; min 2; ack all
 *   ec 4+2 after 30d              3 copies across zone; ec 6+3 across host after 12h
 */
import { type Code, shareCount, SHARES_MAX } from '../erasure/erasure.ts';
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

/** Blocks that nothing was changed of for so long become shares, and their copies go. */
export interface CodePolicy {
  readonly code: Code;
  /** What shares must differ in. */
  readonly across: Domain;
  readonly afterMs: number;
}

export interface Policy {
  readonly text: string;
  readonly slots: readonly Slot[];
  /** Undefined: of different hosts where that can be. */
  readonly across: Domain | undefined;
  /** Durable copies before a write is acknowledged, where there are so many places. */
  readonly min: number;
  /** Refuse a write that cannot have all copies now, instead of making them later. */
  readonly isMust: boolean;
  /** Undefined: copies for good. */
  readonly coded: CodePolicy | undefined;
}

export const COPIES_MAX = 9;
const POLICY_CHARACTERS_MAX = 300;
const WORD = /^[a-z0-9](?:[a-z0-9._-]{0,62})$/;
const COUNT =
  /^(?<count>\d+)(?:\s+cop(?:y|ies))?(?:\s+across\s+(?<across>[a-z]+))?\s*(?::(?<slots>.*))?$/;
const DOMAINS: ReadonlyMap<string, Domain> = new Map([
  ['storage', 'place'],
  ['host', 'host'],
  ['zone', 'zone'],
  ['region', 'region'],
]);
const CODE =
  /^ec\s+(?<data>\d+)\s*\+\s*(?<parity>\d+)(?:\s+across\s+(?<across>[a-z]+))?(?:\s+after\s+(?<after>\d+)\s*(?<unit>[mhd]))?$/;
/** With one share of data they would be copies. */
const DATA_MIN = 2;
const MINUTE_MS = 60_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  m: MINUTE_MS,
  h: 60 * MINUTE_MS,
  d: 24 * 60 * MINUTE_MS,
};
const AFTER_DIGITS_MAX = 5;
/** Before they are shares. */
const COPIES_DEFAULT = 2;

type Fail = (why: string) => never;

/** Throws `FILES_POLICY`. */
export function parsePolicy(text: string): Policy {
  const fail: Fail = (why) => {
    throw policyInvalid(text, why);
  };
  if (text.length > POLICY_CHARACTERS_MAX)
    fail(`it has more than ${POLICY_CHARACTERS_MAX} characters`);
  const parts = text
    .trim()
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const codes = parts.filter((part) => /^ec\b/.test(part));
  if (codes.length > 1) fail('it says twice how blocks become shares');
  const coded = codes[0] === undefined ? undefined : codeOf(codes[0], fail);
  const isOnlyCode = parts[0] === codes[0] && coded !== undefined;
  const [head = '', ...options] = isOnlyCode
    ? [String(COPIES_DEFAULT), ...parts.slice(1)]
    : parts.filter((part) => part !== codes[0]);
  const counted = COUNT.exec(head)?.groups;
  const slots = [...slotsOf(counted === undefined ? head : (counted['slots'] ?? ''), fail)];
  const count = counted === undefined ? slots.length : Number(counted['count']);
  if (count < 1 || count > COPIES_MAX)
    fail(`it has ${count} copies, and 1 to ${COPIES_MAX} can be`);
  if (slots.length > count) fail(`it names ${slots.length} places for ${count} copies`);
  while (slots.length < count) slots.push([]);
  const across = domainOf(counted?.['across'], fail);
  let min: number | undefined;
  let isMust = false;
  for (const option of options) {
    const [, word, value] = /^(min|ack|must|prefer)(?:\s+(\d+|all))?$/.exec(option) ?? [];
    if (word === 'must' || word === 'prefer') isMust = word === 'must';
    else if (word === undefined || value === undefined)
      fail(`"${option}" is none of "min N", "ack N", "ack all", "prefer", "must" and "ec K+M"`);
    else min = value === 'all' ? count : Number(value);
  }
  if (min !== undefined && (min < 1 || min > count)) fail(`it waits for ${min} of ${count} copies`);
  return { text, slots, across, min: min ?? Math.min(2, count), isMust, coded };
}

function codeOf(text: string, fail: Fail): CodePolicy {
  const { data, parity, across, after = '0', unit = 'm' } = CODE.exec(text)?.groups ?? {};
  if (data === undefined || parity === undefined)
    return fail(`"${text}" is not as "ec 4+2 across host after 30d", with m, h or d`);
  const code = { data: Number(data), parity: Number(parity) };
  const isPossible = code.data >= DATA_MIN && code.parity >= 1 && shareCount(code) <= SHARES_MAX;
  if (!isPossible)
    fail(
      `ec ${codeText(code)} cannot be: ${DATA_MIN} shares of data at least, 1 of parity, ${SHARES_MAX} together at most`,
    );
  if (after.length > AFTER_DIGITS_MAX) fail(`"${after}${unit}" is too long a time`);
  const afterMs = Number(after) * (UNIT_MS[unit] ?? 0);
  return { code, across: domainOf(across, fail) ?? 'host', afterMs };
}

/** `4+2`. */
export function codeText({ data, parity }: Code): string {
  return `${data}+${parity}`;
}

function domainOf(word: string | undefined, fail: Fail): Domain | undefined {
  if (word === undefined) return undefined;
  return (
    DOMAINS.get(word) ??
    fail(`copies can be across ${[...DOMAINS.keys()].join(', ')}, not "${word}"`)
  );
}

function wordOf(domain: Domain): string {
  return [...DOMAINS].find(([, one]) => one === domain)?.[0] ?? domain;
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

/** As people write it. `across`: what the copies are to differ in, of which an empty one then lacks another. */
export function slotText(slot: Slot, across?: Domain): string {
  if (slot.length === 0) return across === undefined ? 'any' : `another ${wordOf(across)}`;
  return slot.map(({ word, isNot }) => (isNot ? `!${word}` : word)).join(' & ');
}
