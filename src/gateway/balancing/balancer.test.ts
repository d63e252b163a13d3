import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../balance.ts';
import type { UpstreamConfig } from '../config.ts';
import { Upstream } from '../upstream.ts';
import { afterAgentLine } from './agent-line.ts';
import type { BalanceConfig } from './balance-config.ts';
import { Balancer } from './balancer.ts';
import type { Member } from './member.ts';

const DRAWS = 2000;
const HEALTH = { path: '/', intervalMs: 1000, timeoutMs: 1000, rise: 1, fall: 1 };
const LIMITS = { perUpstream: 1, queue: 0, queueTimeoutMs: 0 };
const EJECT = { failures: 1, shareMax: 0.5, timeMs: 100, timeMsMax: 100 };

class Route {
  balancer: Balancer;
  readonly #upstreams = new Map<string, Upstream>();
  readonly #random = createRandom(3);

  constructor(names: string, config: BalanceConfig) {
    this.balancer = this.#made(names, config);
  }

  change(names: string, config: BalanceConfig): void {
    this.balancer = this.#made(names, config);
  }

  #made(names: string, config: BalanceConfig): Balancer {
    const configs = Array.from(names, (id): UpstreamConfig => ({
      id,
      address: { kind: 'socket', path: `/run/${id}.sock` },
      backup: id === id.toUpperCase(),
    }));
    const upstreams = configs.map((one) => {
      const upstream = this.#upstreams.get(one.id) ?? new Upstream(one);
      this.#upstreams.set(one.id, upstream);
      return upstream;
    });
    const previous = (this as { readonly balancer?: Balancer }).balancer;
    return new Balancer({ config, upstreams, configs, region: undefined, previous });
  }

  member(name: string): Member {
    const found = this.balancer.members.find(({ upstream }) => upstream.id === name);
    assert.ok(found);
    return found;
  }

  /** Name of the chosen one. */
  next(nowMs: number, token?: string): string {
    const asking = { tried: [], key: 0, token };
    const chosen = this.balancer.choose(asking, nowMs, this.#random);
    return chosen === undefined || chosen === 'full' ? `${chosen}` : chosen.upstream.id;
  }

  /** Percent of the requests that `name` gets. */
  share(name: string, nowMs: number): number {
    let found = 0;
    for (let draw = 0; draw < DRAWS; draw++) if (this.next(nowMs) === name) found++;
    return Math.round((100 * found) / DRAWS);
  }

  told(name: string, line: string, nowMs = 0): void {
    const member = this.member(name);
    member.told(afterAgentLine(member.agent, line), nowMs);
  }
}

test('who joins later, comes back or is up again starts slowly', () => {
  const config = {
    algorithm: 'weighted',
    slowStartMs: 1000,
    eject: EJECT,
    health: HEALTH,
  } as const;
  const route = new Route('a', config);
  assert.equal(route.next(5000), 'a');
  route.change('ab', config);
  assert.equal(route.share('b', 10_000), 9);
  assert.equal(route.share('b', 10_500), 33);
  assert.equal(route.share('b', 11_000), 50);
  const member = route.member('b');
  route.balancer.failed(member, 20_000);
  assert.equal(route.share('b', 20_050), 0);
  assert.equal(route.next(20_200), 'b', 'by force');
  route.balancer.succeeded(member, 1, 20_200);
  assert.equal(route.share('b', 20_200), 9);
  assert.equal(route.share('b', 21_200), 50);
  member.checked(false, 30_000, HEALTH);
  assert.equal(route.share('b', 30_000), 0);
  member.checked(true, 30_000, HEALTH);
  assert.equal(route.share('b', 30_000), 9);
});

test('one request at a time is sent by force', () => {
  const route = new Route('ab', { algorithm: 'round-robin', eject: EJECT });
  const member = route.member('b');
  route.balancer.failed(member, 1000);
  assert.equal(route.next(1200), 'b');
  member.isProbed = true;
  assert.equal(route.share('b', 1200), 0);
  member.isProbed = false;
  route.balancer.failed(member, 1200);
  assert.equal(route.share('b', 1250), 0, 'out again');
});

test('what an agent says', () => {
  const route = new Route('ab', { algorithm: 'weighted', agent: { port: 1, intervalMs: 1000 } });
  const b = route.member('b');
  const table: readonly (readonly [line: string, share: number, sticky: string])[] = [
    ['50%', 33, 'b'],
    ['100% drain', 0, 'b'],
    ['ready down', 0, 'a'],
    ['up', 50, 'b'],
    ['maint', 0, 'a'],
    ['ready weight:3', 75, 'b'],
    ['0%', 0, 'a'],
  ];
  for (const [line, share, sticky] of table) {
    route.told('b', line);
    assert.equal(route.share('b', 1000), share, line);
    assert.equal(route.next(1000, b.token), sticky, line);
  }
  route.told('b', '100% maxconn:2');
  b.upstream.requests = 2;
  assert.equal(route.next(1000, b.token), 'a');
  route.told('a', 'maint');
  assert.equal(route.next(1000), 'full');
  route.told('b', 'maint');
  assert.equal(route.next(1000), 'undefined');
});

test('when nobody is well, all but the withdrawn are asked', () => {
  const route = new Route('abc', { health: HEALTH });
  for (const name of 'abc') route.member(name).checked(false, 1000, HEALTH);
  route.told('c', 'maint');
  assert.equal(route.share('a', 1000), 50);
  route.member('b').checked(true, 1000, HEALTH);
  assert.equal(route.share('b', 1000), 100);
});

test('whether another one is well', () => {
  const route = new Route('abc', { eject: EJECT, limits: LIMITS });
  const isWell = (tried = ''): boolean => {
    const upstreams = Array.from(tried, (name) => route.member(name).upstream);
    return route.balancer.hasFit(upstreams, 0);
  };
  assert.equal(isWell('ab'), true);
  assert.equal(isWell('abc'), false);
  route.told('c', 'drain');
  assert.equal(isWell('ab'), false);
  route.member('b').upstream.connectFailed(0);
  assert.equal(isWell('a'), false);
  assert.equal(isWell(), true);
  route.member('a').upstream.requests++;
  assert.equal(isWell(), false);
});

test('latency decides for ewma, and what is busy gets less', () => {
  const route = new Route('ab', { algorithm: 'ewma' });
  route.balancer.succeeded(route.member('a'), 10, 1000);
  route.balancer.succeeded(route.member('b'), 100, 1000);
  assert.equal(route.share('a', 1000), 100);
  const weighted = new Route('ab', { algorithm: 'weighted' });
  weighted.member('b').upstream.learnNodeLoad(1, 1000);
  assert.equal(weighted.share('b', 1000), 17);
});

test('what is known stays over a change, and is forgotten with its key', () => {
  const route = new Route('ab', { eject: EJECT });
  route.balancer.failed(route.member('b'), 1000);
  const { budget } = route.balancer;
  route.change('ab', { eject: EJECT });
  assert.equal(route.share('b', 1050), 0);
  assert.equal(route.balancer.budget, budget);
  route.change('ab', {});
  assert.ok(route.share('b', 1050) > 40);
});

test('backups are asked when none of the others is well, not when they are full', () => {
  const route = new Route('aBC', { algorithm: 'round-robin', health: HEALTH, limits: LIMITS });
  const check = (name: string, isGood: boolean): void =>
    route.member(name).checked(isGood, 1000, HEALTH);
  assert.equal(route.share('a', 1000), 100);
  assert.equal(route.next(1000, route.member('B').token), 'B', 'who has begun there stays there');
  route.member('a').upstream.requests = 1;
  assert.equal(route.next(1000), 'full');
  check('a', false);
  assert.equal(route.share('B', 1000), 50);
  check('B', false);
  assert.equal(route.share('C', 1000), 100);
  check('C', false);
  route.member('a').upstream.requests = 0;
  assert.equal(route.share('a', 1000), 100, 'when nobody is well, they are the last again');
  check('C', true);
  assert.equal(route.share('C', 1000), 100);
  check('a', true);
  assert.equal(route.share('a', 1000), 100);
});

test('a backup that failed is tried again in need, one of the others at once', () => {
  const eject = { ...EJECT, shareMax: 1 };
  const route = new Route('abC', { algorithm: 'round-robin', eject });
  route.balancer.failed(route.member('C'), 1000);
  assert.equal(route.share('C', 2000), 0, 'nobody needs it');
  route.balancer.failed(route.member('a'), 2000);
  route.balancer.failed(route.member('b'), 2000);
  assert.equal(route.next(2050), 'C');
  route.balancer.succeeded(route.member('C'), 1, 2060);
  assert.equal(route.next(2060), 'C');
  assert.ok('ab'.includes(route.next(3000)), 'by force');
});

test('no request leaves where it waits for a backup that it would not be given', () => {
  const route = new Route('abC', { limits: LIMITS });
  const tried = [route.member('a').upstream];
  assert.ok(route.balancer.hasFit(tried, 1000));
  route.member('b').upstream.requests = 1;
  assert.equal(route.balancer.hasFit(tried, 1000), false);
  route.member('b').upstream.connectFailed(1000);
  assert.ok(route.balancer.hasFit(tried, 1000));
});

test('a backup that failed long ago keeps none of the others in', () => {
  const route = new Route('aC', { algorithm: 'round-robin', eject: EJECT });
  route.balancer.failed(route.member('C'), 1000);
  route.balancer.failed(route.member('a'), 1050);
  assert.equal(route.share('a', 1060), 100, 'the last one is never taken out');
  route.balancer.failed(route.member('a'), 2000);
  assert.equal(route.next(2010), 'C');
});
