/** The rules of HTTP caching, case by case, through a gateway with real sockets. */
import { describe, test, before, after } from 'node:test';
import type { RouteConfig } from '../src/gateway/config.ts';
import { CACHE_CASES } from '../testing/cache-cases/all.ts';
import { type CacheStage, parseMessage, playOnGateway } from '../testing/cache-gateway.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Gateway, RawOrigin, socketUpstream, until } from './gateway-kit.ts';

/** A whole second, as a moment within one would blur the sums. */
const START_MS: number = Date.UTC(2026, 10, 20, 12);

let gateway: Gateway;
let origin: RawOrigin;
let stage: CacheStage;

const CASES = CACHE_CASES.flatMap(({ theme, cases }) => cases.map((one) => ({ theme, one })));

before(async () => {
  const clock = new ManualClock(START_MS);
  gateway = await Gateway.start([], { clock });
  origin = await RawOrigin.start(`${gateway.folder}/origin.sock`, (connection) => {
    const { seen, socket } = connection;
    if (!isComplete(seen)) return;
    connection.seen = '';
    const answer = stage.answerer?.(seen);
    if (answer === undefined) socket.destroy();
    else socket.write(answer, 'latin1');
  });
  const upstreams = [socketUpstream(origin.path)];
  gateway.cache = { memoryBytes: 64 * 1024 * 1024 };
  await gateway.route(
    ...CASES.map(({ one }, index): RouteConfig => ({
      id: `case-${index}`,
      hosts: ['*'],
      path: `/case-${index}`,
      target: { kind: 'upstreams', upstreams },
      cache: one.settings ?? {},
    })),
  );
  stage = {
    clock,
    exchange: (request) => gateway.exchange(request),
    answerer: undefined,
    settled: async () => {
      await until('nothing under way', () => {
        return Object.keys(gateway.plane.stats().upstreams).length === 0;
      });
      await new Promise((done) => setImmediate(done));
    },
  };
});

after(async () => {
  await gateway[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

function isComplete(seen: string): boolean {
  const end = seen.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = Number(parseMessage(seen).fields.get('content-length') ?? 0);
  return seen.length >= end + 4 + length;
}

for (const { theme } of CACHE_CASES) {
  describe(theme, () => {
    for (const [index, { theme: own, one }] of CASES.entries()) {
      if (own !== theme) continue;
      test(`${one.rule}: ${one.name}`, () => playOnGateway(stage, one, `/case-${index}`));
    }
  });
}
