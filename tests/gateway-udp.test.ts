/** UDP through balancers of the data plane, over real sockets. */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { describe, test } from 'node:test';
import type { BalancerConfig, BalancerUpstreamConfig } from '../src/gateway/balancer-config.ts';
import { balancer, rebalance, startBalancer, upstreamAt } from './gateway-balancer-kit.ts';
import { type Gateway, until } from './gateway-kit.ts';

/** One side of datagrams. */
class Peer implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly socket: Socket = createSocket('udp4');

  static async start(answer?: (text: string, from: RemoteInfo, peer: Peer) => void): Promise<Peer> {
    const peer = new Peer();
    peer.socket.on('message', (bytes, from) => {
      peer.seen.push(String(bytes));
      answer?.(String(bytes), from, peer);
    });
    await new Promise<void>((resolve) => peer.socket.bind(0, '127.0.0.1', resolve));
    return peer;
  }

  get config(): BalancerUpstreamConfig {
    return upstreamAt(this.socket.address().port);
  }

  say(gateway: Gateway, text: string): void {
    this.socket.send(text, gateway.plane.port('balancer') ?? 0, '127.0.0.1');
  }

  /** Says it until it is answered: datagrams may be lost. */
  async ask(gateway: Gateway, text: string): Promise<string> {
    const before = this.seen.length;
    await until(`an answer to ${text}`, async () => {
      this.say(gateway, text);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return this.seen.length > before;
    });
    return this.seen.at(-1) ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }
}

/** Answers with its name and what it was asked. */
function named(name: string): Promise<Peer> {
  return Peer.start((text, from, peer) =>
    peer.socket.send(`${name} ${text}`, from.port, from.address),
  );
}

function udp(upstreams: readonly Peer[], own: Partial<BalancerConfig> = {}): BalancerConfig {
  return balancer(
    upstreams.map(({ config }) => config),
    { protocol: 'udp', ...own },
  );
}

describe('datagrams through a UDP balancer', () => {
  test('answers go back to who asked, and a session keeps its upstream', async () => {
    await using a = await named('a');
    await using b = await named('b');
    await using gateway = await startBalancer(udp([a, b]));
    await using one = await Peer.start();
    await using other = await Peer.start();
    assert.equal(await one.ask(gateway, '1'), 'a 1');
    assert.equal(await other.ask(gateway, '2'), 'b 2');
    assert.equal(await one.ask(gateway, '3'), 'a 3');
    assert.ok(one.seen.every((text) => text.startsWith('a ')));
    const totals = gateway.plane.balancers.totals().balancer;
    assert.equal(totals?.connections, 2);
    assert.equal(totals.accepted, 2);
    assert.ok(totals.bytesIn >= 3 && totals.bytesOut >= 9);
  });

  test('a datagram of the largest size goes through whole, an empty one too', async () => {
    await using echo = await Peer.start((text, from, peer) =>
      peer.socket.send(text, from.port, from.address),
    );
    await using gateway = await startBalancer(udp([echo]));
    await using client = await Peer.start();
    const large = 'x'.repeat(65_507);
    assert.equal(await client.ask(gateway, large), large);
    assert.equal(await client.ask(gateway, ''), '');
    assert.ok(echo.seen.includes(''));
  });

  test('a session ends when it is quiet, with a line in the log', async () => {
    await using a = await named('a');
    const timeouts = { connectMs: 1000, idleMs: 60 };
    await using gateway = await startBalancer(udp([a], { timeouts }));
    await using client = await Peer.start();
    await client.ask(gateway, 'x');
    await until('the end', () => gateway.plane.balancers.totals().balancer?.connections === 0);
    const [entry] = gateway.entries;
    assert.equal(entry?.protocol, 'udp');
    assert.equal(entry.client, '127.0.0.1');
    assert.equal(entry.upstream, a.config.id);
    assert.ok(entry.bytesIn >= 1 && entry.bytesOut >= 3);
    assert.equal(entry.error, undefined);
    assert.equal(await client.ask(gateway, 'y'), 'a y');
  });

  test('sessions beyond the limit find no room', async () => {
    await using a = await named('a');
    await using gateway = await startBalancer(udp([a], { connectionsMax: 1 }));
    await using one = await Peer.start();
    await using other = await Peer.start();
    await one.ask(gateway, '1');
    other.say(gateway, '2');
    await until('a refusal', () => gateway.plane.balancers.totals().balancer?.failed === 1);
    assert.equal(await one.ask(gateway, '3'), 'a 3');
    assert.deepEqual(other.seen, []);
  });

  test('when nobody is at an upstream, the next session goes to another one', async () => {
    const gone = await named('gone');
    const { config } = gone;
    await gone[Symbol.asyncDispose]();
    await using a = await named('a');
    const both = { ...udp([a]), upstreams: [config, a.config] };
    await using gateway = await startBalancer(both);
    await using client = await Peer.start();
    assert.equal(await client.ask(gateway, 'x'), 'a x');
    const failed = gateway.entries.filter(({ upstream }) => upstream === config.id);
    assert.match(failed[0]?.error ?? '', /ECONNREFUSED/);
  });

  test('a change cuts no session, and a port that goes leaves when it is quiet', async () => {
    await using a = await named('a');
    await using b = await named('b');
    await using gateway = await startBalancer(udp([a]));
    await using client = await Peer.start();
    await using other = await Peer.start();
    assert.equal(await client.ask(gateway, '1'), 'a 1');
    await rebalance(gateway, udp([b]));
    assert.equal(await client.ask(gateway, '2'), 'a 2');
    assert.equal(await other.ask(gateway, '3'), 'b 3');
    await gateway.plane.drain(10_000);
    assert.equal(gateway.plane.balancers.isBusy, false);
  });
});
