/**
 * Three nodes in processes of their own on three real etcd members. Clients count a register up and read it while the primary is
 * killed, stopped and woken, handed over, and while etcd's own leader is killed. A history like that is linearizable when no two
 * increments got the same number, and whoever began after another one had ended saw a greater one.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isMolnError } from '../src/base/errors.ts';
import { randomId } from '../src/base/ids.ts';
import { DatabaseNode, NoAnswer } from '../testing/database-nodes.ts';
import { startEtcd } from '../testing/etcd-kit.ts';
import { until } from '../testing/until.ts';

interface Operation {
  readonly kind: 'add' | 'read';
  readonly began: number;
  readonly ended: number;
  readonly value: number;
}

const COUNT = 'UPDATE counter SET n = n + 1 WHERE id = 1 RETURNING n';
const PATIENCE_MS = 1500;

class Clients {
  readonly history: Operation[] = [];
  unknown = 0;
  readonly #stop = new AbortController();
  readonly #nodes: readonly DatabaseNode[];
  #running: Promise<unknown> = Promise.resolve();

  constructor(nodes: readonly DatabaseNode[]) {
    this.#nodes = nodes;
  }

  begin(count: number): void {
    this.#running = Promise.all(Array.from({ length: count }, (_, n) => this.#client(n)));
  }

  /** Nothing more is asked, also after a failure. */
  stop(): void {
    this.#stop.abort();
  }

  async end(): Promise<void> {
    this.stop();
    await this.#running;
  }

  /** Waits until so many more increments were acknowledged. */
  async more(count: number): Promise<void> {
    const from = this.history.length;
    await until(`${count} more operations`, () => this.history.length >= from + count, {
      withinMs: 30_000,
    });
  }

  async #client(n: number): Promise<void> {
    for (let turn = n; !this.#stop.signal.aborted; turn++) {
      const node = this.#nodes[turn % this.#nodes.length];
      const kind = turn % 3 === 0 ? 'read' : 'add';
      const began = performance.now();
      try {
        const rows = await this.#ask(node, kind);
        const value = Number(rows[0]?.[0]);
        this.history.push({ kind, began, ended: performance.now(), value });
      } catch (error) {
        if (error instanceof NoAnswer || isMolnError(error, 'DATABASE_OUTCOME_UNKNOWN')) {
          if (kind === 'add') this.unknown++;
        } else if (!isMolnError(error) || !error.retryable) throw error;
        await pause(5);
      }
    }
  }

  async #ask(
    node: DatabaseNode | undefined,
    kind: 'add' | 'read',
  ): Promise<readonly (readonly unknown[])[]> {
    assert.ok(node !== undefined);
    if (kind === 'read') {
      return await node.query(
        'SELECT n FROM counter WHERE id = 1',
        { kind: 'strong' },
        PATIENCE_MS,
      );
    }
    const [result] = await node.execute([{ sql: COUNT }], PATIENCE_MS);
    return result?.rows ?? [];
  }
}

/** Sorted by value, nothing may have ended before something with a smaller value began. */
function checkHistory(history: readonly Operation[]): void {
  const added = history.filter(({ kind }) => kind === 'add').map(({ value }) => value);
  assert.equal(new Set(added).size, added.length, 'two increments got the same number');
  const byEnd = history.toSorted((a, b) => a.ended - b.ended);
  let at = 0;
  let least = 0;
  for (const operation of history.toSorted((a, b) => a.began - b.began)) {
    for (
      let before = byEnd[at];
      before !== undefined && before.ended < operation.began;
      before = byEnd[++at]
    ) {
      least = Math.max(least, before.value);
    }
    const wanted = operation.kind === 'add' ? least + 1 : least;
    assert.ok(
      operation.value >= wanted,
      `${operation.kind} gave ${operation.value} after ${least} had been seen`,
    );
  }
}

test("a register stays linearizable while primaries and etcd's leader fail", async (context) => {
  await using etcd = await startEtcd(3);
  const folder = await mkdtemp(join(tmpdir(), 'moln-failover-'));
  context.after(() => rm(folder, { recursive: true }));
  const options = { folder, prefix: `/${randomId()}/`, endpoints: etcd.endpoints };
  const nodes = ['n1', 'n2', 'n3'].map((name) => new DatabaseNode(name, options));
  context.after(() => Promise.all(nodes.map((node) => node.kill())));
  await Promise.all(nodes.map((node) => node.start()));
  const leader = (among = nodes): Promise<DatabaseNode> =>
    until('a primary', async () => {
      for (const node of among) {
        if (node.isRunning && (await node.status()).role === 'primary') return node;
      }
      return undefined;
    });
  const first = await leader();
  await first.execute([
    { sql: 'CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)' },
    { sql: 'INSERT INTO counter VALUES (1, 0)' },
  ]);
  const clients = new Clients(nodes);
  context.after(() => clients.stop());
  clients.begin(9);
  await clients.more(50);
  const others = (node: DatabaseNode): DatabaseNode[] => nodes.filter((one) => one !== node);

  context.diagnostic('the primary is killed');
  await first.kill();
  await leader(others(first));
  await clients.more(50);
  await first.start();

  context.diagnostic('the primary is stopped, and wakes when another one leads');
  const second = await leader();
  second.signal('SIGSTOP');
  await leader(others(second));
  await clients.more(50);
  second.signal('SIGCONT');
  await until(
    'it knows that it does not lead',
    async () => (await second.status()).role === 'mirror',
  );
  await clients.more(50);

  context.diagnostic("etcd's leader is killed");
  const member = await etcd.leader();
  await etcd.kill(member);
  await clients.more(50);
  await member.start();

  context.diagnostic('the primary is handed over');
  const third = await leader();
  await third.ask({ kind: 'release' });
  await clients.more(50);

  await clients.end();
  checkHistory(clients.history);
  const last = Number(
    (await (await leader()).query('SELECT n FROM counter', { kind: 'strong' }))[0]?.[0],
  );
  const added = clients.history.filter(({ kind }) => kind === 'add').length;
  assert.ok(
    last >= added && last <= added + clients.unknown,
    `${last} of ${added} to ${added + clients.unknown}`,
  );
  const digests = await Promise.all(nodes.map((node) => node.ask({ kind: 'digest' })));
  assert.deepEqual(digests[1], digests[0]);
  assert.deepEqual(digests[2], digests[0]);
  for (const node of nodes) assert.equal((await node.status()).quarantined, undefined);
  context.diagnostic(
    `${added} increments, ${clients.history.length - added} reads, ${clients.unknown} of unknown outcome`,
  );
});
