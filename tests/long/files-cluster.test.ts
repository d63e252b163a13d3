/** Files over nodes: two copies on two machines, one machine is killed while files are written, its copies are made elsewhere. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask } from '../../testing/http.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 120_000;

interface Why {
  readonly copies: number;
  readonly isSatisfied: boolean;
  readonly survives: number;
  readonly blocks: readonly { readonly copies: readonly { readonly place: string }[] }[];
}

interface Storage {
  readonly nodeName: string;
  readonly state: string;
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('files keep two copies when machines come and go', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  const a = cluster.node('a');
  const put = async (node: TestNode, key: string, bytes: Buffer): Promise<void> => {
    const path = join(folder, 'in');
    writeFileSync(path, bytes);
    await node.json('files', 'put', path, `data/${key}`);
  };
  const read = async (node: TestNode, key: string): Promise<string> => {
    const path = join(folder, 'out');
    await node.json('files', 'get', `data/${key}`, path);
    return hashOf(readFileSync(path));
  };
  const large = Buffer.alloc(20 * 1024 * 1024 + 11, 'over machines');

  await step(t, 'each node has a storage, and a file has copies on two of them', async () => {
    await a.json('files', 'create', 'data');
    await until(
      'all three storages',
      async () => {
        const storages = await a.json<readonly Storage[]>('storage', 'list');
        return storages.filter(({ state }) => state === 'good').length === 3;
      },
      { withinMs: WITHIN_MS },
    );
    await put(a, 'large', large);
    const why = await a.json<Why>('files', 'why', 'data/large');
    assert.deepEqual([why.isSatisfied, why.copies, why.survives], [true, 2, 1]);
    for (const node of cluster.nodes) assert.equal(await read(node, 'large'), hashOf(large));
  });

  await step(t, 'a bucket is a website on every node', async () => {
    await put(a, 'index.html', Buffer.from('<h1>Hello'));
    await a.json('files', 'website', 'data', '--domain', 'www.example.org');
    for (const { address, ports } of cluster.nodes) {
      const question = { address, port: ports.http, host: 'www.example.org', path: '/' };
      const { status, body } = await ask(question);
      assert.deepEqual([status, body], [200, '<h1>Hello']);
    }
  });

  await step(t, 'its file process says nothing: another node shows the website', async () => {
    const b = cluster.node('b');
    await put(a, 'silent.html', Buffer.from('<h1>Silent'));
    const [stopped] = b.processes().filter(({ command }) => /files-main/.test(command));
    assert.ok(stopped !== undefined);
    const { address, ports } = b;
    const shown = async (path: string): Promise<readonly [number, string]> => {
      const { status, body } = await ask({
        address,
        port: ports.http,
        host: 'www.example.org',
        path,
      });
      return [status, body];
    };
    process.kill(stopped.pid, 'SIGSTOP');
    // Once by who waits there already, once by who comes after.
    for (const path of ['/silent.html', '/silent.html?again'])
      assert.deepEqual(await shown(path), [200, '<h1>Silent']);
    assert.ok(b.processes().some(({ pid }) => pid === stopped.pid));
    await until(
      'it is killed by its agent',
      () => !b.processes().some(({ pid }) => pid === stopped.pid),
      { withinMs: WITHIN_MS },
    );
    assert.equal(await read(b, 'silent.html'), hashOf(Buffer.from('<h1>Silent')));
    assert.deepEqual(await shown('/silent.html'), [200, '<h1>Silent']);
  });

  await step(t, 'its file process is away: another node shows the website', async () => {
    const b = cluster.node('b');
    await put(a, 'away.html', Buffer.from('<h1>Away'));
    await b.crash();
    const fileProcess = () => b.processes().filter(({ command }) => /files-main/.test(command));
    assert.equal(fileProcess().length, 1);
    for (const { pid } of fileProcess()) process.kill(pid, 'SIGKILL');
    await until('it is gone', () => fileProcess().length === 0);
    const { address, ports } = b;
    const question = { address, port: ports.http, host: 'www.example.org', path: '/away.html' };
    const { status, body } = await ask(question);
    assert.deepEqual([status, body], [200, '<h1>Away']);
    await b.restart();
  });

  await step(
    t,
    'a machine is killed: everything is read and written, and copied anew',
    async () => {
      const why = await a.json<Why>('files', 'why', 'data/large');
      const names = why.blocks.flatMap(({ copies }) =>
        copies.map(({ place }) => place.split('/')[0]),
      );
      const victim = ['b', 'c'].find((name) => names.includes(name)) ?? 'c';
      const [survivor = ''] = ['b', 'c'].filter((name) => name !== victim);
      await cluster.node(victim).kill();
      assert.equal(await read(a, 'large'), hashOf(large));
      const small = Buffer.alloc(300_000, 'small');
      await until(
        'a file can be written',
        async () => {
          const path = join(folder, 'in');
          writeFileSync(path, small);
          return (await cluster.node(survivor).cli('files', 'put', path, 'data/after')).code === 0;
        },
        { withinMs: WITHIN_MS },
      );
      await a.json('node', victim, 'forget', '--yes');
      for (const key of ['large', 'after'])
        await until(
          `${key} has two copies again`,
          async () => {
            const now = await a.json<Why>('files', 'why', `data/${key}`);
            const places = now.blocks.flatMap(({ copies }) => copies.map(({ place }) => place));
            if (!now.isSatisfied || places.some((place) => place.startsWith(`${victim}/`)))
              throw new Error(JSON.stringify(now));
            return true;
          },
          { withinMs: WITHIN_MS },
        );
      assert.equal(await read(cluster.node(survivor), 'large'), hashOf(large));
      assert.equal(await read(cluster.node(survivor), 'after'), hashOf(small));
    },
  );
});
