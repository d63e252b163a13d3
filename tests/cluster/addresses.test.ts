/** A virtual address on a LAN: three machines in network namespaces of their own, which takes root, and a client beside them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { AddressRow } from '../../src/api/api.ts';
import type { EventDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { ask } from '../../testing/http.ts';
import { canMakeNets, makeNet, type TestNet } from '../../testing/net-kit.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';

const NAMES = ['a', 'b', 'c'] as const;
const READY = { a: 'ready', b: 'ready', c: 'ready' } as const;
const PORT = 8080;
const LOOK_MS = 20;
/** The clocks of the lease, and room for a slow machine. */
const TAKEN_WITHIN_MS = 30_000;
const skip = canMakeNets ? false : 'only root can make network namespaces';

/** Looks all the time which machines have the address. Machines one after the other: a hand-over leaves time between two. */
class Witness implements AsyncDisposable {
  /** Those that were seen with it at once, each a row of names. */
  readonly together: string[] = [];
  readonly #work: Promise<void>;
  #isOver = false;

  constructor(net: TestNet, address: string) {
    this.#work = this.#watch(net, address);
  }

  async #watch(net: TestNet, address: string): Promise<void> {
    while (!this.#isOver) {
      const holders = NAMES.filter((_, at) => net.has(at + 1, address));
      if (holders.length > 1) this.together.push(holders.join(' and '));
      await pause(LOOK_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#work;
  }
}

test('a virtual address outlives its holders, and no two hold it', { skip }, async (t) => {
  const net = await makeNet(t, 4);
  await using cluster = await TestCluster.form(t, NAMES, {
    places: NAMES.map((_, at) => ({ address: net.addressOf(at + 1), under: net.under(at + 1) })),
    portsOn: '127.0.0.1',
    args: ['--listen', '0.0.0.0', '--http', String(PORT)],
  });
  await cluster.isManagedBy(3, 'a');
  await cluster.node('a').json('deploy', appFolder(t, nodeApp("'hello'")), '--name', 'app');
  await cluster.node('a').json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);
  const address = net.addressOf(50);

  const rowOf = async (seer: string): Promise<AddressRow> => {
    const [row] = await cluster.node(seer).json<readonly AddressRow[]>('address', 'list');
    assert.ok(row !== undefined);
    return row;
  };
  const other = (name: string): string => (name === 'a' ? 'b' : 'a');
  const isServed = async (): Promise<boolean> => {
    const question = { address, port: PORT, host: `app.localhost:${PORT}`, path: '/' };
    return (await ask({ ...question, timeoutMs: 1000 })).body === 'hello';
  };
  /** Resolves to the next holder once clients are served by it. */
  const taken = async (from: string): Promise<string> => {
    const next = await until(
      `another node than ${from} to hold ${address}`,
      async () => {
        const { holder } = await rowOf(other(from));
        return holder?.node === from ? undefined : holder?.node;
      },
      { withinMs: TAKEN_WITHIN_MS },
    );
    await until('a client to be served again', isServed);
    return next;
  };

  await step(t, 'bad wishes are refused in one sentence', async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['127.0.0.5'], /"127\.0\.0\.5" cannot be a virtual address: it is a loopback address/],
      [['192.0.2.50'], /Node "a" cannot hold 192\.0\.2\.50: none of its network interfaces/],
      [[`${address}/16`], /the network of its interface "eth0" is \/24, not \/16/],
      [[address, '--interface', 'eth7'], /it has no network interface "eth7"/],
      [[address, '--nodes', 'a,x'], /No node "x"/],
      [[net.addressOf(1)], /is the own address of a node, on its interface "eth0"/],
      [[net.addressOf(4)], /is in use: a machine with the hardware address [0-9a-f:]{17} answers/],
    ];
    for (const [words, sentence] of refusals) {
      const { code, stderr } = await cluster.node('b').cli('address', 'add', ...words);
      assert.equal(code, 1, words.join(' '));
      assert.match(stderr, sentence);
    }
  });

  const added = await cluster.node('a').json<AddressRow>('address', 'add', `${address}/24`);
  assert.equal(added.sentence, `${added.holder?.node} holds it: nobody held it`);
  const again = await cluster.node('b').cli('address', 'add', address);
  assert.match(again.stderr, /is a virtual address already/);
  assert.equal(await isServed(), true);
  await using witness = new Witness(net, address);
  let holder = added.holder?.node ?? '';

  await step(t, 'kill -9 of everything on its node', async () => {
    const before = holder;
    await cluster.node(before).kill();
    holder = await taken(before);
    const { sentence } = await rowOf(holder);
    assert.equal(sentence, `${holder} holds it: ${before} was not heard any more`);
    await cluster.node(before).restart();
    await cluster.sees(holder, READY);
  });

  await step(t, 'SIGSTOP of its agent, whose gateway goes on', async () => {
    const before = holder;
    cluster.node(before).pause();
    holder = await taken(before);
    cluster.node(before).resume();
    await cluster.sees(holder, READY);
    await until('the one that was stopped to know', async () => {
      return (await rowOf(before)).holder?.node === holder;
    });
  });

  await step(t, 'its node is to be drained', async () => {
    const before = holder;
    await cluster.node(before).json('node', before, 'drain');
    holder = await taken(before);
    const { sentence } = await rowOf(holder);
    assert.equal(sentence, `${holder} holds it: ${before} gave it back, for it is to be drained`);
    const { stdout } = await cluster.node(holder).cli('events', '--json');
    const told = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EventDetail);
    assert.ok(
      told.some(
        ({ text }) =>
          text ===
          `${holder} holds the address ${address}: ${before} gave it back, for it is to be drained`,
      ),
    );
  });

  await step(t, 'it is removed', async () => {
    await cluster.node('a').json('address', 'remove', address);
    assert.deepEqual(
      NAMES.filter((_, at) => net.has(at + 1, address)),
      [],
    );
    assert.deepEqual(await cluster.node('b').json('address', 'list'), []);
  });
  assert.deepEqual(witness.together, []);
});
