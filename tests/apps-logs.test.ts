/** The size limit of logs, against processes that write all the time: no line may be lost or doubled. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { AppFolders } from '../src/apps/app-folders.ts';
import { LogReader } from '../src/apps/log-reader.ts';
import { LogStore } from '../src/apps/log-store.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { collect, dataFolder } from '../testing/apps-kit.ts';
import { until } from '../testing/until.ts';

const LIMIT_BYTES = 1024 * 1024;

/** Prints `line <writer> <number>`, one write a line as apps do, until its input ends; then `end <writer> <number>`. */
const WRITER = `
  const fs = require('node:fs');
  const me = process.argv[1];
  let at = 0;
  let ended = false;
  process.stdin.on('data', () => {}).on('end', () => (ended = true));
  const more = () => {
    for (let n = 0; n < 100; n++) fs.writeSync(1, 'line ' + me + ' ' + at++ + '\\n');
    if (ended) fs.writeSync(1, 'end ' + me + ' ' + at + '\\n');
    else setTimeout(more, 4);
  };
  more();`;

test('a log is shortened while two processes write, and a follower misses no line', async (t) => {
  const folders = new AppFolders({ data: dataFolder(t) });
  mkdirSync(folders.logs('a'), { recursive: true });
  const [clock, log] = [systemClock, silentLogger];
  const store = new LogStore({
    folders,
    clock,
    log,
    isAlive: () => true,
    bytesMax: LIMIT_BYTES,
  });
  const { log: path } = folders.instance('a', 'a-web-1');
  const output = store.open('a', 'a-web-1', undefined);
  const reader = new LogReader({ store, clock });
  const client = new AbortController();
  const next = new Map([
    ['0', 0],
    ['1', 0],
  ]);
  let ended = 0;
  const following = (async () => {
    // On a busy machine the writers may be faster than the first look.
    const query = { app: 'a', tail: 10_000, follow: true, process: 'web', instance: undefined };
    for await (const line of reader.read(query, client.signal)) {
      const [, kind, writer = '', number] = /^(line|end) (\d) (\d+)$/.exec(line.text) ?? [];
      assert.equal(Number(number), next.get(writer), `after it came ${JSON.stringify(line.text)}`);
      next.set(writer, Number(number) + 1);
      if (kind === 'end' && ++ended === 2) client.abort();
    }
  })();
  const writers = ['0', '1'].map((name) =>
    spawn(process.execPath, ['-e', WRITER, name], { stdio: ['pipe', output, 'inherit'] }),
  );
  closeSync(output);
  t.after(() => writers.forEach((child) => child.kill('SIGKILL')));
  const starts = new Set<number>();
  await Promise.race([
    following,
    until('a log that was shortened twice', async () => {
      await store.step();
      const [file] = await store.files('a');
      starts.add(file?.start ?? 0);
      return starts.size > 2;
    }),
  ]);
  for (const child of writers) child.stdin?.end();
  await following;
  assert.equal(ended, 2, 'both came to their end');
  await store.step();
  const { blocks, size } = statSync(path);
  assert.ok(size > 1.4 * LIMIT_BYTES, 'offsets grow on');
  assert.ok(blocks * 512 <= LIMIT_BYTES + 128 * 1024, `${blocks * 512} bytes on disk`);
  const query = { app: 'a', tail: 5, follow: false, process: undefined, instance: undefined };
  assert.equal((await collect(reader.read(query, client.signal))).length, 5);
});
