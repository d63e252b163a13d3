/**
 * What a gateway does with `src/cache`, without sockets: a clock that a case moves, an origin that answers what the case says, the
 * deciders and the tiers as they are. It must hold no rule of HTTP of its own.
 */
import assert from 'node:assert/strict';
import {
  answerFrom,
  answerPieces,
  answerWith,
  behind,
  cacheKey,
  CacheRequest,
  cacheStatusLine,
  decide,
  DEFAULT_SETTINGS,
  entryOfPost,
  FieldList,
  forwardChange,
  freshMs,
  holds,
  HttpCache,
  invalidated,
  settle,
  settleFailure,
  type Answer,
  type CacheResponse,
  type CacheSettings,
  type Candidates,
  type Decision,
  type FieldLine,
  type Filling,
  type Outcome,
  type Stored,
} from '../src/cache/cache.ts';
import { formatHttpDate } from '../src/http/http-date.ts';
import { readBody } from './tier-conformance.ts';
import type { CacheCase, Expected, Line, OriginAnswer, Source, Step } from './cache-cases/case.ts';

export interface ClientAnswer {
  readonly status: number;
  readonly fields: FieldList;
  readonly body: string;
}

/** The start of every case's clock: a whole second, as a moment within one would blur the sums. */
const START_MS = Date.UTC(2026, 10, 20, 12);
const RETRIES_MAX = 1;

/** A cache that nothing else is in. */
export type OpenCache = (settings: CacheSettings) => Promise<HttpCache>;

const openInMemory: OpenCache = ({ bodyBytesMax }) =>
  HttpCache.open({ memoryBytesMax: 64 * 1024 * 1024, bodyBytesMax });

/** Plays one case and asserts what it expects. With `restart`, every step has a cache opened anew. */
export async function playCase(
  one: CacheCase,
  { open = openInMemory, restart = false }: { open?: OpenCache; restart?: boolean } = {},
): Promise<void> {
  const settings = { ...DEFAULT_SETTINGS, ...one.settings } as CacheSettings;
  const model = new CacheModel(await open(settings), settings);
  try {
    for (const [index, step] of one.steps.entries()) {
      if (restart && index > 0) {
        await model.cache[Symbol.asyncDispose]();
        model.cache = await open(settings);
      }
      model.nowMs += (step.afterS ?? 0) * 1000;
      const label = `step ${index + 1} of "${one.name}"`;
      await model.play(step, index + 1);
      model.check(step.expect, label);
    }
  } finally {
    await model.cache[Symbol.asyncDispose]();
  }
}

class CacheModel {
  nowMs = START_MS;
  cache: HttpCache;
  readonly settings: CacheSettings;
  /** What the origin was asked in this step, and what it answered. */
  #asked: FieldList[] = [];
  #askedBefore = 0;
  #sources: Source[] = [];
  #source: Source | undefined;
  #answer: ClientAnswer | undefined;
  #step: Step = { expect: { from: 'cache' } };
  #number = 0;
  #candidates: Candidates<Stored>;
  /** Of the moment at which the origin was asked last. */
  #stamp = 0;
  readonly #bodies = new Map<string, number>();

  constructor(cache: HttpCache, settings: CacheSettings) {
    this.cache = cache;
    this.settings = settings;
  }

  async play(step: Step, number: number): Promise<void> {
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
        query: this.settings.query,
      }),
      fields: this.#fields(step.lines ?? []),
      hasBody: step.body !== undefined,
    });
    const candidates = await this.cache.find(request.key);
    const decision = decide(request, candidates, this.nowMs, this.settings);
    this.#candidates = candidates;
    this.#answer = await this.#act(request, decision);
    this.#askedBefore = this.#asked.length;
    this.#source = this.#sources.at(-1);
    if (decision.background) await this.#forward(request, behind(decision));
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

  async #act(request: CacheRequest, decision: Decision<Stored>): Promise<ClientAnswer> {
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

  async #forward(
    request: CacheRequest,
    decision: Decision<Stored>,
    retries = 0,
  ): Promise<ClientAnswer> {
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
    const on = { decision, candidates: this.#candidates };
    const outcome = settle(request, on, answer, this.settings);
    if (outcome.kind === 'retry') {
      assert(retries < RETRIES_MAX, 'the cache asks again and again');
      return this.#forward(request, { ...decision, kind: 'miss', stored: undefined }, retries + 1);
    }
    return this.#settle(request, decision, outcome, { answer, body });
  }

  async #settle(
    request: CacheRequest,
    decision: Decision<Stored>,
    outcome: Exclude<Outcome<Stored>, { readonly kind: 'retry' }>,
    came: { readonly answer: CacheResponse; readonly body: string },
  ): Promise<ClientAnswer> {
    const { answer, body } = came;
    const { key } = request;
    switch (outcome.kind) {
      case 'store': {
        const { entry } = outcome;
        const filling = this.cache.store(key, outcome, { stamp: this.#stamp });
        await this.#feed(filling, body);
        const whole = entry.spans === undefined ? entry.with({ length: body.length }) : entry;
        this.#sources.push('origin');
        return this.#fromOrigin(request, decision, came, filling.stored.with(whole));
      }
      case 'join': {
        const filling = this.cache.join(key, outcome, { stamp: this.#stamp });
        await this.#feed(filling, body);
        this.#sources.push(decision.kind === 'complete' ? 'joined' : 'origin');
        return this.#fromOrigin(request, decision, came, filling.stored);
      }
      case 'refreshed': {
        this.cache.update(outcome.updates, { stamp: this.#stamp });
        this.#sources.push('validated');
        const stored = outcome.stored.with(outcome.entry);
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
        this.cache.update(outcome.updates, { stamp: this.#stamp });
        this.cache.removeVariants(outcome.removes);
        this.#sources.push('origin');
        return this.#passed(answer, body, {
          kind: decision.kind,
          why: decision.why,
          fwdStatus: answer.status,
          detail: outcome.why,
        });
    }
  }

  async #unsafe(
    request: CacheRequest,
    decision: Decision<Stored>,
    answer: CacheResponse,
    body: string,
  ): Promise<ClientAnswer> {
    this.cache.remove(invalidated(request, answer, this.settings.query));
    const entry = entryOfPost(request, answer, this.settings);
    if (entry !== undefined) {
      const stamp = this.cache.stamp(this.nowMs);
      await this.#feed(this.cache.store(request.key, { entry, replaces: [] }, { stamp }), body);
    }
    this.#sources.push('origin');
    return this.#passed(answer, body, {
      kind: decision.kind,
      why: decision.why,
      fwdStatus: answer.status,
    });
  }

  async #feed(filling: Filling, body: string): Promise<void> {
    const bytes = Buffer.from(body, 'latin1');
    filling.fill.append(bytes, 0, bytes.length);
    await filling.end();
  }

  // Answers ------------------------------------------------------------------------------------------------------

  #fromStore(
    request: CacheRequest,
    stored: Stored,
    decision: Decision<Stored>,
    detail?: string,
    fwdStatus?: number,
  ): Promise<ClientAnswer> {
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
  ): Promise<ClientAnswer> {
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

  async #render(
    { status, head, lines, body }: Answer,
    stored: Stored,
    own: string,
  ): Promise<ClientAnswer> {
    const fields = new FieldList(parseLines(head + lines + own));
    assert(holds(stored.entry, body), 'bytes are answered that are not stored');
    let text = '';
    for (const { before, section } of answerPieces(stored.entry, body)) {
      text += before?.toString('latin1') ?? '';
      if (section === undefined) continue;
      const bytes = await readBody(stored, section.from, section.to);
      assert(bytes !== 'broken', 'the stored body cannot be read');
      text += bytes.toString('latin1');
    }
    return { status, fields, body: text };
  }

  // The origin ---------------------------------------------------------------------------------------------------

  #askOrigin(
    request: CacheRequest,
    drop: readonly string[],
    lines: string,
  ): { readonly answer: CacheResponse; readonly body: string } | undefined {
    const own = (request.fields as FieldList).lines;
    const kept = own.filter(([name]) => !drop.includes(name.toLowerCase()));
    this.#asked.push(new FieldList([...kept, ...parseLines(lines)]));
    this.#stamp = this.cache.stamp(this.nowMs);
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

function checkField(fields: FieldList, name: string, wanted: string | null, label: string): void {
  const value = fields.get(name.toLowerCase());
  const about = `${label}: field ${name}`;
  if (wanted === null) assert.equal(value, undefined, about);
  else if (/^\/.+\/$/.test(wanted)) {
    assert.match(value ?? '(absent)', new RegExp(wanted.slice(1, -1)), about);
  } else assert.equal(value, wanted, about);
}
