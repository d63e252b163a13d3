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

const LIMIT_BYTES = 512 * 1024;
const LINES = 100_000;

test('a log is shortened while two processes write, and a follower sees every line once', async (t) => {
  const folders = new AppFolders({ data: dataFolder(t) });
  mkdirSync(folders.logs('a'), { recursive: true });
  const clock = systemClock;
  const log = silentLogger;
  const bytesMax = LIMIT_BYTES;
  const store = new LogStore({ folders, clock, log, isAlive: () => true, bytesMax });
  const { log: path } = folders.instance('a', 'a-web-1');
  const output = store.open('a', 'a-web-1', undefined);
  // What one process prints, in one write per line as apps do; half of the lines each.
  const script = `let at = Number(process.argv[1]);
    const fs = require('node:fs');
    const more = () => {
      for (let n = 0; n < 500 && at < ${LINES}; n++, at += 2) fs.writeSync(1, 'line ' + at + '\\n');
      if (at < ${LINES}) setTimeout(more, 1);
    };
    more();`;
  const reader = new LogReader({ store, clock });
  const client = new AbortController();
  const seen = new Uint8Array(LINES);
  let count = 0;
  const following = (async () => {
    const query = { app: 'a', tail: 0, follow: true, process: 'web', instance: undefined };
    for await (const line of reader.read(query, client.signal)) {
      const number = Number(/^line (\d+)$/.exec(line.text)?.[1]);
      assert.ok(Number.isInteger(number), `a broken line: ${JSON.stringify(line.text)}`);
      seen[number] = (seen[number] ?? 0) + 1;
      if (++count === LINES) client.abort();
    }
  })();
  const writers = ['0', '1'].map((first) =>
    spawn(process.execPath, ['-e', script, first], { stdio: ['ignore', output, 'inherit'] }),
  );
  closeSync(output);
  const exits = writers.map((child) => new Promise((resolve) => child.on('exit', resolve)));
  let shortened = 0;
  await Promise.race([
    following,
    (async () => {
      while (!client.signal.aborted) {
        await store.step();
        const [file] = await store.files('a');
        shortened = Math.max(shortened, file?.start ?? 0);
        await clock.sleep(5);
      }
    })(),
    until('all lines', () => count === LINES, { withinMs: 60_000 }),
  ]);
  await Promise.all(exits);
  client.abort();
  await following;
  assert.ok(shortened > 0, 'the limit was met');
  assert.ok(
    seen.every((times) => times === 1),
    'every line once',
  );
  await store.step();
  const { blocks, size } = statSync(path);
  assert.ok(size > 2 * LIMIT_BYTES, 'offsets grow on');
  assert.ok(blocks * 512 <= LIMIT_BYTES + 128 * 1024, `${blocks * 512} bytes on disk`);
  const query = { app: 'a', tail: 5, follow: false, process: undefined, instance: undefined };
  const tail = await collect(reader.read(query, client.signal));
  assert.equal(tail.length, 5);
});
