/**
 * A cache in a few lines around the deciders of `src/cache`: a map as its store, a clock that a case moves, an origin that
 * answers what the case says. What a gateway does with sockets and tiers, without either; it must hold no rule of HTTP of its own.
 */
import assert from 'node:assert/strict';
import {
  answerFrom,
  answerWith,
  behind,
  cacheKey,
  CacheRequest,
  cacheStatusLine,
  decide,
  DEFAULT_SETTINGS,
  Entry,
  entryOfPost,
  FieldList,
  forwardChange,
  freshMs,
  invalidated,
  settle,
  settleFailure,
  storedOffset,
  type Answer,
  type CacheResponse,
  type CacheSettings,
  type Decision,
  type FieldLine,
  type JoinPiece,
  type Outcome,
} from '../src/cache/cache.ts';
import { formatHttpDate } from '../src/http/http-date.ts';
import type { CacheCase, Expected, Line, OriginAnswer, Source, Step } from './cache-cases/case.ts';

interface Stored {
  entry: Entry;
  body: string;
}

export interface ClientAnswer {
  readonly status: number;
  readonly fields: FieldList;
  readonly body: string;
}

/** The start of every case's clock: a whole second, as a moment within one would blur the sums. */
const START_MS = Date.UTC(2026, 10, 20, 12);
const RETRIES_MAX = 1;

/** Plays one case and asserts what it expects. */
export function playCase(one: CacheCase): void {
  const model = new CacheModel({ ...DEFAULT_SETTINGS, ...one.settings } as CacheSettings);
  one.steps.forEach((step, index) => {
    model.nowMs += (step.afterS ?? 0) * 1000;
    const label = `step ${index + 1} of "${one.name}"`;
    model.play(step, index + 1);
    model.check(step.expect, label);
  });
}

class CacheModel {
  nowMs = START_MS;
  readonly settings: CacheSettings;
  readonly #store = new Map<string, Stored[]>();
  /** What the origin was asked in this step, and what it answered. */
  #asked: FieldList[] = [];
  #askedBefore = 0;
  #sources: Source[] = [];
  #source: Source | undefined;
  #answer: ClientAnswer | undefined;
  #step: Step = { expect: { from: 'cache' } };
  #number = 0;
  readonly #bodies = new Map<string, number>();

  constructor(settings: CacheSettings) {
    this.settings = settings;
  }

  play(step: Step, number: number): void {
    this.#step = step;
    this.#number = number;
    this.#asked = [];
    this.#sources = [];
    const request = new CacheRequest().read({
      method: step.method ?? 'GET',
      key: cacheKey({
        space: 'test',
        scheme: 'http',
        authority: 'example.test',
        target: step.path ?? '/',
      }),
      fields: this.#fields(step.lines ?? []),
      hasBody: step.body !== undefined,
    });
    const candidates = this.#candidates(request.key);
    const decision = decide(request, candidates, this.nowMs, this.settings);
    this.#answer = this.#act(request, decision);
    this.#askedBefore = this.#asked.length;
    this.#source = this.#sources.at(-1);
    if (decision.background) this.#forward(request, behind(decision));
  }

  check(expected: Expected, label: string): void {
    const answer = this.#answer;
    assert(answer !== undefined);
    assert.equal(this.#source, expected.from, `${label}: where the answer came from`);
    const { status = expected.from === 'nobody' ? 504 : 200 } = expected;
    assert.equal(answer.status, status, `${label}: status`);
    if (expected.body !== undefined) assert.equal(answer.body, expected.body, `${label}: body`);
    const bodied = answer.body !== '' && expected.body === undefined;
    if (bodied && (answer.status === 200 || answer.status >= 400) && expected.from !== 'nobody') {
      // Without a word about it, a body is of the step that it must be of.
      const ofStep = this.#bodies.get(answer.body);
      assert.equal(ofStep === this.#number, expected.from === 'origin', `${label}: whose body`);
    }
    for (const [name, value] of Object.entries(expected.fields ?? {})) {
      checkField(answer.fields, name, value, label);
    }
    const asked = this.#asked[0];
    for (const [name, value] of Object.entries(expected.asked ?? {})) {
      assert(asked !== undefined, `${label}: the origin was not asked`);
      checkField(asked, name, value, `${label}, request of the origin`);
    }
    const background = this.#asked.length - this.#askedBefore;
    assert.equal(background, expected.background === true ? 1 : 0, `${label}: asked in background`);
  }

  // What a gateway does ---------------------------------------------------------------------------------------

  #act(request: CacheRequest, decision: Decision<Stored>): ClientAnswer {
    const { kind, stored } = decision;
    if (kind === 'unsatisfied') {
      this.#sources.push('nobody');
      return this.#plain(504, cacheStatusLine({ kind, why: decision.why }));
    }
    if ((kind === 'hit' || kind === 'stale') && stored !== undefined) {
      this.#sources.push('cache');
      return this.#fromStore(request, stored, decision);
    }
    return this.#forward(request, decision);
  }

  #forward(request: CacheRequest, decision: Decision<Stored>, retries = 0): ClientAnswer {
    const change = forwardChange(request, decision);
    const response = this.#askOrigin(request, change.drop, change.lines);
    if (response === undefined) {
      const stale = settleFailure(request, decision, this.nowMs, this.settings);
      this.#sources.push(stale === undefined ? 'nobody' : 'cache');
      return stale === undefined
        ? this.#plain(504, '')
        : this.#fromStore(request, stale, { ...decision, kind: 'stale' }, 'unreachable');
    }
    const { answer, body } = response;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return this.#unsafe(request, decision, answer, body);
    }
    const on = { decision, candidates: this.#candidates(request.key) };
    const outcome = settle(request, on, answer, this.settings);
    if (outcome.kind === 'retry') {
      assert(retries < RETRIES_MAX, 'the cache asks again and again');
      return this.#forward(request, { ...decision, kind: 'miss', stored: undefined }, retries + 1);
    }
    return this.#settle(request, decision, outcome, { answer, body });
  }

  #settle(
    request: CacheRequest,
    decision: Decision<Stored>,
    outcome: Exclude<Outcome<Stored>, { readonly kind: 'retry' }>,
    came: { readonly answer: CacheResponse; readonly body: string },
  ): ClientAnswer {
    const { answer, body } = came;
    const { key } = request;
    switch (outcome.kind) {
      case 'store': {
        const { entry } = outcome;
        const whole = entry.spans === undefined ? entry.with({ length: body.length }) : entry;
        this.#replace(key, outcome.replaces, { entry: whole, body });
        this.#sources.push('origin');
        return this.#fromOrigin(request, decision, came, { entry: whole, body });
      }
      case 'join': {
        const joined = joinBodies(outcome.join.pieces, outcome.stored.body, body);
        const stored = { entry: outcome.join.entry, body: joined };
        this.#replace(key, [outcome.stored], stored);
        const completing = decision.kind === 'complete';
        this.#sources.push(completing ? 'joined' : 'origin');
        return this.#fromOrigin(request, decision, came, stored);
      }
      case 'refreshed': {
        const stored = { entry: outcome.entry, body: outcome.stored.body };
        for (const { stored: old, entry, keep } of outcome.updates) {
          this.#replace(key, [old], keep ? { entry, body: old.body } : undefined);
        }
        this.#sources.push('validated');
        return this.#fromStore(request, stored, decision, undefined, answer.status);
      }
      case 'stale':
        this.#sources.push('cache');
        return this.#fromStore(
          request,
          outcome.stored,
          { ...decision, kind: 'stale' },
          'error',
          answer.status,
        );
      case 'pass':
        for (const { stored, entry, keep } of outcome.updates) {
          this.#replace(key, [stored], keep ? { entry, body: stored.body } : undefined);
        }
        for (const removed of outcome.removes) this.#replace(key, [removed], undefined);
        this.#sources.push('origin');
        return this.#passed(answer, body, {
          kind: decision.kind,
          why: decision.why,
          fwdStatus: answer.status,
          detail: outcome.why,
        });
    }
  }

  #unsafe(
    request: CacheRequest,
    decision: Decision<Stored>,
    answer: CacheResponse,
    body: string,
  ): ClientAnswer {
    for (const key of invalidated(request, answer)) this.#store.delete(key);
    const entry = entryOfPost(request, answer, this.settings);
    if (entry !== undefined) {
      this.#replace(request.key, [], { entry: entry.with({ length: body.length }), body });
    }
    this.#sources.push('origin');
    return this.#passed(answer, body, {
      kind: decision.kind,
      why: decision.why,
      fwdStatus: answer.status,
    });
  }

  // Answers ------------------------------------------------------------------------------------------------------

  #fromStore(
    request: CacheRequest,
    stored: Stored,
    decision: Decision<Stored>,
    detail?: string,
    fwdStatus?: number,
  ): ClientAnswer {
    const { entry } = stored;
    const status = cacheStatusLine({
      kind: decision.kind,
      why: decision.why,
      ttlS: Math.floor(freshMs(entry, this.nowMs) / 1000),
      prior: entry.cacheStatus,
      fwdStatus,
      detail,
    });
    const answer = answerFrom(request, entry, this.nowMs, () => 'SEPARATOR');
    return this.#render(answer, stored, status);
  }

  #fromOrigin(
    request: CacheRequest,
    decision: Decision<Stored>,
    came: { readonly answer: CacheResponse; readonly body: string },
    stored: Stored,
  ): ClientAnswer {
    const status = cacheStatusLine({
      kind: decision.kind,
      why: decision.why,
      fwdStatus: came.answer.status,
      stored: true,
      prior: stored.entry.cacheStatus,
    });
    const age = came.answer.fields.get('age');
    const lines = age === undefined ? '' : `Age: ${age}\r\n`;
    const answer = answerWith(request, stored.entry, { lines, boundary: () => 'SEPARATOR' });
    return this.#render(answer, stored, status);
  }

  #passed(
    answer: CacheResponse,
    body: string,
    status: Parameters<typeof cacheStatusLine>[0],
  ): ClientAnswer {
    const fields = answer.fields as FieldList;
    const own = parseLines(cacheStatusLine(status));
    return { status: answer.status, fields: new FieldList([...fields.lines, ...own]), body };
  }

  #plain(status: number, lines: string): ClientAnswer {
    return { status, fields: new FieldList(parseLines(lines)), body: '' };
  }

  #render({ status, head, lines, body }: Answer, stored: Stored, own: string): ClientAnswer {
    const fields = new FieldList(parseLines(head + lines + own));
    const slice = (first: number, last: number): string => {
      const at = storedOffset(stored.entry, first);
      assert(at !== undefined, 'bytes are answered that are not stored');
      return stored.body.slice(at, at + last - first + 1);
    };
    switch (body.kind) {
      case 'none':
        return { status, fields, body: '' };
      case 'whole':
        assert.equal(stored.entry.spans, undefined, 'a part is sent as the whole');
        return { status, fields, body: stored.body };
      case 'range':
        return { status, fields, body: slice(body.range.first, body.range.last) };
      case 'multipart': {
        const { parts, tail } = body.multipart;
        const text = parts
          .map(({ head: part, range }) => part.toString('latin1') + slice(range.first, range.last))
          .join('');
        return { status, fields, body: text + tail.toString('latin1') };
      }
    }
  }

  // The store and the origin -------------------------------------------------------------------------------------

  #candidates(key: string): Stored | readonly Stored[] | undefined {
    const list = this.#store.get(key);
    return list?.length === 1 ? list[0] : list;
  }

  #replace(key: string, old: readonly Stored[], made: Stored | undefined): void {
    const kept = (this.#store.get(key) ?? []).filter((one) => !old.includes(one));
    if (made !== undefined) {
      // Through its numbers and back, as a tier on disk would have it.
      kept.push({ entry: made.entry.with({}), body: made.body });
    }
    if (kept.length === 0) this.#store.delete(key);
    else this.#store.set(key, kept);
  }

  #askOrigin(
    request: CacheRequest,
    drop: readonly string[],
    lines: string,
  ): { readonly answer: CacheResponse; readonly body: string } | undefined {
    const own = (request.fields as FieldList).lines;
    const kept = own.filter(([name]) => !drop.includes(name.toLowerCase()));
    this.#asked.push(new FieldList([...kept, ...parseLines(lines)]));
    const { origin, originAgain } = this.#step;
    const again = this.#asked.length > 1;
    if (origin === 'down') return undefined;
    const said: OriginAnswer = (again ? originAgain : undefined) ??
      origin ?? { lines: ['Cache-Control: no-store'] };
    const requestedMs = this.nowMs;
    this.nowMs += (said.delayS ?? 0) * 1000;
    const { status = 200 } = said;
    const usual = status === 304 || said.body === null ? '' : `body of step ${this.#number}`;
    const body = said.body ?? usual;
    if (body !== '') this.#bodies.set(body, this.#number);
    return {
      answer: {
        status,
        fields: this.#fields(said.lines ?? []),
        requestedMs,
        receivedMs: this.nowMs,
      },
      body: request.method === 'HEAD' ? '' : body,
    };
  }

  #fields(lines: readonly Line[]): FieldList {
    return new FieldList(
      lines.map((line) => {
        const colon = line.indexOf(':');
        const value = line.slice(colon + 1).trim();
        return [line.slice(0, colon), this.#dated(value)] as const;
      }),
    );
  }

  #dated(value: string): string {
    return value.replace(/\{([+-]\d+)(?: (rfc850|asctime))?\}/g, (_all, seconds, form) =>
      formDate(this.nowMs + Number(seconds) * 1000, String(form ?? '')),
    );
  }
}

const LONG_DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** An HTTP date in one of its three forms (RFC 9110 5.6.7). */
export function formDate(ms: number, form: string): string {
  const usual = formatHttpDate(ms);
  const [, day = '', date = '', month = '', year = '', time = ''] =
    /^(\w+), (\d+) (\w+) (\d+) (\S+) GMT$/.exec(usual) ?? [];
  if (form === 'rfc850') {
    const long = LONG_DAYS.find((name) => name.startsWith(day)) ?? '';
    return `${long}, ${date}-${month}-${year.slice(2)} ${time} GMT`;
  }
  if (form === 'asctime') return `${day} ${month} ${date.replace(/^0/, ' ')} ${time} ${year}`;
  return usual;
}

function parseLines(text: string): FieldLine[] {
  return text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
}

function joinBodies(pieces: readonly JoinPiece[], stored: string, part: string): string {
  return pieces
    .map(({ from, offset, length }) =>
      (from === 'stored' ? stored : part).slice(offset, offset + length),
    )
    .join('');
}

function checkField(fields: FieldList, name: string, wanted: string | null, label: string): void {
  const value = fields.get(name.toLowerCase());
  const about = `${label}: field ${name}`;
  if (wanted === null) assert.equal(value, undefined, about);
  else if (/^\/.+\/$/.test(wanted)) {
    assert.match(value ?? '(absent)', new RegExp(wanted.slice(1, -1)), about);
  } else assert.equal(value, wanted, about);
}
