/** Folders of buckets that an app asks for in its settings: what one instance writes another reads, on whatever node. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import type { AppDetail } from '../../src/api/model.ts';
import { runQuietly } from '../../scripts/run.ts';
import { AppFolders } from '../../src/apps/app-folders.ts';
import { davLack, davMounts, davProcess, dropDav } from '../../src/base/davfs.ts';
import { systemClock } from '../../src/base/time.ts';
import { appFolder } from '../../testing/app-folder.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const skip = process.geteuid?.() === 0 ? (davLack()?.message ?? false) : 'mounting needs root';
const APP = 'album';
const WITHIN_MS = 60_000;

/** Answers with who it is and what a file of its folder holds; PUT writes it. */
const SERVER = `
const { createServer } = require('node:http');
const { readFileSync, writeFileSync } = require('node:fs');
const { MOLN_FOLDER_UPLOADS: folder, MOLN_INSTANCE: instance } = process.env;
const server = createServer((request, response) => {
  const path = folder + request.url;
  let text = '';
  if (request.method === 'PUT') {
    request.on('data', (more) => (text += more)).on('end', () => {
      writeFileSync(path, text);
      response.end(JSON.stringify({ instance, folder }));
    });
    return;
  }
  try { text = request.url === '/' ? '' : readFileSync(path, 'utf8'); } catch (error) { text = error.code; }
  response.end(JSON.stringify({ instance, folder, text }));
});
server.listen(process.env.LISTEN_SOCKET);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

interface Told {
  readonly instance: string;
  readonly folder: string;
  readonly text?: string;
}

function album(folders: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({ name: 'album', main: 'server.js' }),
    'server.js': SERVER,
    'moln.json': JSON.stringify({ folders, scale: { web: 3 }, restart: 'wait' }),
  };
}

async function put(node: TestNode, name: string, body: string): Promise<Told> {
  const answer = await node.get(APP, `/${name}`, { method: 'PUT', body });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body) as Told;
}

/** Resolves when each instance of the app reads that, and says which they are. */
async function allRead(node: TestNode, name: string, text: string): Promise<readonly string[]> {
  const script = `cat $MOLN_FOLDER_UPLOADS/${name}`;
  return await until(
    `all instances read "${text}"`,
    async () => {
      const { instanceList } = await node.json<AppDetail>('app', APP);
      const healthy = instanceList.filter(({ state }) => state === 'healthy').map(({ id }) => id);
      if (healthy.length !== 3) throw new Error(JSON.stringify(instanceList));
      for (const id of healthy) {
        const read = await node.cli('app', APP, 'exec', '--instance', id, '--', 'sh', '-c', script);
        if (read.stdout !== text) throw new Error(`${id}: ${read.stdout}${read.stderr}`);
      }
      return healthy;
    },
    { withinMs: WITHIN_MS },
  );
}

/** A node that is killed leaves what is mounted, as a machine that lost its power does not. */
async function unmountAll(node: TestNode): Promise<void> {
  const { shared } = new AppFolders({ data: node.dataFolder });
  for (const { folder } of davMounts().filter((each) => each.folder.startsWith(`${shared}/`)))
    await dropDav(folder, systemClock);
  if (existsSync(shared)) await runQuietly(['umount', shared], { timeoutMs: 10_000 });
  rmSync(dirname(shared), { recursive: true, force: true });
}

test('an app finds buckets mounted', { skip }, async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b']);
  const [a, b] = [cluster.node('a'), cluster.node('b')];
  t.after(async () => {
    for (const node of [a, b]) await unmountAll(node);
  });
  const mounts = (): readonly string[] =>
    davMounts().flatMap(({ folder }) =>
      folder.endsWith(`/folders/${APP}/+photos`) ? [folder] : [],
    );
  const deploy = (files: Readonly<Record<string, string>>) =>
    a.cli('deploy', appFolder(t, files), '--name', APP);

  await step(t, 'what cannot be mounted is said, and nothing is deployed', async () => {
    assert.match(
      (await deploy(album({ uploads: 'photos' }))).stderr,
      /There is no bucket "photos"/,
    );
    await a.json('files', 'create', 'photos');
    const folder = await deploy(album({ uploads: 'photos/2026' }));
    assert.match(folder.stderr, /There is no folder "2026" in bucket "photos"/);
    const name = await deploy(album({ Up: 'photos' }));
    assert.match(name.stderr, /"Up" in "folders" is not valid/);
    assert.deepEqual(mounts(), []);
  });

  let folder = '';
  await step(t, 'what one instance writes all read, on both nodes, and so does S3', async () => {
    const done = await deploy(album({ uploads: 'photos' }));
    assert.equal(done.code, 0, done.stderr);
    const { instanceList } = await a.json<AppDetail>('app', APP);
    assert.equal(new Set(instanceList.map(({ node }) => node)).size, 2);
    assert.equal(mounts().length, 2, 'one a node, whatever the number of instances');
    folder = (await put(a, 'note', 'one')).folder;
    // Nodes that write one file at one time do not see whose is the last.
    await allRead(a, 'note', 'one');
    await put(b, 'note', 'two, longer');
    await allRead(b, 'note', 'two, longer');
    const stored = await b.cli('files', 'cat', 'photos/note');
    assert.equal(stored.stdout, 'two, longer');
  });

  await step(t, 'nobody else sees it, nor the key', async () => {
    const other = {
      'package.json': JSON.stringify({ name: 'other', main: 'server.js' }),
      'server.js': SERVER,
    };
    await a.json('deploy', appFolder(t, other), '--name', 'other');
    for (const path of mounts()) {
      const seen = await a.cli(
        'app',
        'other',
        'run',
        '--',
        'sh',
        '-c',
        `ls ${path}; cat /proc/mounts`,
      );
      assert.match(seen.stdout + seen.stderr, /No such file|Permission denied/);
      assert.ok(!seen.stdout.includes(path), 'not among its mounts');
    }
    const env = await a.cli(
      'app',
      APP,
      'run',
      '--',
      'sh',
      '-c',
      'env; cat $MOLN_FOLDER_UPLOADS/note',
    );
    assert.match(env.stdout, /two, longer/);
  });

  await step(t, 'a mount that dies is made again, and its instances with it', async () => {
    for (const path of mounts()) {
      const server = davProcess(path);
      assert.ok(server !== undefined);
      process.kill(server.pid, 'SIGKILL');
    }
    await until(
      'both are mounted again',
      () => mounts().filter((one) => davProcess(one)).length === 2,
    );
    await allRead(a, 'note', 'two, longer');
    await put(b, 'again', 'three');
    await allRead(a, 'again', 'three');
  });

  await step(t, 'it outlives the agent, and comes back with the node', async () => {
    const before = mounts().map((path) => davProcess(path)?.pid);
    await b.crash();
    await b.restart();
    await put(b, 'last', 'four');
    assert.deepEqual(
      mounts().map((path) => davProcess(path)?.pid),
      before,
    );
    await b.interrupt();
    await until('it is unmounted there', () => mounts().length === 1, { withinMs: WITHIN_MS });
    await until('b to end', () => !b.isRunning, { withinMs: 2 * WITHIN_MS });
    assert.equal(await b.ended(), 0);
    await b.restart();
    await until('it is mounted there again', () => mounts().length === 2, {
      withinMs: WITHIN_MS,
    });
    await allRead(a, 'last', 'four');
  });

  await step(t, 'it ends with the app, and the files stay', async () => {
    await a.json('app', APP, 'remove', '--yes');
    await until('nothing of it is mounted', () => mounts().length === 0);
    assert.equal((await a.cli('files', 'cat', 'photos/again')).stdout, 'three');
    // It goes once all that was written is sent.
    await until('its place is gone', () => !existsSync(folder), { withinMs: WITHIN_MS });
    assert.ok(!readFileSync('/proc/mounts', 'utf8').includes(folder));
  });
});
