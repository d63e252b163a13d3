/** A stripe that another node leads, and a connection that is lost before its answer: nothing is done twice, and clients are told what is known. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomId } from '../src/base/ids.ts';
import { MolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import type { Expectation, ReadLevel, Statement, Stripe } from '../src/database/database.ts';
import { LedStripe } from '../src/databases/led-stripe.ts';
import { RemoteStripe } from '../src/databases/remote-stripe.ts';
import { run, startDatabase } from '../testing/database-kit.ts';
import { bound, ROOM, rows, startSql } from '../testing/sql-kit.ts';

/** Calls of a peer, on a stripe of this process. `losing`: the answer to this call is lost, and the connection with it. */
class Link {
  losing: string | undefined;
  readonly asked: string[] = [];
  readonly #stripe: Stripe;
  readonly #transactions = new Map<string, Awaited<ReturnType<Stripe['begin']>>>();

  constructor(stripe: Stripe) {
    this.#stripe = stripe;
  }

  async call(_node: string, call: string, ...args: readonly unknown[]): Promise<unknown> {
    this.asked.push(call);
    const value = await this.#run(call, args);
    if (call !== this.losing) return value;
    for (const one of this.#transactions.values()) await one.rollBack();
    this.#transactions.clear();
    throw new MolnError('DATABASES_PEER_LOST', 'Node n1 went away: it hung up');
  }

  async #run(call: string, args: readonly unknown[]): Promise<unknown> {
    const [first, second, statements, expect] = args as [string, never, Statement[], Expectation];
    const transaction = this.#transactions.get(first);
    switch (call) {
      case 'execute':
        return await this.#stripe.execute(statements, expect);
      case 'query':
        return await this.#stripe.query(statements as never, expect as never);
      case 'begin': {
        const begun = await this.#stripe.begin();
        const id = randomId();
        this.#transactions.set(id, begun);
        return { id, schemaVersion: begun.schemaVersion };
      }
      case 'runAll':
        return await transaction?.runAll(second);
      case 'commit':
        return await transaction?.commit();
      case 'rollBack':
        return await transaction?.rollBack();
      default:
        throw new Error(`This test knows no call "${call}"`);
    }
  }
}

test('the answer to what was committed is lost: told as unknown, and there once', async () => {
  await using on = await startSql(1);
  const [stripe] = on.stripes;
  assert.ok(stripe !== undefined);
  const link = new Link(stripe);
  const remote = new RemoteStripe({ links: link, node: 'n1', database: 'd', name: stripe.name });
  await using far = await startSql(0, { stripes: [remote], log: on.on.log });
  const session = await far.open();
  await session.sequence('CREATE TABLE t (id INTEGER PRIMARY KEY, v)');

  const isUnknown = (error: unknown): boolean => /unknown whether/.test(String(error));
  link.losing = 'execute';
  const batch = [1, 2].map((id) => bound(`INSERT INTO t VALUES (${id}, 1)`));
  await assert.rejects(session.transaction(batch, ROOM), isUnknown);
  await assert.rejects(session.sequence('INSERT INTO t VALUES (3, 1)'), isUnknown);
  link.losing = 'commit';
  await session.sequence('BEGIN');
  await session.sequence('INSERT INTO t VALUES (4, 1)');
  await assert.rejects(session.sequence('COMMIT'), isUnknown);
  assert.ok(session.isAutocommit, 'after an end of which nobody knows there is no transaction');
  link.losing = undefined;
  assert.deepEqual(await rows(await on.open(), 'SELECT id FROM t ORDER BY id'), [
    [1n],
    [2n],
    [3n],
    [4n],
  ]);
});

test('a connection is lost inside a transaction: it is over, and the session goes on', async () => {
  await using on = await startSql(1);
  const [stripe] = on.stripes;
  assert.ok(stripe !== undefined);
  const link = new Link(stripe);
  const remote = new RemoteStripe({ links: link, node: 'n1', database: 'd', name: stripe.name });
  await using far = await startSql(0, { stripes: [remote], log: on.on.log });
  const session = await far.open();
  await session.sequence('CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  await session.sequence('BEGIN');
  link.losing = 'runAll';
  await assert.rejects(
    session.sequence('INSERT INTO t VALUES (1, 1)'),
    /did not take the transaction/,
  );
  link.losing = undefined;
  assert.ok(session.isAutocommit);
  await session.sequence('INSERT INTO t VALUES (2, 1)');
  assert.deepEqual(await rows(await on.open(), 'SELECT id FROM t'), [[2n]]);
});

test('a copy here that cannot follow keeps nobody from what the primary has', async () => {
  await using on = await startDatabase();
  let isCut = false;
  const log = new Proxy(on.log, {
    get: (target, name) => {
      if (name === 'read' && isCut) return () => Promise.reject(new Error('cut off'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const primary = await on.copy('n1');
  await primary.lead();
  await run(primary, 'CREATE TABLE t (id INTEGER PRIMARY KEY)');
  const mirror = await on.copy('n2', { log });
  const link = new Link(primary);
  const led = new LedStripe({
    name: 's1',
    database: 'd',
    databaseName: 'shop',
    log,
    links: link,
    own: () => mirror,
    node: 'n2',
    clock: systemClock,
  });
  const count = async (level: ReadLevel): Promise<unknown> =>
    (await led.query({ sql: 'SELECT count(*) FROM t' }, level)).rows[0]?.[0];
  assert.equal(await count({ kind: 'strong' }), 0n);
  assert.deepEqual(link.asked, []);
  isCut = true;
  const { index } = await led.execute([{ sql: 'INSERT INTO t VALUES (1)' }]);
  for (const level of [{ kind: 'strong' }, { kind: 'session', index }] as const)
    assert.equal(await count(level), 1n);
  assert.deepEqual(link.asked, ['execute', 'query', 'query']);
});
