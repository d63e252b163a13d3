/** Upstreams in several regions: near ones first, others when those are busier or gone. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { test } from 'node:test';
import type { BalanceConfig } from '../src/gateway/balancing/balance-config.ts';
import type { UpstreamConfig } from '../src/gateway/config.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { Gateway, proxyRoute, socketUpstream } from './gateway-kit.ts';
import { answer } from './gateway-node-kit.ts';

const SECOND_MS = 1000;
const REQUESTS = 300;
const REGIONS = ['home', 'east', 'west'] as const;
type Region = (typeof REGIONS)[number];

/** One upstream in each region; each says with every answer how busy it is. */
class Site implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly gateway: Gateway;
  readonly #servers = new Map<Region, Server>();
  readonly use: Record<Region, number> = { home: 0, east: 0, west: 0 };

  private constructor(gateway: Gateway, clock: ManualClock) {
    this.gateway = gateway;
    this.clock = clock;
  }

  static async start(balance?: BalanceConfig): Promise<Site> {
    const clock = new ManualClock();
    const site = new Site(await Gateway.start([], { clock }), clock);
    site.gateway.region = 'home';
    for (const region of REGIONS) await site.open(region);
    const upstreams = REGIONS.map((region): UpstreamConfig => ({
      ...socketUpstream(site.#path(region), region),
      region,
    }));
    const route = proxyRoute(upstreams);
    await site.gateway.route(balance === undefined ? route : { ...route, balance });
    return site;
  }

  #path(region: Region): string {
    return `${this.gateway.folder}/${region}.sock`;
  }

  async open(region: Region): Promise<void> {
    const server = createServer((_request, response) => {
      const load = `TEXT application_utilization=${this.use[region]}`;
      response.setHeader('Endpoint-Load-Metrics', load);
      response.end(region);
    });
    this.#servers.set(region, server);
    await new Promise<void>((resolve) => server.listen(this.#path(region), () => resolve()));
  }

  async close(region: Region): Promise<void> {
    const server = this.#servers.get(region);
    server?.closeAllConnections();
    await new Promise<void>((resolve) => server?.close(() => resolve()));
  }

  /** Percent of the requests by region, `seconds` later, which is time enough for the shares to follow what was said. */
  async shares(seconds: number): Promise<Record<Region, number>> {
    for (let second = 0; second < seconds; second++) {
      this.clock.advance(SECOND_MS);
      for (let count = 0; count < 10; count++) await answer(this.gateway);
    }
    const found: Record<Region, number> = { home: 0, east: 0, west: 0 };
    for (let count = 0; count < REQUESTS; count++) {
      const { status, text } = await answer(this.gateway);
      assert.equal(status, 200);
      found[text as Region] += 100 / REQUESTS;
    }
    return found;
  }

  /** As the metrics say. */
  chosen(): Readonly<Record<string, number>> {
    const families = this.gateway.plane.families();
    const { samples = [] } =
      families.find(({ name }) => name.endsWith('region_chosen_total')) ?? {};
    return Object.fromEntries(samples.map(({ labels, value }) => [labels['region'] ?? '', value]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const region of REGIONS) await this.close(region);
    await this.gateway[Symbol.asyncDispose]();
  }
}

for (const [name, balance] of [
  ['usual choice', undefined],
  ['a route with a balancer', { algorithm: 'least' }],
] as const) {
  test(`${name}: near first, others by their room, and nobody notices a region that is gone`, async () => {
    await using site = await Site.start(balance);
    const idle = await site.shares(1);
    assert.ok(idle.home > 90, `nobody is busy: ${JSON.stringify(idle)}`);
    Object.assign(site.use, { home: 0.9, east: 0.3, west: 0.5 });
    const before = site.chosen();
    const counting = site.gateway.plane.answer({ kind: 'top', durationMs: 30 * SECOND_MS });
    const busy = await site.shares(60);
    const after = site.chosen();
    const told = await counting;
    assert(told.kind === 'top');
    const flows = new Map(
      told.top.regions?.map(({ from, to, requests }) => [`${from} ${to}`, requests]),
    );
    const all = ['home home', 'home east', 'home west'].map((flow) => flows.get(flow) ?? 0);
    assert.ok(
      all.every((requests) => requests > 10),
      `as it happened: ${JSON.stringify(all)}`,
    );
    const west = (after.west ?? 0) - (before.west ?? 0);
    assert.ok(west > (REQUESTS * busy.west) / 100 - 1, `the metrics say so: ${west}`);
    assert.ok(busy.home > 2 && busy.home < 30, `home is busy: ${JSON.stringify(busy)}`);
    assert.ok(busy.east > busy.west && busy.west > 20, `by room: ${JSON.stringify(busy)}`);
    await site.close('east');
    const without = await site.shares(1);
    assert.equal(without.east, 0);
    await site.close('home');
    const last = await site.shares(1);
    assert.equal(Math.round(last.west), 100);
    Object.assign(site.use, { home: 0.1, west: 0.5 });
    await site.open('home');
    const back = await site.shares(40);
    assert.ok(back.home > 90, `home is back: ${JSON.stringify(back)}`);
  });
}

test('the same key goes to the same upstream, whatever the region', async () => {
  await using site = await Site.start({ algorithm: 'hash', hash: { by: 'uri' } });
  Object.assign(site.use, { home: 0.9, east: 0.3, west: 0.5 });
  await site.shares(60);
  const seen = new Map<string, Set<string>>();
  for (let count = 0; count < 120; count++) {
    const path = `/${count % 12}`;
    const { text } = await answer(site.gateway, { path });
    seen.set(path, (seen.get(path) ?? new Set()).add(text));
  }
  assert.ok([...seen.values()].every((regions) => regions.size === 1));
  const regions = new Set([...seen.values()].flatMap((each) => [...each]));
  assert.ok(regions.size > 1, 'keys are in more than one region');
});
