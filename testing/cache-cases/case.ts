/**
 * Cases for an HTTP cache as data: what an origin answers, what a client asks and after what pause, and what must come
 * of it. They say nothing about how the cache is reached: `testing/cache-model.ts` plays them against the pure deciders
 * under a clock of its own; a running gateway can be played against in real time, as long as `pausesS` is bearable.
 *
 * `{+60}` and `{-60}` in a field are the HTTP date so many seconds from the moment it is sent; `{+60 rfc850}` and
 * `{+60 asctime}` are its obsolete forms.
 */
import type { CacheSettings } from '../../src/cache/cache.ts';

/** A field as it is written: `Cache-Control: max-age=60`. */
export type Line = string;

export interface OriginAnswer {
  /** What comes before it (1xx), as whole heads without the last line end; the pure deciders never see it. */
  readonly interim?: readonly string[];
  /** 200 when absent. */
  readonly status?: number;
  readonly lines?: readonly Line[];
  /** Latin1. Differs from step to step when absent, so that answers can be told apart; `null` for none. */
  readonly body?: string | null;
  /** Seconds from the request until the head is there. */
  readonly delayS?: number;
}

/** Where the client's answer came from. */
export type Source =
  /** The store; the origin was not asked first. */
  | 'cache'
  /** The store, after the origin confirmed it with a 304. */
  | 'validated'
  /** The origin. */
  | 'origin'
  /** The store and the origin, a part each. */
  | 'joined'
  /** Nobody: the cache itself said no (504). */
  | 'nobody';

export interface Expected {
  readonly from: Source;
  /** 200 when absent. */
  readonly status?: number;
  readonly body?: string;
  /** Values by name; null for a field that must not be there. A text between slashes is a pattern. */
  readonly fields?: Readonly<Record<string, string | null>>;
  /** The same for the request that the origin saw. */
  readonly asked?: Readonly<Record<string, string | null>>;
  /** As in `OriginAnswer`; only a running gateway has them. */
  readonly interim?: readonly string[];
  /** The origin is asked once more after the client was answered. */
  readonly background?: boolean;
}

export interface Step {
  /** Pause before the request, seconds. */
  readonly afterS?: number;
  /** GET when absent. */
  readonly method?: string;
  /** `/` when absent; a running gateway gets it below a folder of the case's own. */
  readonly path?: string;
  readonly lines?: readonly Line[];
  readonly body?: string;
  /** What the origin answers, if asked; `down`: it does not. Absent: a fresh answer that is not to be stored. */
  readonly origin?: OriginAnswer | 'down';
  /** What the origin answers when asked once more within this step. */
  readonly originAgain?: OriginAnswer;
  readonly expect: Expected;
}

/** Settings of the cache that the case is about. */
export type CaseSettings = Partial<CacheSettings>;

export interface CacheCase {
  /** Section that it follows: `RFC 9111 5.2.2.1`. */
  readonly rule: string;
  /** A sentence about what must happen. */
  readonly name: string;
  readonly settings?: CaseSettings;
  readonly steps: readonly Step[];
}

/** Cases of one theme. */
export interface CaseTable {
  readonly theme: string;
  readonly cases: readonly CacheCase[];
}

/** Seconds that the case waits in all. */
export function pausesS(one: CacheCase): number {
  return one.steps.reduce((sum, { afterS = 0, origin }) => {
    const delay = typeof origin === 'object' ? (origin.delayS ?? 0) : 0;
    return sum + afterS + delay;
  }, 0);
}

/** What a second, equal request must get. */
export type Fate = 'reused' | 'asked again' | 'validated';

export interface TwiceOptions {
  readonly status?: number;
  readonly afterS?: number;
  /** Fields of the first request. */
  readonly first?: readonly Line[];
  /** Fields of the second request. */
  readonly second?: readonly Line[];
  readonly delayS?: number;
  readonly settings?: CaseSettings;
  /** Fields of the second answer from the store. */
  readonly fields?: Readonly<Record<string, string | null>>;
}

/** The plainest case: an answer is given once, and asked for again after a pause (2 s when not said). */
export function twice(
  rule: string,
  name: string,
  lines: readonly Line[],
  fate: Fate,
  options: TwiceOptions = {},
): CacheCase {
  const {
    status = 200,
    afterS = 2,
    first = [],
    second = [],
    delayS = 0,
    settings,
    fields,
  } = options;
  const noBody = status === 204;
  const origin: OriginAnswer = { status, lines, delayS, ...(noBody ? { body: null } : {}) };
  return {
    rule,
    name,
    ...(settings === undefined ? {} : { settings }),
    steps: [
      { lines: first, origin, expect: { from: 'origin', status } },
      secondStep({ afterS, second, fate, status, fields }),
    ],
  };
}

function secondStep(options: {
  readonly afterS: number;
  readonly second: readonly Line[];
  readonly fate: Fate;
  readonly status: number;
  readonly fields: Readonly<Record<string, string | null>> | undefined;
}): Step {
  const { afterS, second, fate, status } = options;
  const fields = options.fields === undefined ? {} : { fields: options.fields };
  const base = { afterS, lines: second };
  if (fate === 'reused') return { ...base, expect: { from: 'cache', status, ...fields } };
  if (fate === 'asked again') return { ...base, expect: { from: 'origin', ...fields } };
  const confirmed: OriginAnswer = { status: 304, lines: [], body: null };
  return { ...base, origin: confirmed, expect: { from: 'validated', status, ...fields } };
}

/** Rows of `twice` under one rule: name, fields of the answer, fate, options. */
export type TwiceRow = readonly [
  name: string,
  lines: readonly Line[],
  fate: Fate,
  options?: TwiceOptions,
];

export function twiceTable(rule: string, rows: readonly TwiceRow[]): CacheCase[] {
  return rows.map(([name, lines, fate, options]) => twice(rule, name, lines, fate, options));
}
