/**
 * `kill -9` between every two steps of commit, schema change, promotion, hand-over, snapshot and trim. Afterwards everything that was
 * acknowledged is there, nothing twice, the copies are equal and were not built anew, and the stripe goes on.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CRASH_POINTS } from '../src/database/database.ts';
import { look, run, sameCopies, startDatabase } from '../testing/database-kit.ts';

const root = await mkdtemp(join(tmpdir(), 'moln-database-crash-'));
after(() => rm(root, { recursive: true }));
const base = join(root, 'base');

/** More than a bucket of the log, so that there is something to trim. */
const ENTRIES = 300;

interface Story {
  readonly tried: Set<string>;
  readonly acked: Set<string>;
  readonly signal: string | null;
}

async function play(
  folder: string,
  first: number,
  entries: number,
  crashAt?: string,
): Promise<Story> {
  const script = join(import.meta.dirname, 'database-crash-node.ts');
  const args = [
    script,
    folder,
    String(first),
    String(entries),
    ...(crashAt === undefined ? [] : [crashAt]),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaint = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  assert.ok(code === 0 || signal === 'SIGKILL', complaint);
  const said = (word: string): Set<string> =>
    new Set(
      output
        .split('\n')
        .flatMap((line) => (line.startsWith(`${word} `) ? line.slice(word.length + 1) : [])),
    );
  return { tried: said('try'), acked: said('ack'), signal };
}

test('a stripe with a log of more than a bucket', async () => {
  await mkdir(base);
  const story = await play(base, 1, ENTRIES);
  assert.equal(story.signal, null);
  assert.deepEqual(story.acked, story.tried);
});

for (const point of CRASH_POINTS) {
  test(`killed at ${point}`, async () => {
    const folder = join(root, point.replace(':', '-'));
    await cp(base, folder, { recursive: true });
    const story = await play(folder, 1000, 5, point);
    assert.equal(story.signal, 'SIGKILL', `${point} was never reached`);
    await using on = await startDatabase({ folder });
    const one = await on.copy('n1');
    const other = await on.copy('n2');
    const second = await on.copy('n1', { name: 's2' });
    for (const stripe of [one, second]) {
      const replaces = (await on.log.primary(stripe.name))?.epoch;
      assert.ok(await stripe.lead(replaces === undefined ? {} : { replaces }));
    }
    const there = new Set(
      (await look(one, 'SELECT id FROM t WHERE id >= 1000')).map(([id]) => String(id)),
    );
    const columns = await look(
      one,
      "SELECT name FROM pragma_table_info('t') WHERE name LIKE 'c1%'",
    );
    for (const [name] of columns) there.add(String(name));
    there.delete('c1');
    there.delete(`c${ENTRIES + 1}`);
    const both = 'SELECT id FROM both WHERE id >= 1000';
    assert.deepEqual(await look(one, both), await look(second, both));
    for (const [id] of await look(one, both)) there.add(`b${String(id)}`);
    for (const name of story.acked)
      assert.ok(there.has(name), `${name} was acknowledged and is lost`);
    for (const name of there) assert.ok(story.tried.has(name), `${name} was never tried`);
    assert.deepEqual(await look(one, 'SELECT count(*) FROM t WHERE id < 1000'), [
      [BigInt(ENTRIES + 9)],
    ]);
    await run(one, "INSERT INTO t (id, v) VALUES (5000, 'after')");
    await other.catchUp();
    await sameCopies(one, other);
    assert.deepEqual([one.status.quarantined, other.status.quarantined], [undefined, undefined]);
    // What was begun can be done again, and a new copy begins from it.
    await one.snapshot(0);
    const third = await on.copy('n3');
    await sameCopies(one, third);
  });
}
