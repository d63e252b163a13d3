/** Requests in Protobuf (Hrana 3). Numbers of fields are the specification's. Throws `HRANA_PROTO_ERROR` and nothing else. */
import { checkConditions } from './conditions.ts';
import type { SqlValue } from './database.ts';
import { ProtocolError } from './errors.ts';
import type { HranaLimits } from './limits.ts';
import type {
  Batch,
  BatchStep,
  ClientMessage,
  Condition,
  CursorRequest,
  NamedArgument,
  PipelineRequest,
  SocketRequest,
  SqlText,
  StreamRequest,
  WireStatement,
} from './model.ts';
import { type Field, ProtobufReader } from './protobuf-reader.ts';

type Readers<T> = Readonly<Record<number, (field: Field) => T>>;

export function decodePipelineProtobuf(bytes: Uint8Array, limits: HranaLimits): PipelineRequest {
  let baton: string | undefined;
  const requests: StreamRequest[] = [];
  reader(bytes, 'body', limits).each((field) => {
    if (field.number === 1) baton = field.string();
    if (field.number === 2) {
      add(requests, streamRequest(field.message(), limits), limits.requestsPerPipelineMax);
    }
  });
  return { baton, requests };
}

export function decodeCursorProtobuf(bytes: Uint8Array, limits: HranaLimits): CursorRequest {
  let baton: string | undefined;
  let batch: Batch | undefined;
  reader(bytes, 'body', limits).each((field) => {
    if (field.number === 1) baton = field.string();
    if (field.number === 2) batch = batchOf(field.message(), limits);
  });
  return { baton, batch: present(batch, 'batch') };
}

export function decodeMessageProtobuf(bytes: Uint8Array, limits: HranaLimits): ClientMessage {
  return chosen<ClientMessage>(reader(bytes, 'message', limits), 'message', {
    1: (field) => {
      let token: string | undefined;
      field.message().each((inner) => {
        if (inner.number === 1) token = inner.string();
      });
      return { type: 'hello', token };
    },
    2: (field) => {
      let requestId = 0;
      let request: SocketRequest | undefined;
      field.message().each((inner) => {
        if (inner.number === 1) requestId = inner.int32();
        else request = socketRequest(inner, limits) ?? request;
      });
      return { type: 'request', requestId, request: present(request, 'request') };
    },
  });
}

function reader(bytes: Uint8Array, path: string, limits: HranaLimits): ProtobufReader {
  return new ProtobufReader(bytes, path, limits.depthMax);
}

/** The one field of a `oneof`; the last one counts, as Protobuf has it. */
function chosen<T>(message: ProtobufReader, what: string, readers: Readers<T>): T {
  let found: T | undefined;
  message.each((field) => {
    found = readers[field.number]?.(field) ?? found;
  });
  return present(found, what);
}

function present<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value;
  throw new ProtocolError(`"${what}" is missing, or of a kind that is not known`);
}

function add<T>(list: T[], item: T, max: number): void {
  if (list.length >= max) throw new ProtocolError(`A list has more than ${max} items`);
  list.push(item);
}

function streamRequest(message: ProtobufReader, limits: HranaLimits): StreamRequest {
  return chosen<StreamRequest>(message, 'request', {
    1: () => ({ type: 'close' }),
    2: (field) => ({
      type: 'execute',
      statement: present(body(field, limits, 1).statement, 'stmt'),
    }),
    3: (field) => ({ type: 'batch', batch: present(body(field, limits, 1).batch, 'batch') }),
    4: (field) => ({ type: 'sequence', text: textIn(field.message(), 1, 2) }),
    5: (field) => ({ type: 'describe', text: textIn(field.message(), 1, 2) }),
    6: (field) => ({ type: 'store_sql', ...storedIn(field) }),
    7: (field) => ({ type: 'close_sql', sqlId: numbersIn(field).first }),
    8: () => ({ type: 'get_autocommit' }),
  });
}

function socketRequest(field: Field, limits: HranaLimits): SocketRequest | undefined {
  const streamId = (): number => numbersIn(field).first;
  switch (field.number) {
    case 2:
      return { type: 'open_stream', streamId: streamId() };
    case 3:
      return { type: 'close_stream', streamId: streamId() };
    case 4: {
      const { first, statement } = body(field, limits, 2);
      return { type: 'execute', streamId: first, statement: present(statement, 'stmt') };
    }
    case 5: {
      const { first, batch } = body(field, limits, 2);
      return { type: 'batch', streamId: first, batch: present(batch, 'batch') };
    }
    case 6: {
      const { first, second, batch } = body(field, limits, 3);
      return {
        type: 'open_cursor',
        streamId: first,
        cursorId: second,
        batch: present(batch, 'batch'),
      };
    }
    case 7:
      return { type: 'close_cursor', cursorId: streamId() };
    case 8: {
      const { first, second } = numbersIn(field);
      return { type: 'fetch_cursor', cursorId: first, maxCount: second >>> 0 };
    }
    case 9:
      return { type: 'sequence', streamId: streamId(), text: textIn(field.message(), 2, 3) };
    case 10:
      return { type: 'describe', streamId: streamId(), text: textIn(field.message(), 2, 3) };
    case 11:
      return { type: 'store_sql', ...storedIn(field) };
    case 12:
      return { type: 'close_sql', sqlId: streamId() };
    case 13:
      return { type: 'get_autocommit', streamId: streamId() };
    default:
      return undefined;
  }
}

/** Fields 1 and 2 as far as they are numbers; an absent one is 0. */
function numbersIn(field: Field): { readonly first: number; readonly second: number } {
  let first = 0;
  let second = 0;
  field.message().each((inner) => {
    if (inner.number === 1) first = inner.int32();
    // A request that has no second number has text or a message there, which this is not asked for.
    if (inner.number === 2 && field.number === 8) second = inner.uint32();
  });
  return { first, second };
}

/** A request whose statement or batch is field `place`, with numbers before it. */
function body(
  field: Field,
  limits: HranaLimits,
  place: number,
): {
  readonly first: number;
  readonly second: number;
  readonly statement: WireStatement | undefined;
  readonly batch: Batch | undefined;
} {
  // Field 4 of a WebSocket's requests and field 2 over HTTP are `execute`, the others hold a batch.
  const isStatement = place === 1 ? field.number === 2 : field.number === 4;
  let first = 0;
  let second = 0;
  let statement: WireStatement | undefined;
  let batch: Batch | undefined;
  field.message().each((inner) => {
    if (inner.number === place) {
      if (isStatement) statement = statementOf(inner.message(), limits);
      else batch = batchOf(inner.message(), limits);
    } else if (inner.number === 1) first = inner.int32();
    else if (inner.number === 2) second = inner.int32();
  });
  return { first, second, statement, batch };
}

function storedIn(field: Field): { readonly sqlId: number; readonly sql: string } {
  let sqlId = 0;
  let sql = '';
  field.message().each((inner) => {
    if (inner.number === 1) sqlId = inner.int32();
    if (inner.number === 2) sql = inner.string();
  });
  return { sqlId, sql };
}

function textIn(message: ProtobufReader, sqlField: number, idField: number): SqlText {
  let sql: string | undefined;
  let sqlId: number | undefined;
  message.each((field) => {
    if (field.number === sqlField) sql = field.string();
    if (field.number === idField) sqlId = field.int32();
  });
  return textOf(sql, sqlId);
}

function textOf(sql: string | undefined, sqlId: number | undefined): SqlText {
  if (sql !== undefined && sqlId === undefined) return sql;
  if (sql === undefined && sqlId !== undefined) return { sqlId };
  throw new ProtocolError('A statement must have either "sql" or "sql_id"');
}

function batchOf(message: ProtobufReader, limits: HranaLimits): Batch {
  const steps: BatchStep[] = [];
  message.each((field) => {
    if (field.number !== 1) return;
    let condition: Condition | undefined;
    let statement: WireStatement | undefined;
    field.message().each((inner) => {
      if (inner.number === 1) condition = conditionOf(inner.message(), limits);
      if (inner.number === 2) statement = statementOf(inner.message(), limits);
    });
    add(steps, { condition, statement: present(statement, 'stmt') }, limits.stepsPerBatchMax);
  });
  return checkConditions({ steps });
}

function conditionOf(message: ProtobufReader, limits: HranaLimits): Condition {
  const list = (field: Field): readonly Condition[] => {
    const conditions: Condition[] = [];
    field.message().each((inner) => {
      if (inner.number !== 1) return;
      add(conditions, conditionOf(inner.message(), limits), limits.stepsPerBatchMax);
    });
    return conditions;
  };
  return chosen<Condition>(message, 'condition', {
    1: (field) => ({ type: 'ok', step: field.uint32() }),
    2: (field) => ({ type: 'error', step: field.uint32() }),
    3: (field) => ({ type: 'not', condition: conditionOf(field.message(), limits) }),
    4: (field) => ({ type: 'and', conditions: list(field) }),
    5: (field) => ({ type: 'or', conditions: list(field) }),
    6: () => ({ type: 'is_autocommit' }),
  });
}

function statementOf(message: ProtobufReader, limits: HranaLimits): WireStatement {
  let sql: string | undefined;
  let sqlId: number | undefined;
  let wantRows = true;
  const args: SqlValue[] = [];
  const namedArgs: NamedArgument[] = [];
  message.each((field) => {
    if (field.number === 1) sql = field.string();
    if (field.number === 2) sqlId = field.int32();
    if (field.number === 3) add(args, valueOf(field.message()), limits.argumentsMax);
    if (field.number === 4) add(namedArgs, namedOf(field.message()), limits.argumentsMax);
    if (field.number === 5) wantRows = field.bool();
  });
  return { text: textOf(sql, sqlId), args, namedArgs, wantRows };
}

function namedOf(message: ProtobufReader): NamedArgument {
  let name = '';
  let value: SqlValue | undefined;
  message.each((field) => {
    if (field.number === 1) name = field.string();
    if (field.number === 2) value = valueOf(field.message());
  });
  return { name, value: present(value, 'value') };
}

function valueOf(message: ProtobufReader): SqlValue {
  return chosen<{ readonly value: SqlValue }>(message, 'value', {
    1: () => ({ value: null }),
    2: (field) => ({ value: field.sint64() }),
    3: (field) => ({ value: field.double() }),
    4: (field) => ({ value: field.string() }),
    5: (field) => ({ value: field.bytes() }),
  }).value;
}
