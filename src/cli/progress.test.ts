import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import type { Progress } from '../api/model.ts';
import { systemClock } from '../base/time.ts';
import type { Context } from './command.ts';
import { followProgress, showSteps } from './progress.ts';
import { programName } from './program-name.ts';
import { Words } from './words.ts';

/** A terminal 40 columns wide whose clock stands still. */
function terminal(isTerminal: boolean): { readonly context: Context; readonly text: () => string } {
  const stream = Object.assign(new PassThrough(), { columns: 40 });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const io = {
    stdout: stream,
    stderr: stream,
    stdin: Readable.from([]),
    env: {},
    isTerminal,
    cwd: '/',
  };
  const still = { [Symbol.dispose]: () => undefined };
  const clock = { ...systemClock, monotonicMs: () => 0, every: () => still };
  const context: Context = {
    io,
    words: new Words(io),
    clock,
    json: false,
    version: '0',
    dataFolder: '/',
    dataFolderGiven: false,
    startNode: undefined,
    joinNode: undefined,
    client: () => assert.fail('nothing is asked'),
    signal: AbortSignal.abort(),
  };
  return { context, text: () => text };
}

async function* steps(): AsyncGenerator<Progress> {
  yield { kind: 'step', at: 0, message: 'x'.repeat(100) };
  yield { kind: 'output', at: 0, line: 'built' };
  yield { kind: 'done', app: 'a', release: 'r', url: 'u' };
}

test('on a terminal the step stands in one line that never wraps, and is gone at the end', async () => {
  const { context, text } = terminal(true);
  assert.equal((await followProgress(context, 'Sending', steps())).url, 'u');
  const frames = text().split('\r\u001B[2K').map(stripVTControlCharacters);
  assert.match(frames[1] ?? '', /^⠋ Sending 0 ms$/);
  for (const frame of frames.flatMap((one) => one.split('\n'))) {
    assert.ok(frame.length < 40, frame);
  }
  assert.ok(text().includes('| built'));
  assert.equal(frames.at(-1), '', 'the line is cleared');
});

test('elsewhere each step is a plain line under the title', async () => {
  const { context, text } = terminal(false);
  await followProgress(context, 'Sending', steps());
  assert.equal(text(), `Sending\n  ${'x'.repeat(100)}\n  | built\n`);
});

test('numbers that grow are told there now and then, steps always', () => {
  const { context, text } = terminal(false);
  let nowMs = 0;
  const display = showSteps(
    { ...context, clock: { ...context.clock, monotonicMs: () => nowMs } },
    'In',
  );
  for (let rows = 1; rows <= 40; rows += 1, nowMs += 1000) display?.count(`${rows} rows`);
  display?.step('done');
  assert.equal(text(), 'In\n  1 rows\n  11 rows\n  21 rows\n  31 rows\n  done\n');
});

test('what is printed to copy is what can be called', () => {
  assert.match(
    programName({ env: { PATH: '/none:/a/node_modules/.bin' }, cwd: '/' }),
    /^\/.*\/moln$/,
  );
  const full = programName({ env: {}, cwd: '/' });
  assert.equal(programName({ env: {}, cwd: full.replace(/\/moln$/, '') }), './moln');
});
