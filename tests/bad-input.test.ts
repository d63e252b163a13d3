/** Mistakes of the person who starts a node: one sentence, what to do, and nothing is changed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { runMoln, type CliResult } from '../testing/moln.ts';
import { TestNode } from '../testing/test-node.ts';

/** A sentence, then a hint, and nothing else. */
function expectSentence(result: CliResult, sentence: RegExp, hint: RegExp): void {
  const lines = result.stderr.trimEnd().split('\n');
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, sentence);
  assert.match(lines.at(-1) ?? '', hint);
  assert.doesNotMatch(result.stderr, /^\s+at /m, 'no stack');
}

test('an unknown option starts nothing', async (t) => {
  const node = await TestNode.create(t);
  const env = { PATH: process.env['PATH'], HOME: node.dataFolder };
  const result = await runMoln([...node.upArguments, '--htp', '1'], { env });
  expectSentence(result, /Unknown option "--htp": did you mean "--http"\?/, /moln up --help/);
  assert.equal(result.code, 2);
  assert.deepEqual(readdirSync(node.dataFolder), []);
});

for (const which of ['http', 'https', 'api'] as const) {
  test(`a taken port says who has it: ${which}`, async (t) => {
    const node = await TestNode.create(t);
    const server = createServer();
    t.after(() => server.close());
    const port = node.ports[which];
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    const env = { PATH: process.env['PATH'], HOME: node.dataFolder };
    const result = await runMoln(node.upArguments, { env });
    expectSentence(result, new RegExp(`Port ${port}\\b.* taken by .*${process.pid}`), /port/i);
    await node.expectNoProcess();
  });
}

test('a second node on the same folder is refused and disturbs nobody', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, nodeApp('"x"')), '--name', 'app');
  const other = await TestNode.create(t);
  const words = other.upArguments.map((word) =>
    word === other.dataFolder ? node.dataFolder : word,
  );
  const env = { PATH: process.env['PATH'], HOME: node.dataFolder };
  const result = await runMoln(words, { env });
  expectSentence(result, /already runs on .*/, /moln status/);
  assert.match(result.stderr, new RegExp(String(node.agentPid)));
  assert.equal((await node.get('app')).body, 'x');
});

test('a data folder of a newer version is refused untouched', async (t) => {
  const node = await TestNode.start(t);
  await node.stop();
  writeFileSync(join(node.dataFolder, 'format.json'), '{"format":99}\n');
  const before = readdirSync(node.dataFolder).sort();
  const env = { PATH: process.env['PATH'], HOME: node.dataFolder };
  const result = await runMoln(node.upArguments, { env });
  expectSentence(result, /format 99, this Moln knows up to/, /newer Moln/);
  assert.deepEqual(readdirSync(node.dataFolder).sort(), before);
  writeFileSync(join(node.dataFolder, 'format.json'), '{"format":1}\n');
  await node.restart();
  await node.stop();
});

test('a start that fails at its last step leaves nothing running', async (t) => {
  const node = await TestNode.start(t);
  await node.json('deploy', appFolder(t, nodeApp('"x"')), '--name', 'app');
  await node.stop();
  const inTheWay = join(node.dataFolder, 'run', 'api.sock');
  writeFileSync(inTheWay, 'not a socket');
  const env = { PATH: process.env['PATH'], HOME: node.dataFolder };
  const result = await runMoln(node.upArguments, { env });
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /api\.sock/);
  await node.expectNoProcess();
  rmSync(inTheWay);
  await node.restart();
  assert.equal((await node.get('app')).body, 'x');
  await node.stop();
});

test('a data folder that is a file is refused', async (t) => {
  const node = await TestNode.create(t);
  const file = join(node.dataFolder, 'file');
  writeFileSync(file, '');
  const words = node.upArguments.map((word) => (word === node.dataFolder ? file : word));
  const result = await runMoln(words, { env: { PATH: process.env['PATH'], HOME: '/' } });
  expectSentence(result, /is not a folder/, /--data DIR/);
});

/** A file system of this size; undefined when we may not mount one. */
function smallDisk(size: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'moln-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'tmpfs', folder], {
      stdio: 'pipe',
    });
  } catch {
    // Root without the right to mount, as in many containers.
    rmSync(folder, { recursive: true });
    return undefined;
  }
  return folder;
}

test('a full disk fails the deploy with a sentence, and what runs goes on', async (t) => {
  const disk = smallDisk('24m');
  if (disk === undefined) {
    t.diagnostic('No right to mount a small file system here: not shown');
    return;
  }
  const node = await TestNode.create(t, { dataFolder: disk });
  // Registered after the node's own, so that its logs can still be read.
  t.after(() => {
    execFileSync('umount', ['-l', disk]);
    rmSync(disk, { recursive: true });
  });
  await using _running = node;
  await node.restart();
  await node.json('deploy', appFolder(t, { 'index.html': 'small' }), '--name', 'app');
  const big = appFolder(t, { 'index.html': 'big', 'big.bin': 'x'.repeat(40_000_000) });
  const result = await node.cli('deploy', big, '--name', 'app');
  expectSentence(result, /disk of .*(?:is full|are needed)/i, /Free some space/);
  assert.equal((await node.get('app')).body, 'small');
  const small = appFolder(t, { 'index.html': 'small again' });
  await node.json('deploy', small, '--name', 'app');
  assert.equal((await node.get('app')).body, 'small again', 'what the big one had written is gone');
});

test('a second Ctrl-C says what is waited for, and a third one forces', async (t) => {
  await using node = await TestNode.start(t);
  const stubborn = `${nodeApp('"x"')['server.js']}process.removeAllListeners('SIGTERM'); process.on('SIGTERM', () => {});`;
  const folder = appFolder(t, {
    'server.js': stubborn,
    'moln.json': JSON.stringify({ health: { stopTimeout: '60s' } }),
  });
  await node.json('deploy', folder, '--name', 'stubborn');
  await node.interrupt();
  await node.says(/Ctrl-C: stopping the node and \d+ process/);
  await node.interrupt();
  await node.says(/Still waiting for .*instance stubborn-web-.*Press Ctrl-C again to force/);
  await node.interrupt();
  await node.says(/Stopped by force/);
  await node.ended();
  await node.expectNoProcess();
});
