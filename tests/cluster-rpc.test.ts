/** Calls between nodes: streams, back-pressure, ends, and whom one talks to. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { isMolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { RPC_PING_EVERY_MS, RPC_PING_TIMEOUT_MS, RPC_RETIRED_MS } from '../src/net/limits.ts';
import { connectNode, joinCluster, type Member } from '../src/cluster/cluster.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { startTcpProxy } from '../testing/tcp-proxy.ts';
import { until } from '../testing/until.ts';
import { call, founder, machine, nodeOf, refuses } from './cluster-kit.ts';

test('streams carry bytes both ways with back-pressure, and end with their caller', async () => {
  let sent = 0;
  const gone = Promise.withResolvers<void>();
  const streams = {
    flood: (params: unknown, { peer, signal }: { readonly peer: Member; signal: AbortSignal }) => {
      assert.deepEqual(params, { of: 'bytes' });
      assert.equal(peer.name, 'two');
      signal.addEventListener('abort', () => gone.resolve());
      return Promise.resolve(async (stream: Duplex) => {
        const chunk = Buffer.alloc(64 * 1024);
        while (!stream.destroyed) {
          sent += chunk.length;
          if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), gone.promise]);
        }
      });
    },
    echo: () =>
      Promise.resolve(async (stream: Duplex) => {
        for await (const chunk of stream.iterator({ destroyOnReturn: false })) stream.write(chunk);
      }),
  };
  await using one = await founder({ streams });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  await using client = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  const echo = await client.open('echo', {});
  const text = 'x'.repeat(1_000_000);
  echo.end(text);
  let back = '';
  for await (const chunk of echo) back += String(chunk);
  assert.equal(back, text);
  const flood = await client.open('flood', { of: 'bytes' });
  await until('the sender has to wait', async () => {
    const before = sent;
    await call(identity, one, 'hello');
    return sent > 0 && sent === before;
  });
  assert.ok(sent < 4 * 1024 * 1024, `${sent} bytes were taken though nobody reads`);
  flood.destroy();
  await gone.promise;
  await refuses(client.open('nosuch', {}), 'NET_RPC_UNKNOWN_METHOD', /nosuch/);
  await refuses(client.call('nosuch', {}), 'NET_RPC_UNKNOWN_METHOD', /nosuch/);
});

test('a stream has two halves, and holds up nobody but its own sender', async () => {
  const [gone, params] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()];
  const streams = {
    deaf: (_params: unknown, { signal }: { readonly signal: AbortSignal }) => {
      signal.addEventListener('abort', () => gone.resolve());
      return Promise.resolve(() => gone.promise);
    },
    total: (said: unknown) => {
      params.resolve(said);
      return Promise.resolve(async (stream: Duplex) => {
        let bytes = 0;
        const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
        for await (const chunk of chunks) bytes += chunk.length;
        // Its caller has long ended its half.
        stream.end(String(bytes));
      });
    },
  };
  await using one = await founder({ streams });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  await using client = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  const deaf = await client.open('deaf', {});
  let taken = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const fill = (): void => {
    while (deaf.write(chunk)) taken += chunk.length;
  };
  deaf.on('drain', fill);
  fill();
  const words = 'x'.repeat(30_000);
  await until('the caller has to wait', async () => {
    const before = taken;
    const total = await client.open('total', { words });
    total.end(Buffer.alloc(1_000_000));
    assert.equal(String(await total.toArray()), '1000000');
    return taken === before;
  });
  assert.deepEqual(await params.promise, { words });
  assert.ok(taken < 4 * 1024 * 1024, `${taken} bytes were taken though nobody reads`);
  await refuses(client.open('total', { words: words.repeat(2) }), 'NET_RPC_TOO_LARGE', /at most/);
  deaf.destroy();
  await gone.promise;
});

test('a stream whose other node ends breaks, and is not taken for one that was finished', async () => {
  const streams = {
    half: () =>
      Promise.resolve(async (stream: Duplex) => {
        stream.write('half');
        await once(stream, 'close');
      }),
  };
  await using one = await founder({ streams });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  await using client = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  const stream = await client.open('half', {});
  assert.equal(String(await once(stream, 'data')), 'half');
  const rest = stream.toArray();
  await one.server[Symbol.asyncDispose]();
  await assert.rejects(rest);
});

test('a node that accepts and says nothing is not connected to', async () => {
  await using one = await founder();
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  const silent = createServer((socket) => socket.destroy());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const node = { ...nodeOf(one), port };
  await using client = connectNode({ identity, node, clock: systemClock });
  await assert.rejects(client.connect(), (error) => isMolnError(error, 'NET_RPC_UNREACHABLE'));
  await using other = connectNode({
    identity,
    node: { ...nodeOf(one), id: identity.node.id },
    clock: systemClock,
  });
  await refuses(other.connect(), 'CLUSTER_NOT_THIS_NODE', /Another node answers/);
  silent.close();
  await once(silent, 'close');
});

test('what is under way fails when the other machine falls silent, and nothing else does', async () => {
  const streams = {
    wait: () => Promise.resolve((stream: Duplex) => once(stream, 'close').then(() => {})),
  };
  await using one = await founder({ streams });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  await using proxy = await startTcpProxy({ port: one.port });
  const clock = new ManualClock();
  const node = { ...nodeOf(one), port: proxy.port };
  await using client = connectNode({ identity, node, clock });
  const stream = await client.open('wait', {});
  const pinged = proxy.bytesAnswered;
  clock.advance(RPC_PING_EVERY_MS);
  await until('a ping is answered', () => proxy.bytesAnswered > pinged);
  clock.advance(RPC_PING_TIMEOUT_MS - 1);
  assert.equal(stream.destroyed, false, 'it answers, and may take its time');
  proxy.hold('both');
  clock.advance(RPC_PING_EVERY_MS + RPC_PING_TIMEOUT_MS);
  await assert.rejects(once(stream, 'close'), /No answer to a ping/);
  proxy.release();
  assert.deepEqual(await client.call('hello', {}).then(() => 'answered'), 'answered');
});

test('a connection under an authority that was dropped ends, at once when idle and in time when not', async () => {
  const serverClock = new ManualClock(systemClock.now());
  const echo = () =>
    Promise.resolve(async (stream: Duplex) => {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) stream.write(chunk);
    });
  await using one = await founder({ serverClock, streams: { echo } });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const identity = await two.open();
  const from = one.identity.authorityPem;
  const successor = await one.identity.createSuccessor();
  const to = successor.authorityPem;
  const endorsement = { certificatePem: successor.endorsementPem, formerPem: from };
  const keysPem = successor.keyPem;
  await one.identity.setAuthorities([from, to], { keysPem, endorsement });
  await identity.setAuthorities([from, to], { endorsement });

  await using idle = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  await using busy = connectNode({ identity, node: nodeOf(one), clock: systemClock });
  await idle.call('hello', {});
  const stream = await busy.open('echo', {});
  await one.identity.setAuthorities([to, from]);
  await one.identity.renewIfDue();
  await idle.call('hello', {});
  assert.equal(one.server.peers().length, 2, 'nobody is sent away while both are trusted');

  await one.identity.setAuthorities([to]);
  await until('the idle one to end', () => one.server.peers().length === 1);
  stream.write('still here');
  const [said] = (await once(stream, 'data')) as [Buffer];
  assert.equal(said.toString(), 'still here', 'what is under way may end');
  const cut = once(stream, 'close');
  stream.on('error', () => {});
  serverClock.advance(RPC_RETIRED_MS);
  await cut;
  await until('nobody to be left', () => one.server.peers().length === 0);
  await refuses(idle.call('hello', {}), 'CLUSTER_NODE_FORGOTTEN', /removed/);
});
