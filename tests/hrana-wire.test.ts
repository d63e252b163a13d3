/** The wire as curl sees it: pipelines, batons, cursors, times, and input that no honest client sends. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../testing/until.ts';
import { type HranaKit, type Reply, startHrana, TOKENS } from './hrana-kit.ts';

const run = promisify(execFile);

const execute = (sql: string, args: readonly unknown[] = []): object => ({
  type: 'execute',
  stmt: { sql, args },
});
const CLOSE = { type: 'close' };

function pipeline(
  kit: HranaKit,
  requests: readonly unknown[],
  baton: string | null = null,
): Promise<Reply> {
  return kit.post('v3/pipeline', { baton, requests });
}

test('curl: one pipeline over TCP and over the unix socket', async () => {
  await using kit = await startHrana();
  const body = JSON.stringify({
    baton: null,
    requests: [
      execute('CREATE TABLE t (id INTEGER PRIMARY KEY, x)'),
      execute('INSERT INTO t (x) VALUES (?), (?)', [
        { type: 'float', value: 1 },
        { type: 'integer', value: '9223372036854775807' },
      ]),
      execute("SELECT id, x, x'00ff' AS b, NULL AS n, 'å' AS s FROM t"),
      CLOSE,
    ],
  });
  const common = ['-sS', '-H', `Authorization: Bearer ${TOKENS.ada}`, '-d', body];
  const { stdout } = await run('curl', [...common, `${kit.url}v2/pipeline`]);
  assert.match(stdout, /\{"type":"float","value":1\.0\}/);
  const { baton, results } = JSON.parse(stdout) as {
    readonly baton: unknown;
    readonly results: readonly { readonly response: { readonly result: unknown } }[];
  };
  assert.equal(baton, null);
  assert.deepEqual(
    { ...(results[2]?.response.result as object), query_duration_ms: 0 },
    {
      cols: [
        { name: 'id', decltype: 'INTEGER' },
        { name: 'x', decltype: null },
        { name: 'b', decltype: null },
        { name: 'n', decltype: null },
        { name: 's', decltype: null },
      ],
      rows: [
        [
          { type: 'integer', value: '1' },
          { type: 'float', value: 1 },
          { type: 'blob', base64: 'AP8' },
          { type: 'null' },
          { type: 'text', value: 'å' },
        ],
        [
          { type: 'integer', value: '2' },
          { type: 'integer', value: '9223372036854775807' },
          { type: 'blob', base64: 'AP8' },
          { type: 'null' },
          { type: 'text', value: 'å' },
        ],
      ],
      affected_row_count: 0,
      last_insert_rowid: '2',
      replication_index: null,
      rows_read: 0,
      rows_written: 0,
      query_duration_ms: 0,
    },
  );
  const second = body.replace('CREATE TABLE t (', 'CREATE TABLE u (');
  const overSocket = [...common.slice(0, -1), second, '--unix-socket', kit.unixSocket];
  const local = await run('curl', [...overSocket, 'http://localhost/db/shop/v3/pipeline']);
  assert.match(local.stdout, /"last_insert_rowid":"4"/);
});

test('clients learn what is spoken', async () => {
  await using kit = await startHrana();
  for (const path of ['', 'health', 'v2', 'v3', 'v3-protobuf']) {
    const response = await fetch(kit.url + path);
    assert.deepEqual([response.status, await response.text()], [200, 'ok\n'], path);
  }
  const wrong = await fetch(`${kit.url}v1/execute`);
  assert.equal(wrong.status, 404);
  assert.equal(((await wrong.json()) as { readonly code: string }).code, 'HRANA_NOT_FOUND');
  assert.equal((await fetch(`${kit.url}v3/pipeline`)).status, 405);
  assert.equal((await fetch(`${kit.url}v3`, { method: 'DELETE' })).status, 405);
});

test('all requests of a stream, one after the other', async () => {
  await using kit = await startHrana();
  const { json } = await pipeline(kit, [
    { type: 'store_sql', sql_id: -7, sql: 'SELECT :a + ?2 AS sum' },
    {
      type: 'execute',
      stmt: {
        sql_id: -7,
        named_args: [
          { name: 'a', value: { type: 'integer', value: '40' } },
          { name: '?2', value: { type: 'integer', value: '2' } },
        ],
      },
    },
    { type: 'describe', sql_id: -7 },
    { type: 'describe', sql: 'EXPLAIN SELECT 1' },
    { type: 'sequence', sql: 'CREATE TABLE t (a TEXT); BEGIN; INSERT INTO t VALUES (1)' },
    { type: 'describe', sql: 'INSERT INTO t VALUES (?), ($b), (?5) RETURNING a' },
    { type: 'get_autocommit' },
    { type: 'execute', stmt: { sql: 'SELECT * FROM t', want_rows: false, unknown: { field: 1 } } },
    { type: 'execute', stmt: { sql: 'COMMIT', replication_index: '12' } },
    { type: 'get_autocommit' },
    { type: 'close_sql', sql_id: -7 },
    { type: 'close_sql', sql_id: -7 },
    { type: 'execute', stmt: { sql_id: -7 } },
    CLOSE,
    execute('SELECT 1'),
  ]);
  const answers = json.results.map((one: { readonly response: object }) => one.response);
  assert.equal(answers[1].result.rows[0][0].value, '42');
  assert.deepEqual(answers[2].result, {
    params: [{ name: ':a' }, { name: '?2' }],
    cols: [{ name: 'sum', decltype: null }],
    is_explain: false,
    is_readonly: true,
  });
  assert.equal(answers[3].result.is_explain, true);
  assert.deepEqual(answers[5].result, {
    params: [{ name: null }, { name: '$b' }, { name: null }, { name: null }, { name: '?5' }],
    cols: [{ name: 'a', decltype: 'TEXT' }],
    is_explain: false,
    is_readonly: false,
  });
  assert.equal(answers[6].is_autocommit, false);
  assert.deepEqual(answers[7].result.rows, []);
  assert.equal(answers[9].is_autocommit, true);
  assert.equal(json.results[12].error.code, 'SQL_STORE_NOT_FOUND');
  assert.equal(json.results[14].error.code, 'STREAM_CLOSED');
  assert.equal(json.baton, null);
});

test('conditions decide which steps are executed', async () => {
  await using kit = await startHrana();
  const step = (sql: string, condition?: object): object => ({ stmt: { sql }, condition });
  const ok = { type: 'ok', step: 0 };
  const bad = { type: 'error', step: 1 };
  const { json } = await pipeline(kit, [
    {
      type: 'batch',
      batch: {
        steps: [
          step('BEGIN'),
          step('SELEC 1'),
          step('SELECT 2', ok),
          step('SELECT 3', { type: 'not', cond: ok }),
          step('SELECT 4', { type: 'and', conds: [ok, bad] }),
          step('SELECT 5', {
            type: 'or',
            conds: [
              { type: 'ok', step: 3 },
              { type: 'error', step: 3 },
            ],
          }),
          step('SELECT 6', { type: 'is_autocommit' }),
          step('ROLLBACK', bad),
          step('SELECT 8', { type: 'is_autocommit' }),
          step('SELECT 9', { type: 'and', conds: [] }),
          step('SELECT 10', { type: 'or', conds: [] }),
        ],
      },
    },
    CLOSE,
  ]);
  const { step_results: results, step_errors: errors } = json.results[0].response.result;
  const done = results.map((one: object | null) => one !== null);
  assert.deepEqual(done, [true, false, true, false, true, false, false, true, true, true, false]);
  assert.deepEqual(errors[1], {
    message: 'near "SELEC": syntax error (at offset 0)',
    code: 'SQL_INPUT_ERROR',
  });
  assert.equal(errors.filter((one: unknown) => one !== null).length, 1);
});

test('a baton is good once, for whom it was given to', async () => {
  await using kit = await startHrana();
  const opened = await pipeline(kit, [execute('CREATE TABLE t (a)'), execute('BEGIN IMMEDIATE')]);
  const { baton } = opened.json;
  assert.match(baton, /^[0-9a-z]{16}\.[\w-]{43}$/);
  const add = [execute('INSERT INTO t VALUES (1)')];
  const stolen = await kit.post('v3/pipeline', { baton, requests: add }, TOKENS.bob);
  assert.deepEqual([stolen.status, stolen.json.code], [400, 'BATON_INVALID']);
  const next = await pipeline(kit, add, baton);
  assert.equal(next.json.results[0].type, 'ok');
  assert.notEqual(next.json.baton, baton);
  const replayed = await pipeline(kit, add, baton);
  assert.deepEqual([replayed.status, replayed.json.code], [400, 'BATON_REUSED']);
  for (const guess of ['', '.', 'x', `${baton.slice(0, 17)}`, `${next.json.baton}x`, 'a.b.c']) {
    const { status, json } = await pipeline(kit, add, guess);
    assert.equal(status, 400, guess);
    assert.match(json.code, /^BATON_/, guess);
  }
  const end = await pipeline(kit, [execute('COMMIT'), CLOSE], next.json.baton);
  assert.equal(end.json.baton, null);
  const gone = await pipeline(kit, add, next.json.baton);
  assert.equal(gone.json.code, 'STREAM_CLOSED');
  const count = await pipeline(kit, [execute('SELECT count(*) FROM t'), CLOSE]);
  assert.equal(count.json.results[0].response.result.rows[0][0].value, '1');
  assert.equal(kit.hrana.open.streams, 0);
});

test('two requests with one baton at once: one of them', async () => {
  await using kit = await startHrana();
  const { baton } = (await pipeline(kit, [execute('CREATE TABLE t (a)'), execute('BEGIN')])).json;
  const both = await Promise.all([
    pipeline(kit, [execute('INSERT INTO t VALUES (1)')], baton),
    pipeline(kit, [execute('INSERT INTO t VALUES (2)')], baton),
  ]);
  assert.deepEqual(new Set(both.map(({ status }) => status)), new Set([200, 400]));
});

test('what is idle or takes too long is rolled back, and says so', async () => {
  await using kit = await startHrana({
    streamIdleMs: 60,
    transactionIdleMs: 40,
    transactionMs: 100_000,
  });
  await pipeline(kit, [execute('CREATE TABLE t (a)'), CLOSE]);
  const writing = [execute('BEGIN IMMEDIATE'), execute('INSERT INTO t VALUES (1)')];
  const left = await pipeline(kit, writing);
  await until('the transaction is rolled back', () => kit.hrana.open.streams === 0);
  const late = await pipeline(kit, [execute('COMMIT')], left.json.baton);
  assert.deepEqual([late.status, late.json.code], [400, 'TRANSACTION_TIMEOUT']);
  const other = await kit.post('v3/pipeline', { baton: left.json.baton, requests: [] }, TOKENS.bob);
  assert.equal(other.json.code, 'BATON_INVALID');
  const idle = await pipeline(kit, [execute('SELECT count(*) FROM t')]);
  assert.equal(idle.json.results[0].response.result.rows[0][0].value, '0');
  await until('the stream is closed', () => kit.engine.sessions.size === 0);
  const expired = await pipeline(kit, [execute('SELECT 1')], idle.json.baton);
  assert.equal(expired.json.code, 'STREAM_EXPIRED');
});

test('a transaction that is kept busy ends too', async () => {
  await using kit = await startHrana({ transactionMs: 60 });
  let { json } = await pipeline(kit, [execute('BEGIN')]);
  const codes: string[] = [];
  await until('it was ended', async () => {
    ({ json } = await pipeline(kit, [execute('SELECT 1')], json.baton));
    const code = json.code ?? json.results[0].error?.code;
    if (code !== undefined) codes.push(code);
    return codes.length > 0;
  });
  assert.deepEqual(codes, ['TRANSACTION_TIMEOUT']);
});

test('a client that leaves before its answer loses its transaction', async () => {
  await using kit = await startHrana();
  await pipeline(kit, [execute('CREATE TABLE t (a)'), CLOSE]);
  // Another writer keeps it waiting.
  const holder = await pipeline(kit, [execute('BEGIN IMMEDIATE')]);
  const request = httpRequest(`${kit.url}v3/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKENS.bob}` },
  });
  request.on('error', () => undefined);
  const steps = [execute('BEGIN IMMEDIATE'), execute('INSERT INTO t VALUES (7)')];
  request.end(JSON.stringify({ baton: null, requests: steps }));
  await until('both streams are there', () => kit.engine.sessions.size === 2);
  request.destroy();
  await pipeline(kit, [execute('ROLLBACK'), CLOSE], holder.json.baton);
  await until('its session is closed', () => kit.engine.sessions.size === 0);
  const { json } = await pipeline(kit, [execute('SELECT count(*) FROM t'), CLOSE]);
  assert.equal(json.results[0].response.result.rows[0][0].value, '0');
});

test('a cursor streams rows as lines', async () => {
  await using kit = await startHrana({ rowsMax: 100, answerBytesMax: 1000 });
  const numbers =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n';
  const args = [{ type: 'integer', value: '10000' }];
  const steps = [
    { stmt: { sql: 'BEGIN' } },
    { stmt: { sql: numbers, args } },
    { stmt: { sql: 'SELECT abs(-9223372036854775807 - 1)' } },
    { stmt: { sql: 'SELECT 1' }, condition: { type: 'ok', step: 2 } },
  ];
  const { text } = await kit.post('v3/cursor', { baton: null, batch: { steps } });
  const lines = text.split('\n');
  assert.equal(lines.pop(), '');
  const [head, ...entries] = lines.map((line) => JSON.parse(line));
  const types = entries.map((entry: { readonly type: string }) => entry.type);
  assert.equal(types.filter((type) => type === 'row').length, 10_000);
  assert.deepEqual(
    types.filter((type) => type !== 'row'),
    ['step_begin', 'step_end', 'step_begin', 'step_end', 'step_error'],
  );
  assert.deepEqual(entries.at(-1).error.message, 'integer overflow');
  const whole = await pipeline(kit, [execute(numbers, args)], head.baton);
  assert.equal(whole.json.results[0].error.code, 'RESPONSE_TOO_LARGE');
  const few = await pipeline(kit, [execute(numbers, [{ type: 'integer', value: '90' }])]);
  assert.equal(few.json.results[0].error.code, 'RESPONSE_TOO_LARGE');
  const small = await pipeline(kit, [execute(numbers, [{ type: 'integer', value: '9' }])]);
  assert.equal(small.json.results[0].response.result.rows.length, 9);
});

test('an answer that is too large has changed nothing', async () => {
  await using kit = await startHrana({ rowsMax: 3 });
  await pipeline(kit, [
    execute('CREATE TABLE t (a)'),
    execute('INSERT INTO t VALUES (1), (2), (3), (4)'),
  ]);
  const { json } = await pipeline(kit, [
    execute('DELETE FROM t RETURNING a'),
    execute('SELECT count(*) FROM t'),
    CLOSE,
  ]);
  assert.equal(json.results[0].error.code, 'RESPONSE_TOO_LARGE');
  assert.equal(json.results[1].response.result.rows[0][0].value, '4');
});

test('a cursor whose client leaves lets go of its session', async () => {
  await using kit = await startHrana();
  const request = httpRequest(`${kit.url}v3/cursor`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKENS.ada}` },
  });
  request.on('error', () => undefined);
  const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n';
  request.end(JSON.stringify({ baton: null, batch: { steps: [{ stmt: { sql } }] } }));
  await new Promise<void>((resolve) => {
    request.on('response', (response) => response.once('data', () => resolve()));
  });
  request.destroy();
  await until('the session is closed', () => kit.engine.sessions.size === 0);
});

test('limits have names', async () => {
  await using kit = await startHrana({
    bodyBytesMax: 4_000,
    sqlCharactersMax: 500,
    argumentsMax: 5,
    requestsPerPipelineMax: 4,
    stepsPerBatchMax: 3,
    storedSqlMax: 2,
    streamsPerCallerMax: 2,
  });
  const code = async (requests: readonly unknown[]): Promise<string> => {
    const { json } = await pipeline(kit, [...requests, CLOSE]);
    return (
      json.code ?? json.results.find((one: { readonly error?: object }) => one.error)?.error.code
    );
  };
  const value = { type: 'null' };
  assert.equal(await code([execute(`SELECT '${'x'.repeat(500)}'`)]), 'SQL_TOO_LONG');
  assert.equal(await code([{ type: 'sequence', sql: ' '.repeat(501) }]), 'SQL_TOO_LONG');
  assert.equal(await code([execute('SELECT 1', Array(6).fill(value))]), 'HRANA_PROTO_ERROR');
  assert.equal(await code([CLOSE, CLOSE, CLOSE, CLOSE]), 'HRANA_PROTO_ERROR');
  const steps = Array(4).fill({ stmt: { sql: 'SELECT 1' } });
  assert.equal(await code([{ type: 'batch', batch: { steps } }]), 'HRANA_PROTO_ERROR');
  const store = (id: number): object => ({ type: 'store_sql', sql_id: id, sql: 'SELECT 1' });
  assert.equal(await code([store(1), store(2), store(3)]), 'SQL_STORE_TOO_MANY');
  assert.equal(await code([store(1), store(1)]), 'SQL_STORE_EXISTS');
  const large = await pipeline(kit, [execute(`SELECT '${'x'.repeat(5_000)}'`)]);
  assert.deepEqual([large.status, large.json.code], [413, 'HRANA_BODY_TOO_LARGE']);
  await pipeline(kit, [execute('SELECT 1')]);
  await pipeline(kit, [execute('SELECT 1')]);
  const third = await pipeline(kit, [execute('SELECT 1')]);
  assert.deepEqual([third.status, third.json.code], [503, 'HRANA_TOO_MANY_STREAMS']);
  const other = await kit.post('v3/pipeline', { requests: [CLOSE] }, TOKENS.bob);
  assert.equal(other.status, 200);
});

test('input that no honest client sends', async () => {
  await using kit = await startHrana({ bodyBytesMax: 1_000_000 });
  const wrong = async (body: unknown, message: RegExp, path = 'v3/pipeline'): Promise<void> => {
    const { status, json } = await kit.post(path, body);
    const shown = JSON.stringify(body).slice(0, 80);
    assert.deepEqual([status, json.code], [400, 'HRANA_PROTO_ERROR'], shown);
    assert.match(json.message, message, shown);
  };
  const one = (request: unknown): object => ({ baton: null, requests: [request] });
  const value = (given: unknown): object => one(execute('SELECT ?', [given]));
  await wrong('', /not JSON/);
  await wrong('{', /not JSON/);
  await wrong(Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/);
  await wrong('['.repeat(900_000), /more than 64 objects and lists/);
  await wrong(`{"requests":${'['.repeat(70)}${']'.repeat(70)}}`, /more than 64/);
  await wrong([], /"body" is a list, want an object/);
  await wrong({}, /"body\.requests" is undefined, want a list/);
  await wrong({ requests: {} }, /"body\.requests" is object, want a list/);
  await wrong({ baton: 7, requests: [] }, /"body\.baton" is number, want a string/);
  await wrong(one(null), /"body\.requests\[0\]" is null, want an object/);
  await wrong(one({}), /requests\[0\]\.type" is undefined, want one of close, execute/);
  await wrong(one({ type: 'drop' }), /type" is "drop", want one of/);
  await wrong(one({ type: '__proto__' }), /type" is "__proto__"/);
  await wrong(one({ type: 'toString' }), /type" is "toString"/);
  await wrong(one({ type: 'execute' }), /"body\.requests\[0\]\.stmt" is undefined/);
  await wrong(one({ type: 'execute', stmt: {} }), /either "sql" or "sql_id"/);
  await wrong(one({ type: 'execute', stmt: { sql: 'x', sql_id: 1 } }), /either "sql" or "sql_id"/);
  await wrong(one({ type: 'close_sql', sql_id: 2 ** 31 }), /32 bits/);
  await wrong(one({ type: 'close_sql', sql_id: 1.5 }), /32 bits/);
  await wrong(one({ type: 'close_sql', sql_id: '1' }), /32 bits/);
  await wrong('{"requests":[{"type":"close_sql","sql_id":1e999}]}', /32 bits/);
  await wrong(one({ type: 'sequence', sql: '\ud800' }), /half a surrogate pair/);
  await wrong(value({ type: 'integer', value: 1 }), /want a string of decimal digits/);
  await wrong(value({ type: 'integer', value: '0x10' }), /decimal digits/);
  await wrong(value({ type: 'integer', value: '' }), /decimal digits/);
  await wrong(value({ type: 'integer', value: '9223372036854775808' }), /64 bits do not hold/);
  await wrong(value({ type: 'integer', value: '-9223372036854775809' }), /64 bits do not hold/);
  await wrong(value({ type: 'float', value: '1' }), /want a number/);
  await wrong(value({ type: 'float', value: null }), /want a number/);
  await wrong(value({ type: 'text', value: 1 }), /want a string/);
  await wrong(value({ type: 'blob', base64: 'a' }), /not base64/);
  await wrong(value({ type: 'blob', base64: 'a*==' }), /not base64/);
  await wrong(value({ type: 'blob', value: 'aa' }), /want a string/);
  await wrong(value({ type: 'date', value: 1 }), /"date", want one of null, integer/);
  const batch = (condition: unknown): object =>
    one({ type: 'batch', batch: { steps: [{ stmt: { sql: 'SELECT 1' }, condition }] } });
  await wrong(batch({ type: 'ok', step: 0 }), /asks about step 0, which is not before it/);
  await wrong(batch({ type: 'ok', step: -1 }), /not below 0/);
  await wrong(batch({ type: 'not' }), /cond" is undefined, want an object/);
  await wrong(batch({ type: 'xor', conds: [] }), /"xor", want one of ok, error/);
  let deep: object = { type: 'is_autocommit' };
  for (let depth = 0; depth < 60; depth += 1) deep = { type: 'not', cond: deep };
  await wrong(batch(deep), /more than 64/);
  await wrong({ baton: null }, /"body\.batch" is undefined/, 'v3/cursor');
  const none = await kit.post('v3/pipeline', one(CLOSE), null);
  assert.deepEqual([none.status, none.json.code], [401, 'AUTH_HTTP_HEADER_MISSING']);
  const stranger = await kit.post('v3/pipeline', one(CLOSE), 'of-nobody');
  assert.deepEqual([stranger.status, stranger.json.code], [401, 'AUTH_JWT_INVALID']);
  const { status, json } = await pipeline(kit, [
    execute('SELECT ?', [{ type: 'blob', base64: 'AP8=' }]),
  ]);
  assert.deepEqual([status, json.results[0].response.result.rows[0][0].base64], [200, 'AP8']);
});
