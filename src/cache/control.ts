/**
 * Cache-Control of requests and answers (RFC 9111 5.2), read strictly: a member that is no `token`, `token=token` or
 * `token="…"` grants nothing, but what it forbids is believed. Numbers that are none, or that contradict one another,
 * are told from absent ones, since they mean "stale" (RFC 9111 4.2.1).
 */
import { parseDictionary } from './dictionary.ts';

/** Bits of `CacheControl.bits`. */
export const DIRECTIVE = {
  noStore: 1,
  /** Without field names, or with names that cannot be left out. */
  noCache: 2,
  private: 4,
  public: 8,
  mustRevalidate: 16,
  proxyRevalidate: 32,
  mustUnderstand: 64,
  onlyIfCached: 128,
} as const;

/** A number that was not given. */
export const ABSENT = -1;
/** A number that is none, or that was given twice with different values. */
export const INVALID = -2;
/** RFC 9111 1.2.2: what is larger counts as this. */
export const DELTA_SECONDS_MAX: number = 2 ** 31 - 1;

export interface CacheControl {
  readonly bits: number;
  readonly maxAgeS: number;
  readonly sMaxAgeS: number;
  readonly staleWhileRevalidateS: number;
  readonly staleIfErrorS: number;
  readonly minFreshS: number;
  /** `DELTA_SECONDS_MAX` when it has no value. */
  readonly maxStaleS: number;
  /** Lower-case names of the qualified forms of no-cache and private: not to be stored by a shared cache. */
  readonly withoutFields: readonly string[];
}

const NO_NAMES: readonly string[] = [];

export const NO_CONTROL: CacheControl = {
  bits: 0,
  maxAgeS: ABSENT,
  sMaxAgeS: ABSENT,
  staleWhileRevalidateS: ABSENT,
  staleIfErrorS: ABSENT,
  minFreshS: ABSENT,
  maxStaleS: ABSENT,
  withoutFields: NO_NAMES,
};

const FLAGS: ReadonlyMap<string, number> = new Map([
  ['no-store', DIRECTIVE.noStore],
  ['public', DIRECTIVE.public],
  ['must-revalidate', DIRECTIVE.mustRevalidate],
  ['proxy-revalidate', DIRECTIVE.proxyRevalidate],
  ['must-understand', DIRECTIVE.mustUnderstand],
  ['only-if-cached', DIRECTIVE.onlyIfCached],
]);

/** Directives that may name fields. */
const QUALIFIABLE: ReadonlyMap<string, number> = new Map([
  ['no-cache', DIRECTIVE.noCache],
  ['private', DIRECTIVE.private],
]);

type NumberKey = 'maxAgeS' | 'sMaxAgeS' | 'staleWhileRevalidateS' | 'staleIfErrorS' | 'minFreshS';

const NUMBERS: ReadonlyMap<string, NumberKey> = new Map([
  ['max-age', 'maxAgeS'],
  ['s-maxage', 'sMaxAgeS'],
  ['stale-while-revalidate', 'staleWhileRevalidateS'],
  ['stale-if-error', 'staleIfErrorS'],
  ['min-fresh', 'minFreshS'],
]);

/** What the stored head cannot do without; leaving such a field out would make another answer of it. */
const ESSENTIAL: ReadonlySet<string> = new Set([
  'cache-control',
  'content-encoding',
  'content-location',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'last-modified',
  'vary',
]);

const TOKEN_TEXT = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const MEMBER = new RegExp(
  String.raw`[ \t]*(?:(${TOKEN_TEXT})(?:=(?:(${TOKEN_TEXT})|"((?:[^"\\]|\\.)*)"))?[ \t]*)?(?:,|$)`,
  'y',
);
const LEADING_NAME = new RegExp(String.raw`^[ \t]*(${TOKEN_TEXT})`);
/** To the next comma outside quotes; a quote without an end takes all that follows. */
const MALFORMED = /(?:[^",]|"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*\\?$)*(?:,|$)/y;
const FORBIDDING = /(?<![\w-])(?:no-store|no-cache|private)(?![\w-])/gi;
const DIGITS = /^\d+$/;

class Reading implements CacheControl {
  bits = 0;
  maxAgeS: number = ABSENT;
  sMaxAgeS: number = ABSENT;
  staleWhileRevalidateS: number = ABSENT;
  staleIfErrorS: number = ABSENT;
  minFreshS: number = ABSENT;
  maxStaleS: number = ABSENT;
  withoutFields: readonly string[] = NO_NAMES;

  add(name: string, value: string | undefined): void {
    const flag = FLAGS.get(name);
    if (flag !== undefined) {
      this.bits |= flag;
      return;
    }
    const qualifiable = QUALIFIABLE.get(name);
    if (qualifiable !== undefined) {
      this.#qualify(qualifiable, value);
      return;
    }
    const key = NUMBERS.get(name);
    if (key !== undefined) this[key] = merged(this[key], deltaSeconds(value));
    else if (name === 'max-stale') {
      const seconds = value === undefined ? DELTA_SECONDS_MAX : deltaSeconds(value);
      this.maxStaleS = merged(this.maxStaleS, seconds);
    }
  }

  /** What a malformed member forbids is believed; what it would grant is not. */
  addMalformed(text: string): void {
    const name = LEADING_NAME.exec(text)?.[1]?.toLowerCase() ?? '';
    const key = NUMBERS.get(name);
    if (key !== undefined) this[key] = INVALID;
    if (name === 'must-revalidate' || name === 'proxy-revalidate') this.add(name, undefined);
    for (const [word] of text.matchAll(FORBIDDING)) this.add(word.toLowerCase(), undefined);
  }

  #qualify(bit: number, value: string | undefined): void {
    const names = (value ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (names.length === 0 || names.some((name) => ESSENTIAL.has(name))) this.bits |= bit;
    else this.withoutFields = [...this.withoutFields, ...names];
  }
}

/** RFC 9111 1.2.2: digits alone. */
export function deltaSeconds(value: string | undefined): number {
  if (value === undefined || !DIGITS.test(value)) return INVALID;
  return Math.min(Number(value), DELTA_SECONDS_MAX);
}

function merged(known: number, next: number): number {
  return known === ABSENT || known === next ? next : INVALID;
}

/** Reads a Cache-Control value, lines joined by commas. */
export function parseCacheControl(value: string): CacheControl {
  const reading = new Reading();
  let at = 0;
  while (at < value.length) {
    MEMBER.lastIndex = at;
    const match = MEMBER.exec(value);
    if (match !== null) {
      const [whole, name, token, quoted] = match;
      if (name !== undefined) {
        reading.add(name.toLowerCase(), token ?? quoted?.replace(/\\(.)/g, '$1'));
      }
      at += whole.length;
      continue;
    }
    MALFORMED.lastIndex = at;
    const [text] = MALFORMED.exec(value) ?? [value.slice(at)];
    reading.addMalformed(text);
    at += Math.max(1, text.length);
  }
  return reading;
}

/**
 * Reads CDN-Cache-Control, a Structured Field dictionary (RFC 9213 2.1). Undefined when it is malformed, empty, or has a
 * known directive of the wrong type: it then counts as absent.
 */
export function parseTargetedControl(value: string): CacheControl | undefined {
  const members = parseDictionary(value);
  if (members === undefined || members.size === 0) return undefined;
  const reading = new Reading();
  for (const [name, member] of members) {
    if (NUMBERS.has(name)) {
      if (typeof member !== 'number' || !Number.isInteger(member) || member < 0) return undefined;
      reading.add(name, String(member));
    } else if (QUALIFIABLE.has(name)) {
      if (typeof member === 'number') return undefined;
      if (member !== false) reading.add(name, typeof member === 'string' ? member : undefined);
    } else if (FLAGS.has(name)) {
      if (typeof member !== 'boolean') return undefined;
      if (member) reading.add(name, undefined);
    }
  }
  return reading;
}

/** Values whose reading is remembered; the map is emptied when it is full. */
const REMEMBERED_MAX = 1024;
/** Longer values are read each time: nobody sends the same one often. */
const REMEMBERED_CHARACTERS_MAX = 256;
const remembered = new Map<string, CacheControl>();

/** The same, remembered: a site has few different values, and all its visitors send the same. */
export function cacheControlOf(value: string | undefined): CacheControl {
  if (value === undefined) return NO_CONTROL;
  const known = remembered.get(value);
  if (known !== undefined) return known;
  const control = parseCacheControl(value);
  if (value.length > REMEMBERED_CHARACTERS_MAX) return control;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  // A string of its own: a slice would keep the whole head in memory.
  remembered.set(Buffer.from(value, 'latin1').toString('latin1'), control);
  return control;
}
