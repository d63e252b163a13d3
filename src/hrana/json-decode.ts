/** Requests in JSON, the encoding of every version of Hrana. Throws `HRANA_PROTO_ERROR` and nothing else. */
import { checkConditions } from './conditions.ts';
import type { SqlValue } from './database.ts';
import { ProtocolError } from './errors.ts';
import {
  base64Of,
  booleanOf,
  chooseByType,
  field,
  fieldsOf,
  type Fields,
  floatOf,
  int32Of,
  int64Of,
  listOf,
  parseJson,
  stringOf,
  uint32Of,
} from './json-fields.ts';
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

export function decodePipelineJson(bytes: Uint8Array, limits: HranaLimits): PipelineRequest {
  const body = fieldsOf(parseJson(bytes, limits.depthMax), 'body');
  return {
    baton: optional(body, 'baton', 'body', stringOf),
    requests: listOf(
      field(body, 'requests'),
      'body.requests',
      limits.requestsPerPipelineMax,
      (item, path) => streamRequest(fieldsOf(item, path), path, limits),
    ),
  };
}

export function decodeCursorJson(bytes: Uint8Array, limits: HranaLimits): CursorRequest {
  const body = fieldsOf(parseJson(bytes, limits.depthMax), 'body');
  return {
    baton: optional(body, 'baton', 'body', stringOf),
    batch: batchOf(field(body, 'batch'), 'body.batch', limits),
  };
}

export function decodeMessageJson(bytes: Uint8Array, limits: HranaLimits): ClientMessage {
  const message = fieldsOf(parseJson(bytes, limits.depthMax), 'message');
  return chooseByType<ClientMessage>(message, 'message', {
    hello: (fields, path) => ({ type: 'hello', token: optional(fields, 'jwt', path, stringOf) }),
    request: (fields, path) => ({
      type: 'request',
      requestId: int32Of(field(fields, 'request_id'), `${path}.request_id`),
      request: socketRequest(
        fieldsOf(field(fields, 'request'), `${path}.request`),
        'request',
        limits,
      ),
    }),
  });
}

function streamRequest(fields: Fields, path: string, limits: HranaLimits): StreamRequest {
  return chooseByType<StreamRequest>(fields, path, {
    close: () => ({ type: 'close' }),
    execute: () => ({ type: 'execute', statement: statementIn(fields, path, limits) }),
    batch: () => ({ type: 'batch', batch: batchIn(fields, path, limits) }),
    sequence: () => ({ type: 'sequence', text: textOf(fields, path) }),
    describe: () => ({ type: 'describe', text: textOf(fields, path) }),
    store_sql: () => ({ type: 'store_sql', ...storedIn(fields, path) }),
    close_sql: () => ({ type: 'close_sql', sqlId: numberIn(fields, 'sql_id', path) }),
    get_autocommit: () => ({ type: 'get_autocommit' }),
  });
}

function socketRequest(fields: Fields, path: string, limits: HranaLimits): SocketRequest {
  const streamId = (): number => numberIn(fields, 'stream_id', path);
  const cursorId = (): number => numberIn(fields, 'cursor_id', path);
  return chooseByType<SocketRequest>(fields, path, {
    open_stream: () => ({ type: 'open_stream', streamId: streamId() }),
    close_stream: () => ({ type: 'close_stream', streamId: streamId() }),
    execute: () => ({
      type: 'execute',
      streamId: streamId(),
      statement: statementIn(fields, path, limits),
    }),
    batch: () => ({ type: 'batch', streamId: streamId(), batch: batchIn(fields, path, limits) }),
    sequence: () => ({ type: 'sequence', streamId: streamId(), text: textOf(fields, path) }),
    describe: () => ({ type: 'describe', streamId: streamId(), text: textOf(fields, path) }),
    get_autocommit: () => ({ type: 'get_autocommit', streamId: streamId() }),
    open_cursor: () => ({
      type: 'open_cursor',
      streamId: streamId(),
      cursorId: cursorId(),
      batch: batchIn(fields, path, limits),
    }),
    close_cursor: () => ({ type: 'close_cursor', cursorId: cursorId() }),
    fetch_cursor: () => ({
      type: 'fetch_cursor',
      cursorId: cursorId(),
      maxCount: uint32Of(field(fields, 'max_count'), `${path}.max_count`),
    }),
    store_sql: () => ({ type: 'store_sql', ...storedIn(fields, path) }),
    close_sql: () => ({ type: 'close_sql', sqlId: numberIn(fields, 'sql_id', path) }),
  });
}

/** An absent field and null are the same. */
function optional<T>(
  fields: Fields,
  name: string,
  path: string,
  read: (value: unknown, path: string) => T,
): T | undefined {
  const value = field(fields, name);
  return value === undefined || value === null ? undefined : read(value, `${path}.${name}`);
}

function numberIn(fields: Fields, name: string, path: string): number {
  return int32Of(field(fields, name), `${path}.${name}`);
}

function storedIn(fields: Fields, path: string): { readonly sqlId: number; readonly sql: string } {
  return {
    sqlId: numberIn(fields, 'sql_id', path),
    sql: stringOf(field(fields, 'sql'), `${path}.sql`),
  };
}

function statementIn(fields: Fields, path: string, limits: HranaLimits): WireStatement {
  return statementOf(field(fields, 'stmt'), `${path}.stmt`, limits);
}

function batchIn(fields: Fields, path: string, limits: HranaLimits): Batch {
  return batchOf(field(fields, 'batch'), `${path}.batch`, limits);
}

function batchOf(value: unknown, path: string, limits: HranaLimits): Batch {
  const steps = field(fieldsOf(value, path), 'steps');
  return checkConditions({
    steps: listOf(steps, `${path}.steps`, limits.stepsPerBatchMax, (item, at): BatchStep => {
      const step = fieldsOf(item, at);
      return {
        condition: optional(step, 'condition', at, (condition, where) =>
          conditionOf(condition, where, limits),
        ),
        statement: statementIn(step, at, limits),
      };
    }),
  });
}

/** As deep as `depthMax` lets the message be. */
function conditionOf(value: unknown, path: string, limits: HranaLimits): Condition {
  const fields = fieldsOf(value, path);
  const step = (): number => uint32Of(field(fields, 'step'), `${path}.step`);
  const conditions = (): readonly Condition[] =>
    listOf(field(fields, 'conds'), `${path}.conds`, limits.stepsPerBatchMax, (item, at) =>
      conditionOf(item, at, limits),
    );
  return chooseByType<Condition>(fields, path, {
    ok: () => ({ type: 'ok', step: step() }),
    error: () => ({ type: 'error', step: step() }),
    not: () => ({
      type: 'not',
      condition: conditionOf(field(fields, 'cond'), `${path}.cond`, limits),
    }),
    and: () => ({ type: 'and', conditions: conditions() }),
    or: () => ({ type: 'or', conditions: conditions() }),
    is_autocommit: () => ({ type: 'is_autocommit' }),
  });
}

function statementOf(value: unknown, path: string, limits: HranaLimits): WireStatement {
  const fields = fieldsOf(value, path);
  const max = limits.argumentsMax;
  return {
    text: textOf(fields, path),
    args: optional(fields, 'args', path, (list, at) => listOf(list, at, max, valueOf)) ?? [],
    namedArgs:
      optional(fields, 'named_args', path, (list, at) => listOf(list, at, max, namedOf)) ?? [],
    wantRows: optional(fields, 'want_rows', path, booleanOf) ?? true,
  };
}

function namedOf(value: unknown, path: string): NamedArgument {
  const fields = fieldsOf(value, path);
  return {
    name: stringOf(field(fields, 'name'), `${path}.name`),
    value: valueOf(field(fields, 'value'), `${path}.value`),
  };
}

function textOf(fields: Fields, path: string): SqlText {
  const sql = optional(fields, 'sql', path, stringOf);
  const sqlId = optional(fields, 'sql_id', path, int32Of);
  if (sql !== undefined && sqlId === undefined) return sql;
  if (sql === undefined && sqlId !== undefined) return { sqlId };
  throw new ProtocolError(`"${path}" must have either "sql" or "sql_id"`);
}

const VALUE_READERS: Readonly<Record<string, (fields: Fields, path: string) => SqlValue>> = {
  null: () => null,
  integer: (fields, path) => int64Of(field(fields, 'value'), `${path}.value`),
  float: (fields, path) => floatOf(field(fields, 'value'), `${path}.value`),
  text: (fields, path) => stringOf(field(fields, 'value'), `${path}.value`),
  blob: (fields, path) => base64Of(field(fields, 'base64'), `${path}.base64`),
};

function valueOf(value: unknown, path: string): SqlValue {
  return chooseByType(fieldsOf(value, path), path, VALUE_READERS);
}
