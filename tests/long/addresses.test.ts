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
const LOOK_MS = 40;
/** The clocks of the lease, and room for a slow machine. */
const TAKEN_WITHIN_MS = 30_000;
const skip = canMakeNets ? false : 'only root can make network namespaces';

/** Looks all the time which machines have the address. Machines one after the other: a hand-over leaves time between two. */
class Witness implements AsyncDisposable {
  /** Those that were seen with it at once, each a row of names. */
  readonly together: string[] = [];
  readonly seen: Set<string> = new Set();
  readonly #work: Promise<void>;
  #isOver = false;

  constructor(net: TestNet, address: string) {
    this.#work = this.#watch(net, address);
  }

  async #watch(net: TestNet, address: string): Promise<void> {
    while (!this.#isOver) {
      const holders = NAMES.filter((_, at) => net.has(at + 1, address));
      for (const name of holders) this.seen.add(name);
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
  const common = { portsOn: '127.0.0.1', args: ['--listen', '::', '--http', String(PORT)] };
  await using cluster = await TestCluster.form(t, ['a'], {
    ...common,
    places: [{ address: net.addressOf(1), under: net.under(1) }],
  });
  const address = net.addressOf(50);
  const added = await cluster.node('a').json<AddressRow>('address', 'add', `${address}/24`);
  assert.equal(added.sentence, 'a holds it: nobody held it');
  for (const number of [2, 3]) {
    const options = { ...common, under: net.under(number) };
    const name = NAMES[number - 1] ?? '';
    const node = await cluster.add(t, name, net.addressOf(number), options);
    await node.join(await cluster.invite());
  }
  await cluster.isManagedBy(3, 'a');
  await cluster.node('a').json('deploy', appFolder(t, nodeApp("'hello'")), '--name', 'app');
  await cluster.node('a').json('app', 'app', 'scale', '3');
  await cluster.runsOn('app', NAMES);

  const rowOf = async (seer: string): Promise<AddressRow> => {
    const [row] = await cluster.node(seer).json<readonly AddressRow[]>('address', 'list');
    assert.ok(row !== undefined);
    return row;
  };
  const numberOf = (name: string): number => NAMES.findIndex((one) => one === name) + 1;
  const other = (name: string): string => (name === 'a' ? 'b' : 'a');
  const isServed = async (at: string = address): Promise<boolean> => {
    const host = `app.localhost:${PORT}`;
    return (
      (await ask({ address: at, port: PORT, host, path: '/', timeoutMs: 1000 })).body === 'hello'
    );
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
    await until('a client to be served again', () => isServed());
    return next;
  };

  await using witness = new Witness(net, address);
  let holder = 'a';
  assert.equal(await isServed(), true);
  assert.equal((await rowOf('b')).holder?.node, holder, 'it has moved to etcd');

  await step(t, 'bad wishes are refused in one sentence', async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['192.0.2.50'], /Node "a" cannot hold 192\.0\.2\.50: none of its network interfaces/],
      [[net.addressOf(51), '--nodes', 'a,x'], /No node "x"/],
      [[address], /is a virtual address already/],
      [[net.addressOf(1)], /is the own address of a node, on its interface "eth0"/],
      [[net.addressOf(4)], /is in use: a machine with the hardware address [0-9a-f:]{17} answers/],
    ];
    for (const [words, sentence] of refusals) {
      const { code, stderr } = await cluster.node('b').cli('address', 'add', ...words);
      assert.equal(code, 1, words.join(' '));
      assert.match(stderr, sentence);
    }
  });

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

  await step(t, 'its machine is cut off', async () => {
    const before = holder;
    net.cut(numberOf(before));
    holder = await taken(before);
    assert.equal(net.has(numberOf(before), address), false);
    net.heal(numberOf(before));
    await cluster.sees(holder, READY);
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

  await step(t, 'its node stops', async () => {
    const before = holder;
    assert.equal(await cluster.node(before).stop(), 0);
    holder = await taken(before);
    assert.equal((await rowOf(holder)).holder?.why, `${before} stopped`);
  });

  await step(t, 'IPv6', async () => {
    const ipv6 = net.ipv6Of(50);
    await cluster.node(holder).json('address', 'add', ipv6);
    await until('a client to be served', () => isServed(ipv6));
    await cluster.node(holder).json('address', 'remove', ipv6);
    await assert.rejects(isServed(ipv6));
  });

  await step(t, 'it is removed', async () => {
    await cluster.node(holder).json('address', 'remove', address);
    assert.deepEqual(
      NAMES.filter((_, at) => net.has(at + 1, address)),
      [],
    );
    assert.deepEqual(await cluster.node(holder).json('address', 'list'), []);
  });
  assert.ok(witness.seen.size > 1, 'it has moved');
  assert.deepEqual(witness.together, []);
});
