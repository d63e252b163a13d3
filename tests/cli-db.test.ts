/** `moln db shell`, `dump`, `restore`, `import` and `export` over the wire of a database, with plain SQLite behind it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { runCli } from '../src/cli/cli.ts';
import { HranaServer } from '../src/hrana/hrana.ts';
import { SqliteEngine } from '../testing/sqlite-engine.ts';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Databases `shop` and `copy` where a node's API would be. */
class Node implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'moln-db-'));
  readonly engines: Readonly<Record<string, SqliteEngine>>;
  readonly #servers: readonly HranaServer[];
  readonly #http: ReturnType<typeof createServer>;

  private constructor() {
    const hranas = new Map<string, HranaServer>();
    const engines: Record<string, SqliteEngine> = {};
    for (const name of ['shop', 'copy']) {
      const engine = new SqliteEngine(join(this.folder, `${name}.db`));
      engines[name] = engine;
      const authenticate = (): Promise<{ id: string; readOnly: boolean }> =>
        Promise.resolve({ id: 'local', readOnly: false });
      hranas.set(
        name,
        new HranaServer({ database: engine, authenticate, clock: systemClock, log: silentLogger }),
      );
    }
    this.engines = engines;
    this.#servers = [...hranas.values()];
    this.#http = createServer((request, response) => {
      const [, name = '', path = ''] = /^\/db\/([^/]+)\/(.*)$/.exec(request.url ?? '') ?? [];
      const hrana = hranas.get(name);
      if (hrana !== undefined) void hrana.serve({ request, response, path });
      else {
        const error = { code: 'DATABASES_UNKNOWN', message: `There is no database "${name}"` };
        response.writeHead(404).end(JSON.stringify(error));
      }
    });
  }

  static async start(): Promise<Node> {
    const node = new Node();
    mkdirSync(join(node.folder, 'run'));
    await new Promise<void>((resolve) => {
      node.#http.listen(join(node.folder, 'run', 'api.sock'), resolve);
    });
    return node;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Rows of all tables of a file, and its schema. */
  contents(name: string): unknown {
    using db = new DatabaseSync(this.path(name), { readOnly: true });
    const all = (sql: string): unknown => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all();
    };
    return [
      ...['people', 'orders', 'kinds', 'notes'].map((table) => all(`SELECT * FROM ${table}`)),
      all('SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name'),
      all("SELECT rowid FROM notes WHERE notes MATCH 'second'"),
    ];
  }

  async moln(words: readonly string[], stdin = ''): Promise<Ran> {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const text = [stdout, stderr].map(async (stream) => {
      stream.setEncoding('utf8');
      let all = '';
      for await (const chunk of stream) all += chunk;
      return all;
    });
    const code = await runCli(['db', ...words, '--data', this.folder], {
      stdout,
      stderr,
      stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
      env: {},
      isTerminal: false,
      cwd: this.folder,
      signals: new EventEmitter(),
    });
    stdout.end();
    stderr.end();
    const [out = '', err = ''] = await Promise.all(text);
    return { code, stdout: out, stderr: err };
  }

  /** Succeeds and gives what it printed. */
  async done(words: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.moln(words, stdin);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
    for (const engine of Object.values(this.engines)) engine[Symbol.dispose]();
    this.#http.close();
    this.#http.closeAllConnections();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const SCHEMA = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, who TEXT REFERENCES people(name), sum REAL, twice AS (sum * 2), paper BLOB);
CREATE TABLE people (name TEXT PRIMARY KEY, kind TEXT) WITHOUT ROWID;
CREATE TABLE kinds ("the name" TEXT, big INTEGER, "quo""ted");
CREATE VIRTUAL TABLE notes USING fts5(body);
CREATE INDEX by_who ON orders(who); -- with; a comment
CREATE VIEW rich AS SELECT who FROM orders WHERE sum > 100;
CREATE TRIGGER note AFTER INSERT ON orders BEGIN
  INSERT INTO notes(body) VALUES ('order; of ' || new.who);
END;
`;

const ROWS = `
INSERT INTO people VALUES ('Ada', 'it''s "odd"'), ('Bob', NULL);
INSERT INTO orders (who, sum, paper) VALUES ('Ada', 1, x'00ff'), ('Bob', 9e999, zeroblob(3)), (NULL, -0.0, NULL);
INSERT INTO kinds VALUES ('a' || char(10) || 'b' || char(13) || char(10), 9223372036854775807, 'x' || char(0) || 'y');
INSERT INTO kinds VALUES (';', -9223372036854775808, '--'), ('', 0, CAST('å😀' AS BLOB)), (1.0, 1, 0.1);
INSERT INTO notes(body) VALUES ('the second one');
`;

async function shop(): Promise<Node> {
  const node = await Node.start();
  await node.done(['shell', 'shop'], SCHEMA + ROWS);
  return node;
}

test('a statement from the command line, in each mode', async () => {
  await using node = await shop();
  const table = await node.done(['shell', 'shop', 'SELECT name, kind FROM people']);
  assert.equal(table, 'name  kind\nAda   it\'s "odd"\nBob   NULL\n');
  const json = await node.done([
    'shell',
    'shop',
    'SELECT big, sum, paper FROM kinds, orders LIMIT 2',
    '--json',
  ]);
  assert.equal(
    json,
    '[{"big":9223372036854775807,"sum":1,"paper":{"base64":"AP8="}},\n {"big":9223372036854775807,"sum":9e999,"paper":{"base64":"AAAA"}}]\n',
  );
  assert.equal(await node.done(['shell', 'shop', 'SELECT 1 WHERE 0', '--json']), '[]\n');
  const modes = await node.done(
    ['shell', 'shop'],
    '.mode csv\nSELECT * FROM people;\n.mode line\nSELECT sum, twice FROM orders WHERE id = 1;\n.quit\nSELECT 7;',
  );
  assert.equal(modes, 'name,kind\r\nAda,"it\'s ""odd"""\r\nBob,\r\n  sum = 1.0\ntwice = 2.0\n');
  const { stderr } = await node.moln(['shell', 'shop', "UPDATE people SET kind = 'x'"]);
  assert.equal(stderr, '2 rows changed\n');
});

test('dot-commands', async () => {
  await using node = await shop();
  assert.equal(
    await node.done(['shell', 'shop', '.tables']),
    'kinds\nnotes\norders\npeople\nrich\n',
  );
  assert.match(
    await node.done(['shell', 'shop', '.schema PEOPLE']),
    /^CREATE TABLE people \(name TEXT PRIMARY KEY, kind TEXT\) WITHOUT ROWID;\n$/,
  );
  assert.match(await node.done(['shell', 'shop', '.help']), /\.timing on\|off +tell how long/);
  const timed = await node.moln(['shell', 'shop'], '.timing on\nSELECT 1;\n');
  assert.match(timed.stderr, /^Time: \d+\.\d ms\n$/);
  for (const [line, words] of [
    ['.tabels', /There is no command "\.tabels"\n {2}Did you mean "\.tables"\?/],
    ['.mode wide', /\.mode takes table, csv, json, line, not "wide"/],
    ['.timing', /\.timing takes on, off, not ""/],
    ['.schema nowhere', /There is no table "nowhere"/],
    ['.read nowhere.sql', /"[^"]*nowhere\.sql" cannot be read: there is no such file/],
  ] as const) {
    const { code, stderr } = await node.moln(['shell', 'shop', line]);
    assert.equal(code, 1, line);
    assert.match(stderr, words);
  }
});

test('a script runs up to its first error, which names the line', async () => {
  await using node = await shop();
  writeFileSync(
    node.path('inner.sql'),
    "\nINSERT INTO people VALUES ('Cid', 1);\nSELECT\n  nowhere;\n",
  );
  const { code, stdout, stderr } = await node.moln(
    ['shell', 'shop'],
    'SELECT 1 AS a;\n.read inner.sql\nSELECT 2;\n',
  );
  assert.deepEqual([code, stdout], [1, 'a\n1\n']);
  assert.match(stderr, /Error: Line 3 of inner\.sql: no such column: nowhere/);
  const inTransaction = await node.moln(
    ['shell', 'shop'],
    'BEGIN;\nDELETE FROM people;\nSELECT count(*) AS n FROM people;\nROLLBACK;\nSELECT count(*) AS n FROM people;\n',
  );
  // Foreign keys hold: the DELETE failed, and what follows was not run.
  assert.match(inTransaction.stderr, /Line 2 of stdin: FOREIGN KEY constraint failed/);
  const kept = await node.done(
    ['shell', 'shop'],
    "BEGIN; INSERT INTO people VALUES ('Dan', 2); SELECT count(*) AS n FROM people; ROLLBACK;\nSELECT count(*) AS n FROM people",
  );
  assert.equal(kept, 'n\n4\nn\n3\n');
  const unknown = await node.moln(['shell', 'nope', 'SELECT 1']);
  assert.match(unknown.stderr, /There is no database "nope"/);
});

test('dump, restore, export and import keep every value', async () => {
  await using node = await shop();
  const before = node.contents('shop.db');
  const dump = await node.done(['dump', 'shop']);
  assert.equal(
    await node.done(['dump', 'shop', 'shop.sql']),
    'shop is dumped to "shop.sql": 4 tables, 13 rows\n',
  );
  assert.equal(readFileSync(node.path('shop.sql'), 'utf8'), dump);
  assert.match(
    await node.done(['restore', 'copy', 'shop.sql']),
    /copy is restored: \d+ statements/,
  );
  assert.deepEqual(node.contents('copy.db'), before);

  using plain = new DatabaseSync(node.path('plain.db'));
  plain.exec(dump);
  plain.close();
  assert.deepEqual(node.contents('plain.db'), before);

  await node.done(['export', 'shop', 'shop.sqlite']);
  assert.deepEqual(node.contents('shop.sqlite'), before);
  const again = await node.moln(['export', 'shop', 'shop.sqlite']);
  assert.match(again.stderr, /"shop\.sqlite" is there already/);

  await node.done(
    ['shell', 'copy'],
    'DROP VIEW rich; DROP TABLE orders; DROP TABLE people; DROP TABLE kinds; DROP TABLE notes;',
  );
  assert.equal(
    await node.done(['import', 'copy', 'shop.sqlite']),
    'copy has what is in "shop.sqlite": 4 tables, 13 rows\n',
  );
  assert.deepEqual(node.contents('copy.db'), before);
  assert.equal(existsSync(node.path('shop.sqlite.unfinished')), false);
});

test('many rows and long values go through', async () => {
  await using node = await Node.start();
  await node.done(
    ['shell', 'shop'],
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);\nINSERT INTO t SELECT value, hex(value), NULL FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 3000) SELECT value FROM n);\nUPDATE t SET a = replace(hex(zeroblob(1000000)), '00', 'it''s;'), b = zeroblob(2000000) WHERE id = 1500;\n",
  );
  await node.done(['dump', 'shop', 't.sql']);
  await node.done(['restore', 'copy', 't.sql']);
  const sum = 'SELECT count(*), sum(id), sum(length(a)), sum(length(b)) FROM t';
  const same = await node.done(['shell', 'shop', sum, '--json']);
  assert.equal(await node.done(['shell', 'copy', sum, '--json']), same);
  await node.done(['export', 'shop', 't.sqlite']);
  await node.done(['shell', 'copy', 'DROP TABLE t']);
  await node.done(['import', 'copy', 't.sqlite']);
  assert.equal(await node.done(['shell', 'copy', sum, '--json']), same);
});

/** As `sqlite3 .dump` writes it: children before their parents, and the state of AUTOINCREMENT. */
const FAMILY_DUMP = `PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE items (id INTEGER PRIMARY KEY, o INTEGER REFERENCES orders(id));
INSERT INTO items VALUES(1,3);
CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, before REFERENCES orders(id), first REFERENCES items(id));
INSERT INTO orders VALUES(1,3,1);
INSERT INTO orders VALUES(3,1,NULL);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('orders',7);
COMMIT;
`;
const FAMILY =
  'SELECT (SELECT count(*) FROM items) AS i, (SELECT sum(before) FROM orders) AS o, (SELECT seq FROM sqlite_sequence) AS seq, user_version FROM pragma_user_version';

test('tables that lead to each other, what AUTOINCREMENT has given and the user version are kept', async () => {
  await using node = await Node.start();
  writeFileSync(node.path('family.sql'), FAMILY_DUMP);
  await node.done(['restore', 'shop', 'family.sql']);
  await node.done(['shell', 'shop', 'PRAGMA user_version = -42']);
  const all = '[{"i":1,"o":4,"seq":7,"user_version":-42}]\n';
  assert.equal(await node.done(['shell', 'shop', FAMILY, '--json']), all);
  await node.done(['export', 'shop', 'family.sqlite']);
  await node.done(['dump', 'shop', 'again.sql']);
  for (const words of [
    ['import', 'copy', 'family.sqlite'],
    ['restore', 'copy', 'again.sql'],
  ]) {
    await node.done(words);
    assert.equal(await node.done(['shell', 'copy', FAMILY, '--json']), all, words[0]);
    const keys = await node.moln(['shell', 'copy', 'INSERT INTO items VALUES (5, 99)']);
    assert.match(keys.stderr, /FOREIGN KEY constraint failed/);
    await node.done(
      ['shell', 'copy'],
      'PRAGMA foreign_keys = 0; DROP TABLE items; DROP TABLE orders; PRAGMA user_version = 0;',
    );
  }
});

test('what a file or a dump has that cannot be as it was is said', async () => {
  await using node = await Node.start();
  using file = new DatabaseSync(node.path('broken.sqlite'), { enableForeignKeyConstraints: false });
  file.exec(
    'CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (1), (2)',
  );
  file.close();
  const { code, stderr } = await node.moln(['import', 'shop', 'broken.sqlite']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /2 foreign keys lead nowhere, as in the file/);
  writeFileSync(
    node.path('pages.sql'),
    "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nPRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table','f','f',0,'CREATE VIRTUAL TABLE f USING fts5(a)');\nCREATE TABLE IF NOT EXISTS 'f_data'(id INTEGER PRIMARY KEY, block BLOB);\n",
  );
  const pages = await node.moln(['restore', 'copy', 'pages.sql']);
  assert.equal(pages.code, 1);
  assert.match(pages.stderr, /Line 3 of pages\.sql: virtual tables .*\n.*"moln db import"/);
  assert.equal(await node.done(['shell', 'copy', '.tables']), '');
});

test('what cannot be taken in is named by table and row, or by line', async () => {
  await using node = await Node.start();
  using file = new DatabaseSync(node.path('bad.sqlite'));
  file.exec(
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a CHECK (a <> 'x')); PRAGMA ignore_check_constraints = 1; INSERT INTO t VALUES (1, 'a'), (5, 'x'), (7, 'b')",
  );
  file.close();
  const bad = await node.moln(['import', 'copy', 'bad.sqlite']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /Error: Table "t", row 2: CHECK constraint failed/);
  writeFileSync(
    node.path('not.sqlite'),
    'no database at all, but long enough to look like one'.repeat(20),
  );
  const other = await node.moln(['import', 'copy', 'not.sqlite']);
  assert.match(
    other.stderr,
    /"[^"]*not\.sqlite" is damaged, or no SQLite database\n.*"moln db restore"/,
  );
  const none = await node.moln(['import', 'copy', 'none.sqlite']);
  assert.match(none.stderr, /"none\.sqlite" cannot be read: there is no such file/);
  writeFileSync(
    node.path('bad.sql'),
    'CREATE TABLE u (a UNIQUE);\nINSERT INTO u VALUES (1);\nINSERT INTO u\n VALUES (1);\n',
  );
  const dump = await node.moln(['restore', 'copy', 'bad.sql']);
  assert.match(dump.stderr, /Line 3 of bad\.sql: UNIQUE constraint failed: u\.a/);
  assert.equal(
    await node.done(['shell', 'copy', 'SELECT count(*) AS n FROM u', '--json']),
    '[{"n":0}]\n',
  );
});

test('at a terminal: prompt, several lines, Ctrl-C, history', { timeout: 120_000 }, async () => {
  await using node = await shop();
  const main = new URL('../src/main.ts', import.meta.url).pathname;
  const command = `${process.execPath} ${main} db shell shop --data ${node.folder}`;
  const env = {
    ...process.env,
    HOME: node.folder,
    XDG_STATE_HOME: '',
    TERM: 'xterm',
    NO_COLOR: '1',
  };
  const child = execFile('script', ['-qefc', command, '/dev/null'], { env });
  let seen = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (seen += text));
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
  });
  const more = (): Promise<void> =>
    new Promise((resolve) => {
      child.stdout?.once('data', () => resolve());
    });
  const after = async (wanted: RegExp, type: string): Promise<void> => {
    while (!wanted.test(seen)) {
      const isOver = await Promise.race([more(), ended.then(() => true)]);
      assert.notEqual(isOver, true, `ended after: ${seen}`);
    }
    seen = '';
    child.stdin?.write(type);
  };
  await after(/shop> /, 'SELECT count(*) AS n\r');
  await after(/…> /, 'FROM people;\r');
  await after(/n\s+2\s[\s\S]*shop> /, 'SELECT never typed \u0003');
  await after(/\^C[\s\S]*shop> /, 'SELEC;\r');
  await after(/Error: near "SELEC": syntax error[\s\S]*shop> /, 'BEGIN;\r');
  await after(/shop\*> /, 'ROLLBACK;\r');
  const endless =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;\r';
  await after(/shop> /, endless);
  await after(/\b900\b/, '\u0003');
  await after(/Interrupted[\s\S]*shop> /, "SELECT 'still ' || 'here';\r");
  await after(/still here[\s\S]*shop> /, '.quit\r');
  assert.equal(await ended, 0);
  const history = readFileSync(node.path('.local/state/moln/db-history'), 'utf8');
  assert.match(history, /^SELECT count\(\*\) AS n\nFROM people;\nSELEC;\nBEGIN;\n/);
});
