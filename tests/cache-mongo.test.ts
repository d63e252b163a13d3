/** The tier with the official driver, against a server that speaks the wire protocol (`testing/mongo-server.ts`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { MongoServer } from '../testing/mongo-server.ts';
import { bodyOf, contents, storedOf, testTier } from '../testing/tier-conformance.ts';
import { until } from '../testing/until.ts';
import { isMolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { MongoTier } from '../src/cache/mongo-tier.ts';
import { Purges } from '../src/cache/purges.ts';

import { Gateway, proxyRoute, socketUpstream, startApp } from './gateway-kit.ts';
import { get, statusOf } from './gateway-sharing-kit.ts';

const MIB = 1024 * 1024;

testTier('mongodb', async (bytesMax) => {
  const server = await MongoServer.start();
  const troubles: unknown[] = [];
  const tier = await opened(server, bytesMax, troubles);
  return {
    tier,
    [Symbol.asyncDispose]: async () => {
      assert.ok(server.bytes <= bytesMax + MIB, `${server.bytes} bytes in the database`);
      await tier[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      assert.deepEqual(troubles, []);
    },
  };
});

/** On a busy machine the server may be too slow at first. */
async function opened(
  server: MongoServer,
  bytesMax: number,
  troubles: unknown[],
): Promise<MongoTier> {
  const { url } = server;
  const options = { url, database: 'moln', name: 'one', bytesMax, clock: systemClock };
  const tier = await MongoTier.open({ ...options, onTrouble: (error) => troubles.push(error) });
  if (troubles.length === 0) return tier;
  await tier[Symbol.asyncDispose]();
  server.collections.clear();
  troubles.splice(0);
  return await opened(server, bytesMax, troubles);
}

interface Place {
  readonly server: MongoServer;
  readonly clock: ManualClock;
  readonly troubles: unknown[];
  open(name?: string): Promise<MongoTier>;
}

async function place(): Promise<Place & AsyncDisposable> {
  const server = await MongoServer.start();
  const clock = new ManualClock();
  const troubles: unknown[] = [];
  const opened: MongoTier[] = [];
  return {
    server,
    clock,
    troubles,
    open: async (name = 'one') => {
      const { url } = server;
      const onTrouble = (error: unknown): unknown => troubles.push(error);
      const options = { url, database: 'moln', name, bytesMax: 8 * MIB, clock, onTrouble };
      const tier = await MongoTier.open(options);
      opened.push(tier);
      return tier;
    },
    [Symbol.asyncDispose]: async () => {
      for (const tier of opened) await tier[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

test('what a tier wrote that ended in good order is there for the next, with its purges', async () => {
  await using on = await place();
  const first = await on.open();
  await first.set('a', [storedOf('a', bodyOf('kept', 100_000), { stamp: 7 })]);
  await first.set('b', [storedOf('b', bodyOf('gone', 100))]);
  await first.set('b', []);
  const purges = new Purges();
  purges.add({ kind: 'tag', value: 't', soft: false, stamp: 9 });
  await first.writePurges(purges);
  await first[Symbol.asyncDispose]();
  const next = await on.open();
  const [kept] = await contents(next, 'a');
  assert.equal(kept?.[2], bodyOf('kept', 100_000).toString('latin1'));
  assert.equal(next.lastStamp, 7);
  assert.equal(next.mayHold('b'), false);
  assert.deepEqual((await next.readPurges()).list(), purges.list());
  assert.deepEqual(on.troubles, []);
});

test('after a crash the next one begins empty, once the other is known to be gone', async () => {
  await using on = await place();
  const crashed = await on.open();
  await crashed.set('a', [storedOf('a', bodyOf('old', 100))]);
  const next = await on.open();
  assert.ok(isMolnError(on.troubles.at(-1), 'CACHE_NAME_TAKEN'));
  assert.equal(next.set('x', [storedOf('x', bodyOf('x', 10))]), undefined);
  // The one that crashed says nothing more: its clock is the same here, so it is given up by hand.
  const claims = on.server.collections.get('moln-cache-claims');
  const other = await on.open('two');
  await other.set('z', [storedOf('z', bodyOf('other', 10))]);
  claims?.delete('one');
  on.clock.advance(5000);
  await until('the next one to begin', async () => {
    on.clock.advance(5000);
    await next.set('b', [storedOf('b', bodyOf('new', 100))]);
    return (await contents(next, 'b')).length === 1;
  });
  assert.deepEqual(await contents(next, 'a'), []);
  assert.equal((await contents(other, 'z')).length, 1);
});

test('a database that is away costs misses, and nothing that was removed comes back', async () => {
  await using on = await place();
  const tier = await on.open();
  await tier.set('a', [storedOf('a', bodyOf('old', 100))]);
  await tier.set('b', [storedOf('b', bodyOf('b', 100))]);
  const { port } = on.server;
  await on.server.goAway();
  await tier.set('a', []);
  assert.equal(tier.mayHold('a'), false);
  assert.deepEqual(await contents(tier, 'b'), []);
  assert.ok(tier.stats.failures > 0);
  await on.server.listen(port);
  await until('it to take answers again', async () => {
    await tier.set('c', [storedOf('c', bodyOf('c', 100))]);
    return (await contents(tier, 'c')).length === 1;
  });
  assert.deepEqual(await contents(tier, 'a'), []);
  // The removal was made up for, so the next one may believe what is there.
  await tier[Symbol.asyncDispose]();
  const next = await on.open();
  assert.deepEqual(await contents(next, 'a'), []);
  assert.equal((await contents(next, 'c')).length, 1);
});

test('a database that refuses to remove is not believed by the next one', async () => {
  await using on = await place();
  const tier = await on.open();
  await tier.set('a', [storedOf('a', bodyOf('old', 100))]);
  on.server.refusesWrites = true;
  await tier.set('a', []);
  await tier[Symbol.asyncDispose]();
  on.server.refusesWrites = false;
  on.server.collections.get('moln-cache-claims')?.delete('one');
  const next = await on.open();
  assert.deepEqual(await contents(next, 'a'), []);
  assert.equal(next.stats.keys, 0);
});

test('damaged bytes are a miss', async () => {
  await using on = await place();
  const tier = await on.open();
  await tier.set('a', [storedOf('a', bodyOf('a', 100))]);
  const blocks = on.server.collections.get('moln-cache-blocks');
  for (const bytes of blocks?.values() ?? []) bytes[bytes.length - 3] = 0;
  assert.deepEqual(await contents(tier, 'a'), []);
  await tier.set('b', [storedOf('b', bodyOf('b', 100))]);
  on.server.collections.get('moln-cache-records')?.clear();
  assert.deepEqual(await contents(tier, 'b'), []);
  assert.equal(tier.mayHold('b'), false);
});

test('with nobody there the gateway begins all the same', async () => {
  await using on = await place();
  await on.server.goAway();
  const tier = await MongoTier.open({
    url: 'mongodb://127.0.0.1:1/?directConnection=true',
    database: 'moln',
    name: 'one',
    bytesMax: MIB,
    clock: on.clock,
  });
  assert.equal(tier.mayHold('a'), false);
  assert.equal(tier.stats.failures, 1);
  await tier[Symbol.asyncDispose]();
});

test('a gateway that is stopped and started answers from the database', async () => {
  await using server = await MongoServer.start();
  let asked = 0;
  const start = async (): Promise<Gateway> => {
    const gateway = await Gateway.start([]);
    const mongodb = { url: server.url, database: 'moln', bytes: 64 * MIB, name: 'edge' };
    gateway.cache = { memoryBytes: 8 * MIB, mongodb };
    const path = await startApp(gateway, (_request, response) => {
      asked++;
      response.setHeader('Cache-Control', 'max-age=600');
      response.end('stored');
    });
    await gateway.route({ ...proxyRoute([socketUpstream(path)]), id: 'site', cache: {} });
    return gateway;
  };
  {
    await using first = await start();
    await until('it to be kept in the database', async () => {
      await get(first, `/${asked}`);
      return first.plane.cacheStats().some(({ name, keys }) => name === 'mongodb' && keys > 0);
    });
  }
  await using next = await start();
  const before = asked;
  const answers = await Promise.all(Array.from({ length: before }, (_, at) => get(next, `/${at}`)));
  assert.ok(
    answers.some((text) => statusOf(text).startsWith('Moln; hit')),
    answers.map(statusOf).join(),
  );
  assert.ok(asked < before + answers.length);
});
