/**
 * Plays cases against a real gateway over sockets: a client and an origin that see bytes, under a clock that the case
 * moves, so that hours cost nothing. The pure deciders are played by `cache-model.ts`; here it is about everything around them.
 */
import assert from 'node:assert/strict';
import { FieldList, type FieldLine } from '../src/cache/cache.ts';
import { formDate } from './cache-model.ts';
import type { ManualClock } from './manual-clock.ts';
import type { CacheCase, Expected, Line, OriginAnswer, Source, Step } from './cache-cases/case.ts';

/** A gateway with a cache, and the origin behind it. */
export interface CacheStage {
  readonly clock: ManualClock;
  /** Sends bytes on a new connection and answers all that comes until the gateway closes. */
  readonly exchange: (request: string) => Promise<string>;
  /** The origin asks it what to answer; undefined: break the connection. */
  answerer: ((head: string) => string | undefined) | undefined;
  /** Resolves when nothing is under way at the gateway. */
  readonly settled: () => Promise<void>;
}

interface Message {
  readonly line: string;
  readonly fields: FieldList;
  readonly body: string;
}

/** What came of one step. */
interface Seen {
  readonly answer: Message;
  readonly asked: readonly Message[];
  /** Statuses that the origin answered with. */
  readonly said: readonly number[];
  /** Fields of the client's request. */
  readonly wishes: FieldList;
  readonly number: number;
  readonly bodies: ReadonlyMap<string, number>;
  readonly folder: string;
  readonly label: string;
}

/** `folder` begins the paths of the case, so that cases know nothing of each other. */
export async function playOnGateway(
  stage: CacheStage,
  one: CacheCase,
  folder: string,
): Promise<void> {
  const bodies = new Map<string, number>();
  for (const [index, step] of one.steps.entries()) {
    const label = `step ${index + 1} of "${one.name}"`;
    await playStep(stage, step, { folder, number: index + 1, bodies, label });
  }
}

async function playStep(
  stage: CacheStage,
  step: Step,
  on: {
    readonly folder: string;
    readonly number: number;
    readonly bodies: Map<string, number>;
    readonly label: string;
  },
): Promise<void> {
  const { clock } = stage;
  const { folder, number, bodies } = on;
  clock.advance((step.afterS ?? 0) * 1000);
  const asked: Message[] = [];
  const said: number[] = [];
  stage.answerer = (head) => {
    const request = parseMessage(head);
    asked.push(request);
    if (step.origin === 'down') return undefined;
    const again = asked.length > 1 ? step.originAgain : undefined;
    const answer: OriginAnswer = again ?? step.origin ?? { lines: ['Cache-Control: no-store'] };
    clock.advance((answer.delayS ?? 0) * 1000);
    const { status = 200 } = answer;
    said.push(status);
    const usual = status === 304 || answer.body === null ? '' : `body of step ${number}`;
    const body = answer.body ?? usual;
    if (body !== '') bodies.set(body, number);
    const lines = linesOf(
      (answer.lines ?? []).map((line) => moved(line, folder)),
      clock.now(),
    );
    const isHead = request.line.startsWith('HEAD ');
    const interim = (answer.interim ?? []).map((one) => `HTTP/1.1 ${one}\r\n\r\n`).join('');
    return `${interim}${answerText({ status, lines, body, isHead })}`;
  };
  const body = step.body ?? '';
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  const request =
    `${step.method ?? 'GET'} ${folder}${step.path ?? '/'} HTTP/1.1\r\nHost: example.test\r\n` +
    `${linesOf(step.lines ?? [], clock.now())}${length}Connection: close\r\n\r\n${body}`;
  const { interim, final } = apart(await stage.exchange(request));
  const answer = parseMessage(final);
  await stage.settled();
  stage.answerer = undefined;
  check(step.expect, { ...on, answer, asked, said, wishes: parseMessage(request).fields });
  assert.deepEqual(interim, step.expect.interim ?? [], `${on.label}: interim answers`);
}

/** Status and fields of what comes before the answer, and the answer. */
function apart(text: string): { readonly interim: readonly string[]; readonly final: string } {
  const [, head = ''] = /^(HTTP\/1\.1 1\d\d [^]*?)\r\n\r\n/.exec(text) ?? [];
  if (head === '') return { interim: [], final: text };
  const rest = apart(text.slice(head.length + 4));
  return { interim: [head.replace('HTTP/1.1 ', ''), ...rest.interim], final: rest.final };
}

function answerText(options: {
  readonly status: number;
  readonly lines: string;
  readonly body: string;
  readonly isHead: boolean;
}): string {
  const { status, lines, body, isHead } = options;
  const start = `HTTP/1.1 ${status} X\r\n${lines}`;
  const isChunked = /^transfer-encoding: *chunked/im.test(lines);
  if (isChunked && !isHead) {
    return `${start}\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  }
  const isFramed =
    isChunked || status === 204 || status === 304 || /^content-length:/im.test(lines);
  // Without a body there is nothing to say about its length.
  const isSilent = isFramed || (isHead && body === '');
  const length = isSilent ? '' : `Content-Length: ${body.length}\r\n`;
  return `${start}${length}\r\n${isHead ? '' : body}`;
}

function check(expected: Expected, seen: Seen): void {
  const { answer, asked, label } = seen;
  const status = Number(answer.line.split(' ')[1]);
  assert.equal(sourceOf(seen), expected.from, `${label}: where the answer came from`);
  if (expected.from === 'nobody') assert.ok(status >= 500, `${label}: ${status}`);
  else assert.equal(status, expected.status ?? 200, `${label}: status`);
  checkBody(expected, seen, status);
  for (const [name, value] of Object.entries(expected.fields ?? {})) {
    checkField(plain(answer, seen.folder, name), name, value, label);
  }
  const isQuiet =
    expected.from === 'cache' && !/detail=(?:error|unreachable)/.test(statusOf(answer));
  if (isQuiet) {
    assert.equal(asked.length > 0, expected.background === true, `${label}: asked behind`);
  }
  const [first] = asked;
  for (const [name, value] of Object.entries(expected.asked ?? {})) {
    assert.ok(first !== undefined, `${label}: the origin was not asked`);
    checkField(first.fields.get(name.toLowerCase()), name, value, `${label}, asked of the origin`);
  }
}

function checkBody(expected: Expected, seen: Seen, status: number): void {
  const { answer, label } = seen;
  const { body } = answer;
  if (expected.body !== undefined) {
    const own = body === expected.body ? body : unbounded(answer);
    assert.equal(own, expected.body, `${label}: body`);
    return;
  }
  const isTelling = body !== '' && expected.from !== 'nobody' && (status === 200 || status >= 400);
  if (!isTelling) return;
  // Without a word about it, a body is of the step that it must be of.
  const ofStep = seen.bodies.get(body);
  assert.equal(ofStep === seen.number, expected.from === 'origin', `${label}: whose body`);
}

/** By Cache-Status, and by what the cache added to the client's request. */
function sourceOf({ answer, asked, said, wishes }: Seen): Source {
  const status = statusOf(answer);
  if (/; hit\b|; ttl=\S+ detail=error/.test(status)) return 'cache';
  const ifRange = asked.at(-1)?.fields.get('if-range');
  const last = said.at(-1);
  if (last === 206 && ifRange !== undefined && ifRange !== wishes.get('if-range')) return 'joined';
  // What is stored has a lifetime, what goes through has not.
  if (last === 304 && /; ttl=/.test(status)) return 'validated';
  return /fwd-status=/.test(status) ? 'origin' : 'nobody';
}

/** Our member of Cache-Status: the last one. */
function statusOf({ fields }: Message): string {
  return fields.get('cache-status')?.split(',').at(-1)?.trim() ?? '';
}

/** Text of an answer with the separator of its parts as the cases have it. */
function unbounded({ fields, body }: Message): string {
  const boundary = /boundary=(\S+)/.exec(fields.get('content-type') ?? '')?.[1];
  return boundary === undefined ? body : body.replaceAll(boundary, 'SEPARATOR');
}

/** A value as the case has it: without the case's folder, and with a separator as long as the cases' own. */
function plain(answer: Message, folder: string, name: string): string | undefined {
  const value = answer.fields.get(name.toLowerCase());
  // The client itself asked for it, and no case does.
  if (name === 'Connection' && value === 'close') return undefined;
  if (name === 'Content-Length' && /boundary=/.test(answer.fields.get('content-type') ?? '')) {
    return String(unbounded(answer).length);
  }
  return value?.replaceAll(folder, '').replace(/boundary=\S+/, 'boundary=SEPARATOR');
}

/** What names another path of the case names it where the case is. */
function moved(line: Line, folder: string): Line {
  return line.replace(/^((?:Content-)?Location: (?:https?:\/\/[^/]*)?)\//i, `$1${folder}/`);
}

function linesOf(lines: readonly Line[], nowMs: number): string {
  const dated = (line: string): string =>
    line.replace(/\{([+-]\d+)(?: (rfc850|asctime))?\}/g, (_all, seconds, form) =>
      formDate(nowMs + Number(seconds) * 1000, String(form ?? '')),
    );
  return lines.map((line) => `${dated(line)}\r\n`).join('');
}

export function parseMessage(text: string): Message {
  const end = text.indexOf('\r\n\r\n');
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const fields = new FieldList(
    lines.map((one): FieldLine => {
      const colon = one.indexOf(':');
      return [one.slice(0, colon), one.slice(colon + 1).trim()];
    }),
  );
  const body = text.slice(end + 4);
  const isChunked = fields.get('transfer-encoding') === 'chunked';
  return { line, fields, body: isChunked ? dechunked(body) : body };
}

function dechunked(text: string): string {
  let body = '';
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, end), 16);
    if (!(size > 0)) return body;
    body += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
}

function checkField(
  value: string | undefined,
  name: string,
  wanted: string | null,
  label: string,
): void {
  const about = `${label}: field ${name}`;
  if (wanted === null) assert.equal(value, undefined, about);
  else if (/^\/.+\/$/.test(wanted)) {
    assert.match(value ?? '(absent)', new RegExp(wanted.slice(1, -1)), about);
  } else assert.equal(value, wanted, about);
}
