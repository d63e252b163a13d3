/** Who splits a stripe is killed between two steps: what was acknowledged is there, sums stay, and the next one goes on from there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { slotOf } from '../src/planner/planner.ts';
import { ACCOUNTS, openSplitBank, SPLIT } from '../testing/split-kit.ts';
import { rows } from '../testing/sql-kit.ts';

const CHILD = join(import.meta.dirname, 'sql-split-child.ts');

suite('who splits a stripe is killed', { concurrency: 4 }, () => {
  for (const [point, times, what] of [
    ['copied', 1, 'before the new stripe joins'],
    ['together:after-append', 1, 'when the log says that the new stripe has joined, and no file'],
    ['copied', 2, 'when rows are in both files and nowhere committed'],
    ['together:after-append', 2, 'when the log says that rows have moved, and no file'],
  ] as const) {
    test(what, async (t) => {
      const root = await mkdtemp(join(tmpdir(), 'moln-split-'));
      t.after(() => rm(root, { recursive: true, force: true }));
      const folder = join(root, 'bank');
      const child = spawn(process.execPath, [CHILD, folder, point, String(times)]);
      let output = '';
      let complaint = '';
      child.stdout.on('data', (data: Buffer) => (output += data.toString()));
      child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
      const [, signal] = (await once(child, 'close')) as [number | null, string | null];
      assert.equal(signal, 'SIGKILL', `${point} was never reached: ${complaint}`);
      const acknowledged = [...output.matchAll(/^ack (\d+)$/gm)].map(([, n]) => BigInt(n ?? 0));

      await using bank = await openSplitBank(folder);
      const session = await bank.engine.openSession({ id: 'judge', readOnly: false });
      const judge = async (): Promise<void> => {
        assert.deepEqual(await rows(session, 'SELECT count(*), sum(cents) FROM account'), [
          [BigInt(ACCOUNTS), BigInt(100 * ACCOUNTS)],
        ]);
        const done = new Set((await rows(session, 'SELECT n FROM done')).map(([n]) => n));
        assert.deepEqual(
          acknowledged.filter((n) => !done.has(n)),
          [],
          'acknowledged and lost',
        );
        assert.deepEqual(await rows(session, 'SELECT * FROM rate'), [['EUR', 1]]);
      };
      await judge();
      const isJoined = point !== 'copied' || times > 1;
      assert.equal(bank.engine.set.count, isJoined ? 3 : 2);
      await bank.engine.splitter().run(SPLIT, AbortSignal.timeout(60_000));
      await judge();
      const { slots } = bank.engine.set;
      assert.deepEqual([slots.count, slots.moving], [3, undefined]);
      let found = 0;
      for (const [number, stripe] of bank.stripes.entries()) {
        const ids = await stripe.query({ sql: 'SELECT id FROM account' }, { kind: 'strong' });
        for (const [id = null] of ids.rows)
          assert.equal(slots.stripes[slotOf(id, 'BINARY')], number, `account ${String(id)}`);
        found += ids.rows.length;
      }
      assert.equal(found, ACCOUNTS);
    });
  }
});
