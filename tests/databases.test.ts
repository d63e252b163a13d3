/** Databases on one machine, as a person makes and uses them: the real CLI, the real process, clients that are not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { type Client, createHttpClient, createSocketClient } from '../testing/libsql-clients.ts';
import { HranaDatabase } from '../src/web/hrana-database.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import type { DatabaseDetail, DatabaseSummary, QueryPlan } from '../src/api/api.ts';

const NOTES = 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, size REAL, data BLOB)';

async function tokenOf(node: TestNode, ...more: readonly string[]): Promise<string> {
  const { token } = await node.json<{ readonly token: string }>('db', 'token', 'shop', ...more);
  return token;
}

function clients(node: TestNode, authToken: string): Readonly<Record<'http' | 'ws', Client>> {
  const at = `127.0.0.1:${node.ports.api}/db/shop/`;
  return {
    http: createHttpClient({ url: `http://${at}`, authToken, intMode: 'bigint' }),
    ws: createSocketClient({ url: `ws://${at}`, authToken, intMode: 'bigint' }),
  };
}

function databasePid(node: TestNode): number {
  const found = node.processes().find(({ command }) => command.includes('database-main.ts'));
  return found?.pid ?? 0;
}

test('a database is made, used by clients of libSQL over HTTP and WebSocket, and dropped', async (t) => {
  await using node = await TestNode.start(t);
  assert.equal(databasePid(node), 0, 'no process before the first database');
  const made = await node.json<DatabaseDetail>('db', 'create', 'shop');
  assert.equal(made.state, 'open');
  assert.equal(made.stripeDetails.length, 1);

  assert.deepEqual(made.emptyRegions, []);
  const far = await node.json<DatabaseDetail>('db', 'create', 'far', '--spread', 'region=mars');
  assert.deepEqual(far.emptyRegions, ['mars']);
  await node.json('db', 'drop', 'far', '--yes');

  const { http, ws } = clients(node, await tokenOf(node));
  await http.execute(NOTES);
  const big = 2n ** 63n - 1n;
  const data = new Uint8Array([0, 1, 255]);
  await ws.batch(
    [
      { sql: 'INSERT INTO notes VALUES (?, ?, ?, ?)', args: [big, 'å😀', 1.5, data] },
      { sql: 'INSERT INTO notes (id, text) VALUES (?, ?)', args: [1n, 'one'] },
    ],
    'write',
  );
  const { rows } = await http.execute('SELECT * FROM notes ORDER BY id DESC');
  assert.deepEqual(
    rows.map((row) => [row['id'], row['text'], row['size']]),
    [
      [big, 'å😀', 1.5],
      [1n, 'one', null],
    ],
  );
  assert.deepEqual(new Uint8Array(rows[0]?.['data'] as ArrayBuffer), data);

  for (const client of [http, ws]) {
    const transaction = await client.transaction('write');
    await transaction.execute({ sql: 'UPDATE notes SET size = ? WHERE id = ?', args: [7, 1n] });
    const seen = await transaction.execute('SELECT size FROM notes WHERE id = 1');
    assert.equal(seen.rows[0]?.['size'], 7);
    await transaction.rollback();
  }
  assert.equal((await ws.execute('SELECT size FROM notes WHERE id = 1')).rows[0]?.['size'], null);

  await assert.rejects(
    http.execute({ sql: 'INSERT INTO notes (id, text) VALUES (2, ?)', args: ['one'] }),
    { code: 'SQLITE_CONSTRAINT_UNIQUE' },
  );
  await assert.rejects(http.execute('SELECT nowhere FROM notes'), /no such column: nowhere/);
  const authToken = await tokenOf(node);
  const base = `127.0.0.1:${node.ports.api}/db/shop`;
  for (const stale of [
    // It escapes the colon.
    createHttpClient({ url: `http://${base}/read/stale:5s/`, authToken }),
    createSocketClient({ url: `ws://${base}/read/stale:5s/`, authToken }),
  ]) {
    assert.equal((await stale.execute('PRAGMA moln_read')).rows[0]?.[0], 'stale:5000ms');
    assert.equal((await stale.execute('SELECT count(*) FROM notes')).rows[0]?.[0], 2);
    stale.close();
  }
  const unended = createHttpClient({ url: `http://${base}`, authToken });
  await assert.rejects(unended.execute('SELECT 1'), /address of a database ends with a slash/);
  unended.close();

  const plan = await node.json<QueryPlan>(
    'why',
    'query',
    'shop',
    'SELECT * FROM notes WHERE id = 1',
  );
  assert.deepEqual(plan.stripes, [0]);
  const list = await node.json<readonly DatabaseSummary[]>('db', 'list');
  assert.deepEqual(
    list.map(({ name, state }) => [name, state]),
    [['shop', 'open']],
  );
  const stripes = await node.cli('db', 'stripes', 'shop');
  assert.match(stripes.stdout, /STRIPE +SLOTS +PRIMARY/);
  const [stripe] = (await node.json<DatabaseDetail>('db', 'show', 'shop')).stripeDetails;
  // The table and the batch; what was rolled back or refused is none.
  assert.deepEqual([stripe?.transactions, stripe?.groups], [2, 2]);
  const reads = await node.json<{ token: string }>(
    'token',
    'create',
    '--name',
    'm',
    '--scope',
    'read',
  );
  const metrics = await fetch(`http://${node.address}:${node.ports.api}/metrics`, {
    headers: { Authorization: `Bearer ${reads.token}` },
  });
  const said = await metrics.text();
  assert.match(said, /^moln_database_transactions_total\{.*database="shop".*\} 2$/m);
  assert.match(said, /^moln_database_statement_seconds_count\{.*database="shop".*\} [1-9]/m);

  http.close();
  ws.close();
  await node.json('db', 'drop', 'shop', '--yes');
  assert.deepEqual(await node.json('db', 'list'), []);
  await assert.rejects(clients(node, 'x').http.execute('SELECT 1'));
});

test('tokens: none, a wrong one, one that only reads, one of the API, and all revoked', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('db', 'create', 'shop');
  const writer = clients(node, await tokenOf(node)).http;
  await writer.execute(NOTES);
  const refused = (token: string, sql: string): Promise<unknown> =>
    assert.rejects(clients(node, token).http.execute(sql));
  await refused('', 'SELECT 1');
  await refused('molndb.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'SELECT 1');

  const reader = clients(node, await tokenOf(node, '--read-only')).http;
  assert.equal((await reader.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'], 0n);
  await assert.rejects(reader.execute("INSERT INTO notes (text) VALUES ('x')"), /readonly/);

  const wish = ['--name', 'ci', '--scope', 'deploy'] as const;
  const { token } = await node.json<{ readonly token: string }>('token', 'create', ...wish);
  await until('the token of the API to be known', async () => {
    await clients(node, token).http.execute("INSERT INTO notes (text) VALUES ('x')");
    return true;
  });

  await node.json('db', 'token', 'shop', '--revoke-all');
  await until('the old token to be refused', async () => {
    await assert.rejects(writer.execute('SELECT 1'));
    return true;
  });
  await clients(node, await tokenOf(node)).http.execute('SELECT 1');
});

test('nothing acknowledged is lost when the process or the agent is killed, or the node is stopped', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('db', 'create', 'shop');
  const token = await tokenOf(node);
  await clients(node, token).http.execute(NOTES);
  let written = 0;
  const write = async (): Promise<true> => {
    const { http } = clients(node, token);
    await http.execute({ sql: 'INSERT INTO notes (text) VALUES (?)', args: [`n${written}`] });
    written++;
    return true;
  };
  const all = async (): Promise<void> => {
    await until('all rows', async () => {
      const { rows } = await clients(node, token).http.execute('SELECT count(*) AS n FROM notes');
      assert.equal(rows[0]?.['n'], BigInt(written));
      return true;
    });
  };
  const someMore = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await write();
  };
  await someMore();
  const first = databasePid(node);
  process.kill(first, 'SIGKILL');
  await until('another process', () => ![0, first].includes(databasePid(node)));
  await all();
  await someMore();

  const second = databasePid(node);
  await node.crash();
  assert.equal(databasePid(node), second, 'it lives on without the agent');
  await node.restart();
  await all();
  assert.equal(databasePid(node), second, 'and is adopted');
  await someMore();

  await node.stop();
  await node.restart();
  await all();
});

test('an app finds the database of its name, or the one that its settings name', async (t) => {
  await using node = await TestNode.start(t);
  await node.json('db', 'create', 'shop');
  await node.json(
    'deploy',
    appFolder(
      t,
      nodeApp(`
        (require('node:http').get({ socketPath: process.env.DATABASE_SOCKET, path: '/db/shop/health' }, (answer) => {
          globalThis.health = answer.statusCode;
        }).on('error', (error) => { globalThis.health = error.code; }),
        [process.env.DATABASE_URL, process.env.DATABASE_SOCKET, globalThis.health].join(' '))`),
    ),
    '--name',
    'shop',
  );
  // Also in the sandbox of an app, where the rest of the data folder is hidden.
  const health = async (): Promise<string | undefined> =>
    (await node.get('shop')).body.split(' ')[2];
  await until('the app reaches the socket', async () => (await health()) === '200');
  const [url = '', socket] = (await node.get('shop')).body.split(' ');
  const client = createHttpClient({ url, intMode: 'bigint' });
  await client.execute(NOTES);
  await client.execute("INSERT INTO notes (text) VALUES ('from the app')");
  const nowhere = url.replace(/:[0-9]+/, ':1');
  await using near = new HranaDatabase(nowhere, socket);
  const found = await near.run({ sql: 'SELECT text FROM notes', args: [] });
  assert.deepEqual(found.rows, [{ text: 'from the app' }], 'over the unix socket');
  await using wrong = new HranaDatabase(nowhere.replace(/.$/, '!'), socket);
  await assert.rejects(wrong.run({ sql: 'SELECT 1', args: [] }), { code: 'AUTH_JWT_INVALID' });
  await node.crash();
  assert.equal((await client.execute('SELECT count(*) AS n FROM notes')).rows[0]?.['n'], 1n);
  await node.restart();

  await node.json(
    'deploy',
    appFolder(t, nodeApp('process.env.DATABASE_URL ?? "none"')),
    '--name',
    'blog',
  );
  assert.equal((await node.get('blog')).body, 'none');
  await node.json('app', 'blog', 'env', 'DATABASE_NAME=shop');
  await until('the setting', async () => (await node.get('blog')).body.includes('/db/shop/'));
});
