/** `npm run bench -- cache`: what a decision of the cache costs, in time and in garbage, and how its tiers do. No sockets. */
import {
  answerFrom,
  cacheKey,
  CacheRequest,
  cacheStatusLine,
  decide,
  DEFAULT_SETTINGS,
  Entry,
  FieldList,
  freshMs,
  HeadFields,
  makeEntry,
  type FieldLine,
} from '../src/cache/cache.ts';
import { RequestHead } from '../src/http/head.ts';
import { DEFAULT_HEAD_LIMITS } from '../src/http/limits.ts';
import { benchCacheTiers } from './cache-tiers.ts';

const NOW_MS = Date.UTC(2026, 10, 20);
const ROUNDS = 7;
const CALLS_PER_ROUND = 200_000;
/** Few enough for no collection to run in between. */
const CALLS_FOR_GARBAGE = 2000;

const BROWSER = [
  'Host: example.test',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Cookie: session=0123456789abcdef; theme=dark',
  'Sec-Fetch-Mode: navigate',
  'Connection: keep-alive',
];

interface Case {
  readonly name: string;
  readonly request: readonly string[];
  readonly response: readonly FieldLine[];
  /** Milliseconds after the answer was stored. */
  readonly laterMs: number;
}

const HTML: readonly FieldLine[] = [
  ['Content-Type', 'text/html; charset=utf-8'],
  ['Cache-Control', 'public, max-age=60, stale-while-revalidate=600'],
  ['ETag', '"0123456789abcdef"'],
  ['Last-Modified', 'Fri, 20 Nov 2026 00:00:00 GMT'],
  ['Server', 'app'],
  ['Content-Length', '12345'],
];

const CASES: readonly Case[] = [
  { name: 'hit', request: BROWSER, response: HTML, laterMs: 5000 },
  {
    name: 'hit, Vary: Accept-Encoding',
    request: BROWSER,
    response: [...HTML, ['Vary', 'Accept-Encoding']],
    laterMs: 5000,
  },
  {
    name: 'hit, Vary of three fields',
    request: BROWSER,
    response: [...HTML, ['Vary', 'Accept, Accept-Language, Accept-Encoding']],
    laterMs: 5000,
  },
  {
    name: 'hit, If-None-Match: 304',
    request: [...BROWSER, 'If-None-Match: "0123456789abcdef"'],
    response: HTML,
    laterMs: 5000,
  },
  {
    name: 'hit, Range: 206',
    request: [...BROWSER, 'Range: bytes=0-999'],
    response: HTML,
    laterMs: 5000,
  },
  {
    name: 'reload: Cache-Control: max-age=0',
    request: [...BROWSER, 'Cache-Control: max-age=0'],
    response: HTML,
    laterMs: 5000,
  },
  { name: 'stale-while-revalidate', request: BROWSER, response: HTML, laterMs: 90_000 },
];

export async function benchCache(): Promise<void> {
  console.log(
    'What                                 decision   with answer and status line   garbage',
  );
  for (const one of CASES) report(one);
  reportStoring();
  await benchCacheTiers();
}

function report(one: Case): void {
  const head = scanned(one.request);
  const fields = new HeadFields(head);
  const request = new CacheRequest();
  const key = keyOf();
  request.read({ method: 'GET', key, fields });
  const stored = { entry: entryOf(request, one.response) };
  const nowMs = NOW_MS + one.laterMs;
  let sink = 0;
  const decision = (): void => {
    request.read({ method: 'GET', key, fields });
    const { kind } = decide(request, stored, nowMs, DEFAULT_SETTINGS);
    sink += kind.length;
  };
  const whole = (): void => {
    request.read({ method: 'GET', key, fields });
    const { kind, why } = decide(request, stored, nowMs, DEFAULT_SETTINGS);
    const { entry } = stored;
    const answer = answerFrom(request, entry, nowMs, () => 'b');
    const ttlS = Math.floor(freshMs(entry, nowMs) / 1000);
    sink += answer.lines.length + cacheStatusLine({ kind, why, ttlS }).length;
  };
  const columns = [
    one.name.padEnd(36),
    `${nanoseconds(decision).toFixed(0)} ns`.padStart(8),
    `${nanoseconds(whole).toFixed(0)} ns`.padStart(29),
    `${garbage(decision).toFixed(0)} / ${garbage(whole).toFixed(0)} B`.padStart(9),
  ];
  console.log(columns.join(' '));
  if (sink === 0) throw new Error('nothing was measured');
}

function reportStoring(): void {
  const request = new CacheRequest().read({
    method: 'GET',
    key: keyOf(),
    fields: new HeadFields(scanned(BROWSER)),
  });
  let sink = 0;
  const store = (): void => {
    sink += entryOf(request, HTML).head.length;
  };
  console.log(`making an entry                      ${nanoseconds(store).toFixed(0)} ns`);
  if (sink === 0) throw new Error('nothing was measured');
}

function keyOf(): string {
  return cacheKey({
    space: 'r1',
    scheme: 'https',
    authority: 'example.test',
    target: '/articles/2026/11/20',
  });
}

function scanned(lines: readonly string[]): RequestHead {
  const head = new RequestHead(DEFAULT_HEAD_LIMITS);
  const bytes = Buffer.from(`GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  head.reset(0);
  head.scan(bytes, bytes.length);
  return head;
}

function entryOf(request: CacheRequest, lines: readonly FieldLine[]): Entry {
  const response = {
    status: 200,
    fields: new FieldList(lines),
    requestedMs: NOW_MS,
    receivedMs: NOW_MS,
  };
  return makeEntry(request, response, DEFAULT_SETTINGS);
}

/** The best of several rounds: what the machine does besides only makes it slower. */
function nanoseconds(call: () => void): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (let count = 0; count < CALLS_PER_ROUND; count++) call();
    best = Math.min(best, ((performance.now() - start) * 1e6) / CALLS_PER_ROUND);
  }
  return best;
}

/** Bytes that a call leaves to the collector: the most of several rounds, as a collection only hides some. */
function garbage(call: () => void): number {
  let most = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.memoryUsage().heapUsed;
    for (let count = 0; count < CALLS_FOR_GARBAGE; count++) call();
    most = Math.max(most, (process.memoryUsage().heapUsed - before) / CALLS_FOR_GARBAGE);
  }
  return most;
}
