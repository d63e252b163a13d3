/** A script must end, and say why, whatever the program does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runQuietly } from './run.ts';

test('output and exit code are kept', async () => {
  const good = await runQuietly(['sh', '-c', 'echo out; echo err >&2'], { timeoutMs: 10_000 });
  assert.equal(good.ok, true);
  assert.match(good.output, /out/);
  assert.match(good.output, /err/);
  assert.equal((await runQuietly(['false'], { timeoutMs: 10_000 })).ok, false);
});

test('a program that is not there is a failure with its name', async () => {
  const outcome = await runQuietly(['/nonexistent/program'], { timeoutMs: 10_000 });
  assert.equal(outcome.ok, false);
  assert.match(outcome.output, /\/nonexistent\/program/);
});

test('a program that hangs is ended with its children', async () => {
  const outcome = await runQuietly(['sh', '-c', 'sleep 600 & wait'], { timeoutMs: 50 });
  assert.equal(outcome.ok, false);
  assert.match(outcome.output, /Ended after 0\.05 s/);
});
