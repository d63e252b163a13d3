/** Decoders get honest messages, damaged ones and noise: they throw `HRANA_PROTO_ERROR` or nothing. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { type Seeded, seeded } from '../../testing/seeded.ts';
import { JSON_ENCODING, PROTOBUF_ENCODING } from './encodings.ts';
import { isProtocolError } from './errors.ts';
import { DEFAULT_LIMITS, type HranaLimits } from './limits.ts';
import { ProtobufWriter, type WriteMessage } from './protobuf-writer.ts';

const ROUNDS = 2_000;
const LIMITS: HranaLimits = { ...DEFAULT_LIMITS, depthMax: 12 };
const KEYS = [
  'type',
  'baton',
  'requests',
  'stmt',
  'sql',
  'sql_id',
  'args',
  'named_args',
  'name',
  'value',
  'want_rows',
  'batch',
  'steps',
  'condition',
  'cond',
  'conds',
  'step',
  'base64',
  'request',
  'request_id',
  'stream_id',
  'cursor_id',
  'max_count',
  'jwt',
  '__proto__',
  'constructor',
  'x',
] as const;
const TYPES = [
  'close',
  'execute',
  'batch',
  'sequence',
  'describe',
  'store_sql',
  'close_sql',
  'hello',
  'request',
  'open_stream',
  'open_cursor',
  'fetch_cursor',
  'integer',
  'float',
  'text',
  'blob',
  'null',
  'ok',
  'error',
  'not',
  'and',
  'or',
  'is_autocommit',
  'get_autocommit',
  '',
  'toString',
];

const OPEN_CURSOR = { type: 'open_cursor', stream_id: 1, cursor_id: 2 };

function honest(random: Seeded): unknown {
  const value = (): object =>
    random.pick([
      { type: 'null' },
      { type: 'integer', value: String(random.below(2 ** 31)) },
      { type: 'float', value: random.next() },
      { type: 'text', value: 'å' },
      { type: 'blob', base64: 'AAE' },
    ]);
  const stmt = (): object => ({
    sql: 'SELECT ?',
    args: Array.from({ length: random.below(4) }, value),
    named_args: [{ name: ':a', value: value() }],
    want_rows: true,
  });
  const batch = { steps: [{ stmt: stmt() }, { stmt: stmt(), condition: { type: 'ok', step: 0 } }] };
  const request = random.pick<object>([
    { type: 'execute', stmt: stmt(), stream_id: 1 },
    { type: 'batch', batch, stream_id: 1 },
    { type: 'sequence', sql: 'SELECT 1', stream_id: 1 },
    { type: 'store_sql', sql_id: 1, sql: 'SELECT 1' },
  ]);
  return random.pick<unknown>([
    { baton: null, requests: [request, { type: 'close' }] },
    { baton: 'x', batch },
    { type: 'request', request_id: 1, request },
    { type: 'request', request_id: 1, request: { ...OPEN_CURSOR, batch } },
    { type: 'hello', jwt: 'x' },
  ]);
}

function noise(random: Seeded, depth: number): unknown {
  if (depth === 0 || random.chance(0.3)) {
    return random.pick<unknown>([
      null,
      true,
      0,
      -1,
      1.5,
      2 ** 53,
      1e308,
      '',
      '9',
      '9'.repeat(30),
      '\ud800',
      'AA==',
      'å',
      ...TYPES,
    ]);
  }
  const items = Array.from({ length: random.below(4) }, () => noise(random, depth - 1));
  if (random.chance(0.4)) return items;
  return Object.fromEntries([
    ['type', random.pick(TYPES)],
    ...items.map((item) => [random.pick(KEYS), item] as const),
  ]);
}

/** Replaces something somewhere. */
function damaged(value: unknown, random: Seeded): unknown {
  if (random.chance(0.12)) return noise(random, 2);
  if (Array.isArray(value)) return value.map((item: unknown) => damaged(item, random));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(() => !random.chance(0.03))
      .map(([key, item]) => [random.chance(0.03) ? random.pick(KEYS) : key, damaged(item, random)]),
  );
}

function flipped(bytes: Uint8Array, random: Seeded): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let count = random.below(4); count > 0 && copy.length > 0; count -= 1) {
    copy[random.below(copy.length)] = random.below(256);
  }
  return random.chance(0.3) ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

/** Fields with the numbers and kinds that Hrana uses, more or less in the right places. */
function randomMessage(random: Seeded, depth: number): WriteMessage {
  return (writer) => {
    for (let count = random.below(4); count >= 0; count -= 1) {
      const field = 1 + random.below(random.chance(0.9) ? 8 : 14);
      const kind = random.below(depth > 0 ? 8 : 5);
      if (kind === 0) writer.integer(field, random.below(2 ** 31) - 2 ** 30);
      else if (kind === 1) writer.string(field, random.pick(['SELECT ?', '', 'å']));
      else if (kind === 2) writer.double(field, random.next());
      else if (kind === 3) writer.sint64(field, BigInt(random.below(2 ** 31)));
      else if (kind === 4) writer.bytes(field, Uint8Array.of(random.below(256)));
      else writer.message(field, randomMessage(random, depth - 1));
    }
  };
}

function written(write: WriteMessage): Uint8Array {
  const writer = new ProtobufWriter();
  write(writer);
  return writer.finish();
}

/** How many of the three decoders took it. */
function decodeAll(encoding: typeof JSON_ENCODING, bytes: Uint8Array, why: () => string): number {
  let taken = 0;
  for (const decode of ['decodePipeline', 'decodeCursor', 'decodeMessage'] as const) {
    try {
      encoding[decode](bytes, LIMITS);
      taken += 1;
    } catch (error) {
      if (!isProtocolError(error)) throw new Error(why(), { cause: error });
    }
  }
  return taken;
}

test('JSON: a message is taken or refused, nothing else', () => {
  const seed = Number(process.env['MOLN_FUZZ_SEED'] ?? randomInt(2 ** 31));
  const random = seeded(seed);
  let taken = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const good = Buffer.from(JSON.stringify(honest(random)));
    assert.equal(
      decodeAll(JSON_ENCODING, good, () => `seed ${seed}`),
      1,
      `seed ${seed}: ${String(good)}`,
    );
    const value = random.chance(0.5) ? damaged(honest(random), random) : noise(random, 6);
    const text = Buffer.from(JSON.stringify(value));
    const bytes = random.chance(0.3) ? flipped(text, random) : text;
    taken += decodeAll(
      JSON_ENCODING,
      bytes,
      () => `seed ${seed}: ${Buffer.from(bytes).toString()}`,
    );
  }
  assert.ok(taken > ROUNDS / 50, `only ${taken} damaged messages were taken, seed ${seed}`);
});

test('Protobuf: a message is taken or refused, nothing else', () => {
  const seed = Number(process.env['MOLN_FUZZ_SEED'] ?? randomInt(2 ** 31));
  const random = seeded(seed);
  let taken = 0;
  for (let round = 0; round < 3 * ROUNDS; round += 1) {
    const message = written(randomMessage(random, 7));
    const bytes = random.chance(0.4) ? flipped(message, random) : message;
    const why = (): string => `seed ${seed}: ${Buffer.from(bytes).toString('hex')}`;
    taken += decodeAll(PROTOBUF_ENCODING, bytes, why);
  }
  assert.ok(taken > 0, `nothing was taken, seed ${seed}`);
});

test('Protobuf: depth is limited as in JSON', () => {
  let condition: WriteMessage = (writer) => writer.message(6, () => undefined);
  for (let depth = 0; depth < 1_000; depth += 1) {
    const inner = condition;
    condition = (writer) => writer.message(3, inner);
  }
  const bytes = written((body) =>
    body.message(2, (batch) => batch.message(1, (step) => step.message(1, condition))),
  );
  assert.throws(() => PROTOBUF_ENCODING.decodeCursor(bytes, DEFAULT_LIMITS), {
    code: 'HRANA_PROTO_ERROR',
    message: /too many messages in each other/,
  });
});
