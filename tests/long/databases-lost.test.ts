/** A cloud is lost with its logs and the files of its databases: `moln recover` brings their snapshots back, and databases are made of them. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DatabaseDetail, LostDatabaseSummary } from '../../src/api/api.ts';
import { clientOf } from '../../testing/counting-client.ts';
import { step } from '../../testing/step.ts';
import { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 180_000;
const ROWS = 200;
const SCHEMA = [
  'CREATE TABLE account (id INTEGER PRIMARY KEY, sum INTEGER NOT NULL CHECK (sum >= 0))',
  'CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL)',
  'CREATE INDEX note_text ON note (text)',
];

interface Recovery {
  readonly buckets: readonly string[];
  readonly databases: readonly LostDatabaseSummary[];
}

async function ask(node: TestNode, database: string, ...statements: string[]): Promise<unknown> {
  const { token } = await node.json<{ readonly token: string }>('db', 'token', database);
  const client = clientOf(node, token, database);
  const answers = await client.batch(statements, 'write');
  return answers.at(-1)?.rows.map((row) => Object.values(row));
}

async function shown(node: TestNode, database: string): Promise<DatabaseDetail> {
  return await node.json<DatabaseDetail>('db', 'show', database);
}

test('databases of a cloud that is lost come back from snapshots in its file store', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-lost-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const spare = join(folder, 'spare');
  const disk = join(folder, 'disk');
  const before: unknown[] = [];
  const content = async (node: TestNode, name: string): Promise<unknown[]> => [
    await ask(node, name, 'SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name'),
    await ask(node, name, 'SELECT id, sum FROM account ORDER BY id'),
    await ask(node, name, 'SELECT id, text FROM note ORDER BY id'),
  ];

  {
    await using node = await TestNode.start(t);
    await node.json('files', 'create', 'data');
    await node.json('storage', 'add', spare, '--limit', '1GB');
    await node.json('db', 'create', 'first', '--stripes', '3');
    await node.json('db', 'create', 'young');
    await ask(node, 'first', ...SCHEMA);
    await ask(
      node,
      'first',
      ...Array.from({ length: ROWS }, (_, n) => `INSERT INTO account VALUES (${n}, 100)`),
      ...Array.from({ length: ROWS }, (_, n) => `INSERT INTO note (text) VALUES ('note ${n}')`),
    );
    const from = Date.now();
    const to = await until(
      'a note of it',
      async () => {
        const at = (await shown(node, 'first')).restorable?.to ?? 0;
        return at >= from ? at : undefined;
      },
      { withinMs: WITHIN_MS },
    );
    // Its logs begin behind snapshots.
    await node.json('db', 'restore', 'first', '--at', new Date(to).toISOString(), '--as', 'shop');
    await node.json('db', 'drop', 'first', '--yes');
    before.push(...(await content(node, 'shop')));
    await until(
      'all of it in the file store',
      async () => {
        const { stripeDetails, restorable } = await shown(node, 'shop');
        const isStored = stripeDetails.every(({ snapshot }) => snapshot?.isStored === true);
        return restorable !== undefined && isStored;
      },
      { withinMs: WITHIN_MS },
    );
    assert.deepEqual(await node.json('db', 'lost'), []);
    await until(
      'its description there, on two disks, with the catalogue',
      async () => {
        await node.json('files', 'checkpoint');
        rmSync(disk, { recursive: true, force: true });
        cpSync(spare, disk, { recursive: true });
        await using other = await TestNode.start(t);
        const { databases } = await other.json<Recovery>('recover', disk);
        if (databases.some(({ name, at }) => name === 'shop' && at !== undefined)) return true;
        throw new Error(JSON.stringify(databases));
      },
      { withinMs: WITHIN_MS },
    );
    await ask(node, 'shop', "INSERT INTO note (text) VALUES ('after the snapshots')");
    await node.kill();
  }

  await using node = await TestNode.start(t);
  await step(t, 'recover tells which databases there are, and of when', async () => {
    const { code, stdout, stderr } = await node.cli('recover', disk);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /shop +[a-z0-9]{12} +20\d\d-/);
    assert.match(stdout, /moln db restore NAME --from-snapshots/);
    const lost = await node.json<readonly LostDatabaseSummary[]>('db', 'lost');
    assert.deepEqual(
      lost.map(({ name, stripes, at }) => [name, stripes, at !== undefined]),
      [
        ['shop', 3, true],
        ['young', 1, false],
      ],
    );
  });

  await step(
    t,
    'all stripes, schema and rows as of one moment, and no id given twice',
    async () => {
      const refused = await node.cli('db', 'restore', 'young', '--from-snapshots');
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /there is no snapshot of s0/);
      const unknown = await node.cli('db', 'restore', 'shoop', '--from-snapshots');
      assert.match(unknown.stderr, /did you mean "shop"/);
      const restored = await node.cli('db', 'restore', 'shop', '--from-snapshots');
      assert.equal(restored.code, 0, restored.stderr);
      assert.match(restored.stdout, /shop is as it was at 20.*\nWhat was written later is lost/);
      assert.equal((await shown(node, 'shop')).stripes, 3);
      assert.deepEqual(await content(node, 'shop'), before);
      const ids = await ask(
        node,
        'shop',
        "INSERT INTO note (text) VALUES ('new') RETURNING id > (SELECT max(id) FROM note WHERE text <> 'new')",
      );
      assert.deepEqual(ids, [[1]]);
      const taken = await node.cli('db', 'restore', 'shop', '--from-snapshots');
      assert.match(taken.stderr, /There is a database "shop" already/);
      const { id = '' } = (await node.json<readonly LostDatabaseSummary[]>('db', 'lost'))[0] ?? {};
      const byId = await node.cli('db', 'restore', id, '--from-snapshots');
      assert.match(byId.stderr, /There is a database "shop" already/);
      await node.json('db', 'restore', 'shop', '--from-snapshots', '--as', 'again');
      assert.deepEqual(await content(node, 'again'), before);
    },
  );

  await step(t, 'one that is not wanted any more is forgotten', async () => {
    for (const name of ['shop', 'young']) await node.json('db', 'lost', '--forget', name);
    assert.deepEqual(await node.json('db', 'lost'), []);
    assert.deepEqual(await content(node, 'shop').then(([schema]) => schema), before[0]);
  });
});
