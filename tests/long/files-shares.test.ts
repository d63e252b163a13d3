/**
 * Cold files lie as shares over four machines: the one that makes them is killed meanwhile, any one may be away, a lost one's shares are made
 * anew, and copies come back when the policy wants them. Every byte is compared.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 180_000;
const MIB: number = 1024 * 1024;

interface Why {
  readonly coded: number;
  readonly isSatisfied: boolean;
  readonly survives: number;
  readonly sentence: string;
  readonly blocks: readonly {
    readonly copies: readonly { readonly place: string }[];
    readonly shares: readonly { readonly place: string }[];
  }[];
}

test('cold files lie as shares', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-shares-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c', 'd']);
  const a = cluster.node('a');
  const files = new Map<string, string>();
  const put = async (key: string, bytes: Buffer): Promise<void> => {
    const path = join(folder, 'in');
    writeFileSync(path, bytes);
    await a.json('files', 'put', path, `data/${key}`);
    files.set(key, createHash('sha256').update(bytes).digest('hex'));
  };
  const isAllThere = async (node: TestNode): Promise<void> => {
    for (const [key, hash] of files) {
      const path = join(folder, 'out');
      await node.json('files', 'get', `data/${key}`, path);
      assert.equal(createHash('sha256').update(readFileSync(path)).digest('hex'), hash, key);
    }
  };
  const why = (node: TestNode, key: string): Promise<Why> =>
    node.json<Why>('files', 'why', `data/${key}`);
  const settled = async (node: TestNode, is: (why: Why) => boolean): Promise<void> => {
    for (const key of files.keys())
      await until(
        `${key} is as its policy wants`,
        async () => {
          const now = await why(node, key);
          if (!now.isSatisfied || !is(now)) throw new Error(JSON.stringify(now));
          return true;
        },
        { withinMs: WITHIN_MS },
      );
  };
  const isCoded = ({ coded, blocks }: Why): boolean =>
    coded === blocks.length &&
    blocks.every(({ copies, shares }) => copies.length === 0 && shares.length === 3);

  await step(t, 'files have two copies', async () => {
    await a.json('files', 'create', 'data');
    await until(
      'all four storages',
      async () => {
        const storages = await a.json<readonly { readonly state: string }[]>('storage', 'list');
        return storages.filter(({ state }) => state === 'good').length === 4;
      },
      { withinMs: WITHIN_MS },
    );
    for (const [key, bytes] of [
      ['large', 60 * MIB + 11],
      ['middle', 9 * MIB],
      ['least', 300_000],
    ] as const)
      await put(key, randomBytes(bytes));
  });

  await step(
    t,
    'they become shares, though the node that makes them is killed meanwhile',
    async () => {
      await a.json('files', 'policy', 'data', 'ec 2+1');
      await until(
        'some blocks are shares',
        async () => (await why(cluster.node('b'), 'large')).coded > 0,
        { withinMs: WITHIN_MS },
      );
      await a.kill();
      await isAllThere(cluster.node('b'));
      await a.restart();
      await settled(cluster.node('b'), isCoded);
      await isAllThere(a);
    },
  );

  await step(t, 'a machine is killed and forgotten: its shares are made anew', async () => {
    await cluster.node('d').kill();
    await isAllThere(a);
    await a.json('node', 'd', 'forget', '--yes');
    await settled(
      a,
      (now) =>
        isCoded(now) &&
        now.survives === 1 &&
        now.blocks.every(({ shares }) => shares.every(({ place }) => !place.startsWith('d/'))),
    );
    for (const name of ['a', 'b', 'c']) await isAllThere(cluster.node(name));
  });

  await step(t, 'another policy makes copies of them again', async () => {
    await a.json('files', 'policy', 'data', '2 copies');
    await settled(
      a,
      ({ coded, blocks }) => coded === 0 && blocks.every(({ copies }) => copies.length === 2),
    );
    await isAllThere(cluster.node('c'));
  });
});
