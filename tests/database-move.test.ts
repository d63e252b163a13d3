/**
 * A planned move between two processes on a real etcd, and one of the two is killed at a step of it: afterwards one of them leads, and
 * everything that was acknowledged is there once.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { randomId } from '../src/base/ids.ts';
import { DatabaseNode } from '../testing/database-nodes.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { until } from '../testing/until.ts';

const etcd = await startEtcd(1);

async function twoNodes(t: TestContext): Promise<readonly [DatabaseNode, DatabaseNode]> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-move-'));
  t.after(() => rm(folder, { recursive: true }));
  const options = { folder, prefix: `/${randomId()}/`, endpoints: etcd.endpoints };
  const one = new DatabaseNode('n1', options);
  const other = new DatabaseNode('n2', options);
  t.after(() => Promise.all([one.kill(), other.kill()]));
  return [one, other];
}

async function leads(node: DatabaseNode): Promise<true> {
  return await until(`${node.name} to lead`, async () =>
    (await node.status()).role === 'primary' ? true : undefined,
  );
}

/** Writes 0, 1, 2 … to whoever leads. */
class Writer {
  readonly acknowledged: number[] = [];
  readonly #nodes: readonly DatabaseNode[];
  #isOver = false;
  #loop: Promise<void>;

  constructor(nodes: readonly DatabaseNode[]) {
    this.#nodes = nodes;
    this.#loop = this.#run();
  }

  async more(): Promise<void> {
    const from = this.acknowledged.length;
    await until('more writes', () => this.acknowledged.length > from + 5);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const node = this.#nodes[n % this.#nodes.length];
      try {
        await node?.execute([{ sql: 'INSERT INTO t (n) VALUES (?)', args: [BigInt(n)] }], 1500);
        this.acknowledged.push(n);
      } catch {
        // It does not lead, or is not there: the next one is asked, with the next number.
        await pause(5);
      }
    }
  }
}

for (const [point, who] of [
  ['', ''],
  ['release:drained', 'old'],
  ['release:succeeded', 'old'],
  ['promotion:claimed', 'new'],
  ['promotion:after-barrier', 'new'],
] as const) {
  test(`a move ${point === '' ? 'is completed' : `whose ${who} primary is killed at ${point}`}`, async (t) => {
    const [one, other] = await twoNodes(t);
    await one.start(who === 'old' ? point : '');
    await leads(one);
    await one.execute([{ sql: 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE)' }]);
    await other.start(who === 'new' ? point : '');
    one.succession = (replaces) => other.ask({ kind: 'lead', replaces });
    const writer = new Writer([one, other]);
    await writer.more();
    const moved = await Promise.allSettled([one.ask({ kind: 'move' }, 3000)]);
    assert.equal(moved[0].status, who === 'old' ? 'rejected' : 'fulfilled');
    const killed = { old: one, new: other, '': undefined }[who];
    await until('the end of the one that is killed', () => killed?.isRunning !== true);
    await killed?.start();
    if (point === '') await leads(other);
    await writer.more();
    await writer.end();
    const roles = (await Promise.all([one.status(), other.status()])).map(({ role }) => role);
    assert.deepEqual(roles.toSorted(), ['mirror', 'primary']);
    const rows = await one.query('SELECT n FROM t', { kind: 'strong' });
    const there = new Set(rows.map(([n]) => Number(n)));
    assert.deepEqual(
      writer.acknowledged.filter((n) => !there.has(n)),
      [],
      'acknowledged and lost',
    );
    const [a, b] = [await one.ask({ kind: 'digest' }), await other.ask({ kind: 'digest' })];
    assert.deepEqual(a, b);
  });
}

test.after(() => etcd[Symbol.asyncDispose]());
