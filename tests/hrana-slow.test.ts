/** Clients that take or send nothing any more, or noise: each is cut, and what it held is free again. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { seeded } from '../testing/seeded.ts';
import { until } from '../testing/until.ts';
import { type HranaKit, startHrana, TOKENS } from './hrana-kit.ts';

const ENDLESS =
  'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, hex(zeroblob(500)) FROM n';

async function opened({ port }: HranaKit): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  // Being cut is what it is here for.
  socket.on('error', () => undefined);
  await new Promise((resolve) => {
    socket.once('connect', resolve);
  });
  return socket;
}

function head(path: string, bytes: number): string {
  return `POST /db/shop/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKENS.ada}\r\nContent-Length: ${bytes}\r\n\r\n`;
}

function posted(path: string, body: object): string {
  const text = JSON.stringify(body);
  return head(path, Buffer.byteLength(text)) + text;
}

test('a cursor that is not read any more', async () => {
  await using kit = await startHrana({ answerStallMs: 50 });
  const socket = await opened(kit);
  socket.pause();
  socket.write(posted('v3/cursor', { batch: { steps: [{ stmt: { sql: ENDLESS } }] } }));
  await until('it has begun', () => kit.hrana.open.streams === 1);
  await until('its stream is closed', () => kit.hrana.open.streams === 0);
  assert.equal(kit.engine.sessions.size, 0);
  socket.destroy();
});

test('a whole answer that is not read', async () => {
  await using kit = await startHrana({ answerStallMs: 50 });
  const sql = `SELECT hex(zeroblob(4000000))`;
  const socket = await opened(kit);
  socket.pause();
  const one = posted('v3/pipeline', { requests: [{ type: 'execute', stmt: { sql } }] });
  socket.write(one);
  await until('it is cut', () => {
    socket.write('\r\n');
    return socket.destroyed || !socket.writable;
  });
});

test('a body that does not come', async () => {
  await using kit = await startHrana({ bodyTimeoutMs: 30 });
  const socket = await opened(kit);
  socket.write(`${head('v3/pipeline', 100)}{"requests"`);
  const [answer] = (await new Promise((resolve) => {
    socket.once('data', (...all: Buffer[]) => resolve(all));
  })) as readonly Buffer[];
  assert.match(String(answer), /^HTTP\/1\.1 408 [\s\S]*HRANA_BODY_TIMEOUT/);
  socket.destroy();
});

test('a WebSocket that answers no ping', async () => {
  await using kit = await startHrana({ pingMs: 30 });
  const socket = await opened(kit);
  socket.write(UPGRADE);
  await until('it is open', () => kit.hrana.open.connections === 1);
  await until('it is cut', () => kit.hrana.open.connections === 0);
  socket.destroy();
});

const UPGRADE =
  'GET /db/shop/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: hrana3\r\n\r\n';

test('noise instead of requests, frames and handshakes', async () => {
  await using kit = await startHrana();
  const seed = Number(process.env['MOLN_FUZZ_SEED'] ?? process.hrtime.bigint() % 2n ** 31n);
  const random = seeded(seed);
  const noise = (): Buffer =>
    Buffer.from(Array.from({ length: 1 + random.below(200) }, () => random.below(256)));
  const openings = [
    '',
    UPGRADE,
    UPGRADE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'x'),
    UPGRADE.replace('hrana3', 'hrana3-protobuf'),
    head('v3/pipeline', 50),
    head('v3-protobuf/cursor', 20),
  ];
  for (let round = 0; round < 120; round += 1) {
    const socket = await opened(kit);
    socket.resume();
    socket.write(random.pick(openings));
    socket.write(noise());
    socket.end(noise());
    await new Promise((resolve) => {
      socket.once('close', resolve);
    });
  }
  await until('nothing is left', () => {
    const { streams, connections } = kit.hrana.open;
    return streams === 0 && connections === 0 && kit.engine.sessions.size === 0;
  });
  const { status } = await kit.post('v3/pipeline', { requests: [{ type: 'close' }] });
  assert.equal(status, 200, `seed ${seed}`);
});
