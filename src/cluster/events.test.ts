/** Events are told by several machines, whose clocks may differ. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { openSqliteRegistry } from '../registry/registry.ts';
import { Events } from './events.ts';

const HOUR_MS = 3_600_000;

test('a clock that is ahead changes neither the order nor what is followed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-events-'));
  const path = join(folder, 'registry.sqlite');
  const registry = await openSqliteRegistry({ path, clock: systemClock, log: silentLogger });
  t.after(async () => {
    await registry[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const right = new ManualClock(1_700_000_000_000);
  const ahead = new ManualClock(right.now() + 6 * HOUR_MS);
  const one = new Events({ registry, clock: right, log: silentLogger });
  const two = new Events({ registry, clock: ahead, log: silentLogger });
  const texts = async (): Promise<readonly string[]> => (await one.list()).map(({ text }) => text);
  const tell = async (events: Events, text: string): Promise<void> => {
    events.tell('node', text);
    await until(`"${text}" to be kept`, async () => (await texts()).includes(text));
  };

  await tell(one, 'first');
  const stop = new AbortController();
  const followed: string[] = [];
  const following = (async (): Promise<void> => {
    for await (const { text } of one.follow(stop.signal)) followed.push(text);
  })();
  const heard = (text: string): Promise<unknown> =>
    until(`"${text}" to be heard`, () => followed.includes(text));
  // Following begins with the next one that it hears: what it began at is not told.
  for (let count = 0; followed.length === 0; count++) await tell(one, `knock ${count}`);
  await tell(two, 'second');
  await heard('second');
  await tell(one, 'third');
  await heard('third');
  stop.abort();
  await following;

  assert.deepEqual(
    (await texts()).filter((text) => !text.startsWith('knock')),
    ['first', 'second', 'third'],
  );
  assert.deepEqual(followed.slice(-2), ['second', 'third'], 'each of them once');
});
