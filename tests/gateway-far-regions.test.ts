/** Two regions that are far from each other: what goes from one to the other comes 30 ms later. */
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { Clock } from '../src/base/time.ts';
import type { UpstreamConfig } from '../src/gateway/config.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { startTcpProxy, type TcpProxy } from '../testing/tcp-proxy.ts';
import { proxyRoute, socketUpstream, until } from './gateway-kit.ts';
import { answer, TwoNodes } from './gateway-node-kit.ts';
import { answerTo, ask, bodyOf, get, SharingGateways, statusOf } from './gateway-sharing-kit.ts';

const ONE_WAY_MS = 30;
const COLD_BYTES: number = 512 * 1024;
const CROWD = 80;
const REGIONS = ['home', 'far'] as const;
type Region = (typeof REGIONS)[number];
const INSTANCES = 2;

/** Clients come to a node at home; each region has instances of the app, the far ones on another node. */
class FarSite implements AsyncDisposable {
  readonly nodes: TwoNodes;
  readonly #link: TcpProxy;
  readonly #servers = new Map<string, Server>();
  /** Requests at home that are not answered. */
  readonly held: ServerResponse[] = [];
  /** Answered since somebody last looked. */
  readonly served: Record<Region, number> = { home: 0, far: 0 };
  /** What the instances say with each answer; nothing unless known. */
  use: Record<Region, number> | undefined;

  private constructor(nodes: TwoNodes, link: TcpProxy) {
    this.nodes = nodes;
    this.#link = link;
  }

  static async start(options: { readonly clock?: Clock } = {}): Promise<FarSite> {
    const nodes = await TwoNodes.start(options);
    const link = await startTcpProxy({ port: nodes.two.node?.port ?? 0 });
    link.delay(ONE_WAY_MS);
    const site = new FarSite(nodes, link);
    for (const region of REGIONS) await site.open(region);
    const { one, two } = nodes;
    two.locals = site.#places('far');
    await two.route();
    one.region = 'home';
    const far = two.locals.map(({ id }): UpstreamConfig => {
      const address = { kind: 'node', node: 'two', host: '127.0.0.1', port: link.port } as const;
      return { id, address, region: 'far' };
    });
    await one.route(proxyRoute([...site.#places('home'), ...far]));
    return site;
  }

  #places(region: Region): readonly UpstreamConfig[] {
    const { folder } = region === 'home' ? this.nodes.one : this.nodes.two;
    return Array.from({ length: INSTANCES }, (_, at) =>
      socketUpstream(`${folder}/${region}-${at}.sock`, `${region}-${at}`),
    );
  }

  async open(region: Region): Promise<void> {
    for (const { id, address } of this.#places(region)) {
      const server = createServer(({ url }, response) => {
        if (region === 'home' && url === '/hold') return void this.held.push(response);
        this.served[region]++;
        const load = `TEXT application_utilization=${this.use?.[region]}`;
        if (this.use !== undefined) response.setHeader('Endpoint-Load-Metrics', load);
        response.end(region);
      });
      this.#servers.set(id, server);
      const path = address.kind === 'socket' ? address.path : '';
      await new Promise<void>((resolve) => server.listen(path, () => resolve()));
    }
  }

  async close(region: Region): Promise<void> {
    for (const { id } of this.#places(region)) {
      const server = this.#servers.get(id);
      server?.closeAllConnections();
      await new Promise<void>((resolve) => server?.close(() => resolve()));
    }
  }

  /** Every one of them is answered. */
  async ask(count: number, path = '/'): Promise<readonly string[]> {
    const asked = Array.from({ length: count }, () => answer(this.nodes.one, { path }));
    const answers = await Promise.all(asked);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    return answers.map(({ text }) => text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const region of REGIONS) await this.close(region);
    await this.nodes[Symbol.asyncDispose]();
    await this.#link[Symbol.asyncDispose]();
  }
}

test('all of the near region is gone: the far one answers everything, and it goes there and back once', async () => {
  await using site = await FarSite.start();
  const seen: string[] = [];
  const ask = async (): Promise<string> => {
    const [text = ''] = await site.ask(1);
    seen.push(text);
    return text;
  };
  for (let count = 0; count < 30; count++) await ask();
  const waiting = site.ask(20, '/hold');
  await until('the near region to be busy', () => site.held.length === 20);
  await site.close('home');
  assert.deepEqual([...new Set(await waiting)], ['far'], 'also what was under way');
  for (let count = 0; count < 60; count++) await ask();
  await site.open('home');
  await until('it is back', async () => (await ask()) === 'home');
  for (let count = 0; count < 60; count++) await ask();
  const moves = seen.filter((one, at) => at > 0 && one !== seen[at - 1]);
  assert.deepEqual(moves, ['far', 'home']);
});

test('what is too much for the near region goes to the far one, as much as there is room for, and does not swing', async () => {
  const clock = new ManualClock();
  await using site = await FarSite.start({ clock });
  const asked = 40;
  const room: Record<Region, number> = { home: 20, far: 60 };
  const use = { home: 0, far: 0 };
  site.use = use;
  /** Requests that went far in these seconds, of 1. Instances say what they had to do lately. */
  const farOf = async (seconds: number): Promise<number> => {
    let far = 0;
    for (let second = 0; second < seconds; second++) {
      clock.advance(1000);
      await site.ask(asked);
      far += site.served.far / asked / seconds;
      for (const region of REGIONS) {
        const now = Math.min(1, site.served[region] / room[region]);
        use[region] += 0.3 * (now - use[region]);
        site.served[region] = 0;
      }
    }
    return far;
  };
  await farOf(25);
  // Equally busy at seven tenths; the near one may be a tenth busier.
  for (let window = 0; window < 4; window++) {
    const far = await farOf(5);
    assert.ok(far > 0.5 && far < 0.9, `${far} went far, ${JSON.stringify(use)}`);
  }
  assert.ok(use.home < 0.9 && use.far < 0.9, JSON.stringify(use));
});

test('a crowd in both regions is one request at the origin, and its answer crosses once', async () => {
  const go = Promise.withResolvers<void>();
  await using gateways = await SharingGateways.start(
    [
      { region: 'home', workers: 2 },
      { region: 'far', workers: 2 },
    ],
    (_request, response) => {
      void go.promise.then(() => {
        response.setHeader('Cache-Control', 'max-age=60');
        response.end('x'.repeat(COLD_BYTES));
      });
    },
    {},
    { oneWayMs: ONE_WAY_MS },
  );
  const { all, links } = gateways;
  const crossed = (): number =>
    links.reduce((sum, { bytesAsked, bytesAnswered }) => sum + bytesAsked + bytesAnswered, 0);
  const clients = Array.from({ length: CROWD }, (_, at) => ask(all[at % all.length], '/cold'));
  await until('the first request', () => gateways.asked.length > 0);
  const open = (): number => all.reduce((sum, { plane }) => sum + plane.stats().connections, 0);
  await until('all to be there', () => open() === CROWD);
  go.resolve();
  for (const answer of await Promise.all(clients.map(answerTo))) {
    assert.equal(bodyOf(answer), 'x'.repeat(COLD_BYTES));
  }
  assert.equal(gateways.asked.length, 1);
  const bytes = crossed();
  assert.ok(bytes > COLD_BYTES && bytes < 1.5 * COLD_BYTES, `${bytes} bytes went between regions`);
  for (const gateway of all) {
    assert.match(statusOf(await get(gateway, '/cold')), /Moln; hit[^,]*$/);
  }
  assert.equal(crossed(), bytes, 'each region has it');
});
