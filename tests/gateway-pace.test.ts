/** How much an upstream gets that comes back, and one that becomes slow: real sockets, and a clock that the test moves. */
import assert from 'node:assert/strict';
import type { RequestListener, ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { BalanceConfig } from '../src/gateway/balancing/balance-config.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Gateway, proxyRoute, socketUpstream, startApp, until } from './gateway-kit.ts';
import { answer } from './gateway-node-kit.ts';

/** Two upstreams, `steady` and `other`. */
async function start(
  clock: ManualClock,
  apps: Readonly<Record<'steady' | 'other', RequestListener>>,
  balance: BalanceConfig,
): Promise<Gateway> {
  const gateway = await Gateway.start([], { clock });
  const upstreams = [];
  for (const [name, app] of Object.entries(apps)) {
    upstreams.push(socketUpstream(await startApp(gateway, app, name), name));
  }
  await gateway.route({ ...proxyRoute(upstreams), balance });
  return gateway;
}

test('an upstream that comes back gets a share that grows', async () => {
  const clock = new ManualClock();
  let isBroken = false;
  const eject = { failures: 1, shareMax: 0.5, timeMs: 1000, timeMsMax: 1000 };
  const balance = { algorithm: 'weighted', eject, slowStartMs: 60_000 } as const;
  const apps: Parameters<typeof start>[1] = {
    steady: (_request, response) => response.end('steady'),
    other: (_request, response) => {
      if (isBroken) response.statusCode = 500;
      response.end('other');
    },
  };
  await using gateway = await start(clock, apps, balance);
  /** Percent of the next requests that the other one answers. */
  const share = async (): Promise<number> => {
    let others = 0;
    for (let count = 0; count < 100; count++) {
      if ((await answer(gateway)).text === 'other') others++;
    }
    return others;
  };
  await share();
  clock.advance(60_000);
  assert.equal(await share(), 50);
  isBroken = true;
  await until('it to be left out', async () => (await share()) === 0);
  isBroken = false;
  clock.advance(2000);
  // The first request after its time is the one that brings it back.
  assert.equal((await answer(gateway)).text, 'other');
  const shares: number[] = [];
  for (let seconds = 0; seconds < 60; seconds += 15) {
    shares.push(await share());
    clock.advance(15_000);
  }
  shares.push(await share());
  // A tenth of its weight beside the whole weight of the other one, a quarter, a half, three quarters, all.
  for (const [at, wanted] of [9, 20, 33, 43, 50].entries()) {
    assert.ok(Math.abs((shares[at] ?? 0) - wanted) <= 2, `${shares.join(' %, ')} %`);
  }
});

const UNDER_WAY = 60;
const ROUND_MS = 10;
const SLOW_ROUNDS = 10;

test('an upstream that becomes slow gets fewer at once, and the other one answers the rest', async () => {
  const clock = new ManualClock();
  const held = {
    steady: [] as { response: ServerResponse; at: number }[],
    other: [] as { response: ServerResponse; at: number }[],
  };
  let round = 0;
  let otherRounds = 1;
  const limits = { adaptive: true, perUpstream: 40, queue: 1000, queueTimeoutMs: 600_000 };
  const apps: Parameters<typeof start>[1] = {
    steady: (_request, response) => void held.steady.push({ response, at: round }),
    other: (_request, response) => void held.other.push({ response, at: round }),
  };
  await using gateway = await start(clock, apps, { algorithm: 'least', limits });
  const waiting = (): number => gateway.plane.table().route('app/test')?.balancer?.waiting ?? 0;
  const statuses: number[] = [];
  const answered = { steady: 0, other: 0 };
  const asked = new Set<Promise<void>>();
  /** Everybody who was answered asks again; all are somewhere; those whose time has come are answered. */
  const turn = async (): Promise<void> => {
    while (asked.size < UNDER_WAY) {
      const one = answer(gateway).then(({ status, text }) => {
        asked.delete(one);
        statuses.push(status);
        answered[text === 'other' ? 'other' : 'steady']++;
      });
      asked.add(one);
    }
    const there = (): number => held.steady.length + held.other.length + waiting();
    await until('all to be somewhere', () => there() === UNDER_WAY);
    clock.advance(ROUND_MS);
    round++;
    const due = (at: number, rounds: number): boolean => round - at >= rounds;
    const [steady, other] = [
      held.steady.filter(({ at }) => due(at, 1)),
      held.other.filter(({ at }) => due(at, otherRounds)),
    ];
    held.steady = held.steady.filter((one) => !steady.includes(one));
    held.other = held.other.filter((one) => !other.includes(one));
    const before = statuses.length;
    for (const { response } of steady) response.end('steady');
    for (const { response } of other) response.end('other');
    await until('the answers', () => statuses.length === before + steady.length + other.length);
  };
  for (let count = 0; count < 40; count++) await turn();
  const even = { ...answered };
  assert.ok(even.other > even.steady / 2, `as fast as each other: ${JSON.stringify(even)}`);
  otherRounds = SLOW_ROUNDS;
  let most = 0;
  await until('the slow one to have few', async () => {
    await turn();
    most = Math.max(most, held.other.length);
    return held.other.length > 0 && held.other.length <= 8;
  });
  assert.ok(most > 20, `it had ${most} before`);
  const before = { ...answered };
  for (let count = 0; count < SLOW_ROUNDS; count++) await turn();
  assert.ok(answered.steady - before.steady > 10 * (answered.other - before.other));
  assert.deepEqual([...new Set(statuses)], [200], 'nobody was sent away');
  otherRounds = 1;
  while (asked.size > 0) {
    clock.advance(ROUND_MS);
    for (const { response } of [...held.steady.splice(0), ...held.other.splice(0)]) response.end();
    await until(
      'some answers',
      () => held.steady.length + held.other.length > 0 || asked.size === 0,
    );
  }
});
