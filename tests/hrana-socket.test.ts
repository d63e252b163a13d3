/** Hrana over WebSocket, and version 3 with cursors and Protobuf through a client that is not ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hranaClient } from '../testing/libsql-clients.ts';
import { until } from '../testing/until.ts';
import { type HranaKit, startHrana, TOKENS } from './hrana-kit.ts';

const NUMBERS =
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i, i * 0.5, CAST(i AS TEXT), CAST(i AS BLOB) FROM n';

for (const [name, open] of Object.entries({
  'http, protobuf': ({ url }: HranaKit) =>
    hranaClient.openHttp(url, TOKENS.ada, undefined, undefined, 3),
  'websocket, protobuf': ({ socketUrl }: HranaKit) => hranaClient.openWs(socketUrl, TOKENS.ada, 3),
})) {
  test(`version 3 over ${name}`, async () => {
    await using kit = await startHrana({ rowsMax: 5_000 });
    const client = open(kit);
    assert.equal(await client.getVersion(), 3);
    const stream = client.openStream();
    stream.intMode = 'bigint';

    await stream.run('CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)');
    const values = [
      2n ** 63n - 1n,
      -(2n ** 63n),
      -1n,
      1,
      -0.5,
      '',
      'å😀',
      null,
      new Uint8Array([0, 255]),
    ];
    for (const value of values) await stream.run(['INSERT INTO t (v) VALUES (?)', [value]]);
    const { rows, columnDecltypes } = await stream.query('SELECT v, id FROM t ORDER BY id');
    const plain = (value: unknown): unknown =>
      value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    assert.deepEqual(
      rows.map((row) => plain(row[0])),
      values,
    );
    assert.deepEqual(columnDecltypes, ['BLOB', 'INTEGER']);

    assert.equal(await stream.getAutocommit(), true);
    await stream.sequence('BEGIN; DELETE FROM t');
    assert.equal(await stream.getAutocommit(), false);
    await stream.run('ROLLBACK');
    const described = await stream.describe('UPDATE t SET v = :v WHERE id = ? RETURNING v');
    assert.deepEqual(described, {
      paramNames: [':v', undefined],
      columns: [{ name: 'v', decltype: 'BLOB' }],
      isExplain: false,
      isReadonly: false,
    });

    for (const useCursor of [false, true]) {
      const batch = stream.batch(useCursor);
      const good = batch.step();
      const first = good.query('SELECT 1');
      const bad = batch.step().condition(hranaClient.BatchCond.ok(good));
      const failure = assert.rejects(bad.query('SELECT * FROM nowhere'), /no such table/);
      const skipped = batch.step().condition(hranaClient.BatchCond.ok(bad)).query('SELECT 2');
      const last = batch
        .step()
        .condition(
          hranaClient.BatchCond.and(batch, [
            hranaClient.BatchCond.error(bad),
            hranaClient.BatchCond.not(
              hranaClient.BatchCond.not(hranaClient.BatchCond.isAutocommit(batch)),
            ),
          ]),
        )
        .queryValue('SELECT 3');
      await batch.execute();
      assert.equal((await first)?.rows.length, 1);
      await failure;
      assert.equal(await skipped, undefined);
      assert.equal((await last)?.value, 3n);
    }

    const sql = stream instanceof hranaClient.HttpStream ? stream.storeSql(NUMBERS) : NUMBERS;
    const large = stream.batch(true);
    const counted = large.step().query([sql, [10_000n]]);
    await large.execute();
    const all = (await counted)?.rows ?? [];
    assert.equal(all.length, 10_000);
    assert.deepEqual(Array.from(all[9_999] ?? [], plain), [
      10_000n,
      5_000,
      '10000',
      new TextEncoder().encode('10000'),
    ]);
    await assert.rejects(stream.query([sql, [10_000n]]), { code: 'RESPONSE_TOO_LARGE' });
    stream.closeGracefully();
    await until('the session is closed', () => kit.engine.sessions.size === 0);
    client.close();
  });
}

/** A WebSocket that speaks raw messages. */
class RawSocket {
  readonly #socket: WebSocket;
  readonly #answers: unknown[] = [];
  #waiting: ((answer: unknown) => void) | undefined;
  readonly closed: Promise<CloseEvent>;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.addEventListener('close', resolve);
    });
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      const answer = JSON.parse(data) as unknown;
      if (this.#waiting === undefined) this.#answers.push(answer);
      else this.#waiting(answer);
      this.#waiting = undefined;
    });
  }

  static async open(kit: HranaKit, protocols: readonly string[] = ['hrana3']): Promise<RawSocket> {
    const socket = new WebSocket(kit.socketUrl, [...protocols]);
    const raw = new RawSocket(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error('refused')));
    });
    return raw;
  }

  static async hello(kit: HranaKit): Promise<RawSocket> {
    const raw = await RawSocket.open(kit);
    raw.send({ type: 'hello', jwt: TOKENS.ada });
    assert.deepEqual(await raw.next(), { type: 'hello_ok' });
    return raw;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  send(message: unknown): void {
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  request(id: number, request: object): void {
    this.send({ type: 'request', request_id: id, request });
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into foreign JSON
  async next(): Promise<any> {
    if (this.#answers.length > 0) return this.#answers.shift();
    return await new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into foreign JSON
  async ask(id: number, request: object): Promise<any> {
    this.request(id, request);
    return await this.next();
  }

  close(): void {
    this.#socket.close();
  }
}

const open = (streamId: number): object => ({ type: 'open_stream', stream_id: streamId });
const execute = (streamId: number, sql: string): object => ({
  type: 'execute',
  stream_id: streamId,
  stmt: { sql },
});

test('the newest version that both speak', async () => {
  await using kit = await startHrana();
  for (const [offered, taken] of [
    [['hrana1', 'hrana2', 'hrana3'], 'hrana3'],
    [['hrana2', 'hrana1'], 'hrana2'],
    [['hrana1', 'other'], 'hrana1'],
    [[], ''],
  ] as const) {
    const raw = await RawSocket.open(kit, offered);
    assert.equal(raw.protocol, taken);
    raw.close();
  }
  await assert.rejects(RawSocket.open(kit, ['other']), /refused/);
});

test('streams side by side: one that waits holds up no other', async () => {
  await using kit = await startHrana();
  const raw = await RawSocket.hello(kit);
  for (const id of [1, 2, 3]) raw.request(id, open(id));
  raw.request(4, execute(1, 'CREATE TABLE t (a)'));
  for (let answers = 0; answers < 4; answers += 1) await raw.next();
  await raw.ask(5, execute(1, 'BEGIN IMMEDIATE'));
  raw.request(6, execute(2, 'BEGIN IMMEDIATE'));
  raw.request(7, execute(2, 'INSERT INTO t VALUES (2)'));
  raw.request(8, execute(2, 'SELECT a FROM t'));
  assert.equal((await raw.ask(9, execute(3, 'SELECT 9'))).request_id, 9);
  raw.request(10, execute(1, 'COMMIT'));
  const order = [];
  for (let answers = 0; answers < 4; answers += 1) order.push((await raw.next()).request_id);
  assert.deepEqual(order, [10, 6, 7, 8]);
  raw.close();
  await until('all sessions are closed', () => kit.engine.sessions.size === 0);
});

test('a connection lost inside a transaction rolls it back', async () => {
  await using kit = await startHrana();
  const raw = await RawSocket.hello(kit);
  await raw.ask(1, open(1));
  await raw.ask(2, execute(1, 'CREATE TABLE t (a)'));
  await raw.ask(3, execute(1, 'BEGIN IMMEDIATE'));
  await raw.ask(4, execute(1, 'INSERT INTO t VALUES (1)'));
  raw.close();
  const { json } = await kit.post('v3/pipeline', {
    requests: [
      { type: 'execute', stmt: { sql: 'INSERT INTO t VALUES (2)' } },
      { type: 'execute', stmt: { sql: 'SELECT group_concat(a) FROM t' } },
      { type: 'close' },
    ],
  });
  assert.equal(json.results[1].response.result.rows[0][0].value, '2');
  await until('all sessions are closed', () => kit.hrana.open.streams === 0);
});

test('a transaction that is idle is rolled back, the connection stays', async () => {
  await using kit = await startHrana({ transactionIdleMs: 30, streamIdleMs: 30 });
  const raw = await RawSocket.hello(kit);
  await raw.ask(1, open(1));
  await raw.ask(2, execute(1, 'CREATE TABLE t (a)'));
  await raw.ask(3, execute(1, 'BEGIN IMMEDIATE'));
  await until('the session is closed', () => kit.engine.sessions.size === 0);
  assert.equal((await raw.ask(4, execute(1, 'COMMIT'))).error.code, 'TRANSACTION_TIMEOUT');
  await raw.ask(5, { type: 'close_stream', stream_id: 1 });
  await raw.ask(6, open(1));
  assert.equal((await raw.ask(7, execute(1, 'SELECT 1'))).type, 'response_ok');
  raw.close();
});

test('cursors are fetched as far as one likes', async () => {
  await using kit = await startHrana({ entriesPerFetchMax: 500 });
  const raw = await RawSocket.hello(kit);
  await raw.ask(1, open(1));
  const args = [{ type: 'integer', value: '2000' }];
  const batch = { steps: [{ stmt: { sql: NUMBERS, args } }] };
  const opened = await raw.ask(2, { type: 'open_cursor', stream_id: 1, cursor_id: 9, batch });
  assert.equal(opened.response.type, 'open_cursor');
  const fetch = { type: 'fetch_cursor', cursor_id: 9, max_count: 1_000_000 };
  const { entries } = (await raw.ask(3, { ...fetch, max_count: 3 })).response;
  assert.deepEqual(
    entries.map((entry: { readonly type: string }) => entry.type),
    ['step_begin', 'row', 'row'],
  );
  assert.equal((await raw.ask(4, fetch)).response.entries.length, 500);
  assert.equal((await raw.ask(5, execute(1, 'SELECT 1'))).error.code, 'HRANA_CURSOR_OPEN');
  let fetched = 503;
  for (let isDone = false; !isDone;) {
    const { response } = await raw.ask(6, fetch);
    fetched += response.entries.length;
    isDone = response.done;
  }
  assert.equal(fetched, 2_002);
  assert.equal((await raw.ask(7, { ...fetch, cursor_id: 8 })).error.code, 'CURSOR_NOT_FOUND');
  await raw.ask(8, { type: 'close_cursor', cursor_id: 9 });
  assert.equal((await raw.ask(9, execute(1, 'SELECT 1'))).type, 'response_ok');
  // Closed in the middle, and one of a stream that is not there.
  await raw.ask(10, { type: 'open_cursor', stream_id: 1, cursor_id: 9, batch });
  await raw.ask(11, { ...fetch, max_count: 3 });
  await raw.ask(12, { type: 'close_cursor', cursor_id: 9 });
  assert.equal((await raw.ask(13, execute(1, 'CREATE TABLE t (a)'))).type, 'response_ok');
  const lost = await raw.ask(14, { type: 'open_cursor', stream_id: 5, cursor_id: 1, batch });
  assert.equal(lost.error.code, 'STREAM_NOT_FOUND');
  assert.equal((await raw.ask(15, { ...fetch, cursor_id: 1 })).error.code, 'STREAM_NOT_FOUND');
  // A stream takes its cursor along.
  await raw.ask(16, { type: 'open_cursor', stream_id: 1, cursor_id: 2, batch });
  const none = await raw.ask(17, { ...fetch, cursor_id: 2, max_count: 0 });
  assert.deepEqual(none.response, { type: 'fetch_cursor', entries: [], done: false });
  await raw.ask(18, { ...fetch, cursor_id: 2, max_count: 3 });
  await raw.ask(19, { type: 'close_stream', stream_id: 1 });
  assert.equal(kit.engine.sessions.size, 0);
  assert.equal((await raw.ask(20, { ...fetch, cursor_id: 2 })).error.code, 'CURSOR_NOT_FOUND');
  raw.close();
});

test('numbers that are used twice, not at all, or too often', async () => {
  await using kit = await startHrana({ streamsPerConnectionMax: 2 });
  const raw = await RawSocket.hello(kit);
  const codes = [];
  for (const request of [
    open(1),
    open(1),
    open(-5),
    open(3),
    execute(3, 'SELECT 1'),
    execute(4, 'SELECT 1'),
    { type: 'store_sql', sql_id: 1, sql: 'SELECT 1' },
    { type: 'execute', stream_id: -5, stmt: { sql_id: 1 } },
    { type: 'close_sql', sql_id: 1 },
    { type: 'execute', stream_id: -5, stmt: { sql_id: 1 } },
    { type: 'close_stream', stream_id: 77 },
  ]) {
    codes.push((await raw.ask(0, request)).error?.code);
  }
  assert.deepEqual(codes, [
    undefined,
    'STREAM_EXISTS',
    undefined,
    'HRANA_TOO_MANY_STREAMS',
    'HRANA_TOO_MANY_STREAMS',
    'STREAM_NOT_FOUND',
    undefined,
    undefined,
    undefined,
    'SQL_STORE_NOT_FOUND',
    undefined,
  ]);
  raw.close();
});

test('a client that breaks the protocol is cut, with the reason', async () => {
  await using kit = await startHrana({ bodyBytesMax: 1_000 });
  const cut = async (
    say: (raw: RawSocket) => void,
    code: number,
    reason: RegExp,
  ): Promise<void> => {
    const raw = await RawSocket.open(kit);
    say(raw);
    const event = await raw.closed;
    assert.equal(event.code, code);
    assert.match(event.reason, reason);
  };
  const hello = { type: 'hello', jwt: TOKENS.ada };
  await cut((raw) => raw.send('{'), 1002, /not JSON/);
  await cut((raw) => raw.send('['.repeat(500)), 1002, /more than 64/);
  await cut((raw) => raw.send({ type: 'bye' }), 1002, /"bye", want one of hello, request/);
  await cut((raw) => raw.sendBytes(new Uint8Array([1, 2])), 1003, /Messages are text here/);
  await cut((raw) => raw.request(1, open(1)), 1002, /first message must be "hello"/);
  await cut((raw) => raw.send({ type: 'hello', jwt: 'wrong' }), 1008, /No such token/);
  await cut((raw) => raw.send({ type: 'hello' }), 1008, /No such token/);
  await cut((raw) => raw.send(`"${'x'.repeat(2_000)}"`), 1009, /^$/);
  await cut(
    (raw) => {
      raw.send(hello);
      raw.send({ type: 'request', request_id: 'x', request: open(1) });
    },
    1002,
    /request_id" is string/,
  );
  await cut(
    (raw) => {
      raw.send(hello);
      const stored = { type: 'store_sql', sql_id: 1, sql: 'SELECT 1' };
      raw.request(1, stored);
      raw.request(2, stored);
    },
    1002,
    /There is a text 1 already/,
  );
});

test('a client that says nothing is cut', async () => {
  await using kit = await startHrana({ helloTimeoutMs: 20 });
  const raw = await RawSocket.open(kit);
  const { code, reason } = await raw.closed;
  assert.deepEqual([code, reason], [1008, 'No hello came in time']);
});

test('a client that floods is slowed, and gets every answer', async () => {
  await using kit = await startHrana({ requestsUnderWayMax: 4, unsentBytesMax: 10_000 });
  const raw = await RawSocket.hello(kit);
  raw.request(-1, open(1));
  const count = 300;
  for (let id = 0; id < count; id += 1) {
    raw.request(id, execute(1, `SELECT hex(zeroblob(2000)), ${id}`));
  }
  assert.equal((await raw.next()).request_id, -1);
  for (let id = 0; id < count; id += 1) assert.equal((await raw.next()).request_id, id);
  raw.close();
});

test('a node that stops rolls back and says good-bye', async () => {
  await using kit = await startHrana();
  const raw = await RawSocket.hello(kit);
  await raw.ask(1, open(1));
  await raw.ask(2, execute(1, 'BEGIN'));
  await kit.stop();
  await raw.closed;
  assert.equal(kit.engine.sessions.size, 0);
});
