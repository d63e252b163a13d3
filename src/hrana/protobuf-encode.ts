/** Answers in Protobuf (Hrana 3). Numbers of fields are the specification's. */
import type { Column, SqlRow, SqlValue, StatementResult } from './database.ts';
import type { WireError } from './errors.ts';
import type {
  BatchResult,
  CursorEntry,
  DescribeResult,
  PipelineAnswer,
  ServerMessage,
  SocketResponse,
  StreamResponse,
} from './model.ts';
import { ProtobufWriter, type WriteMessage } from './protobuf-writer.ts';

const EMPTY: WriteMessage = () => undefined;

const STREAM_RESPONSES: Readonly<Record<StreamResponse['type'], number>> = {
  close: 1,
  execute: 2,
  batch: 3,
  sequence: 4,
  describe: 5,
  store_sql: 6,
  close_sql: 7,
  get_autocommit: 8,
};

const SOCKET_RESPONSES: Readonly<Record<SocketResponse['type'], number>> = {
  open_stream: 2,
  close_stream: 3,
  execute: 4,
  batch: 5,
  open_cursor: 6,
  close_cursor: 7,
  fetch_cursor: 8,
  sequence: 9,
  describe: 10,
  store_sql: 11,
  close_sql: 12,
  get_autocommit: 13,
};

export function encodePipelineProtobuf({ baton, results }: PipelineAnswer): Uint8Array {
  return written((body) => {
    body.string(1, baton);
    for (const result of results) {
      body.message(3, (one) => {
        if (result.type === 'error') one.message(2, error(result.error));
        else {
          const { response } = result;
          one.message(1, (ok) => ok.message(STREAM_RESPONSES[response.type], answer(response)));
        }
      });
    }
  });
}

export function encodeCursorHeadProtobuf(baton: string | undefined): Uint8Array {
  return delimited([(head) => head.string(1, baton)]);
}

export function encodeEntriesProtobuf(entries: readonly CursorEntry[]): Uint8Array {
  return delimited(entries.map(cursorEntry));
}

export function encodeErrorProtobuf(one: WireError): Uint8Array {
  return written(error(one));
}

export function encodeMessageProtobuf(message: ServerMessage): Uint8Array {
  return written((body) => {
    switch (message.type) {
      case 'hello_ok':
        body.message(1, EMPTY);
        break;
      case 'hello_error':
        body.message(2, (one) => one.message(1, error(message.error)));
        break;
      case 'response_ok':
        body.message(3, (one) => {
          one.integer(1, message.requestId);
          one.message(SOCKET_RESPONSES[message.response.type], answer(message.response));
        });
        break;
      case 'response_error':
        body.message(4, (one) => {
          one.integer(1, message.requestId);
          one.message(2, error(message.error));
        });
        break;
    }
  });
}

function written(write: WriteMessage): Uint8Array {
  const writer = new ProtobufWriter();
  write(writer);
  return writer.finish();
}

/** Each with its length before it. */
function delimited(messages: readonly WriteMessage[]): Uint8Array {
  const all = new ProtobufWriter();
  for (const message of messages) all.raw(written(message));
  return all.finish();
}

function error({ message, code }: WireError): WriteMessage {
  return (writer) => {
    writer.string(1, message);
    writer.string(2, code);
  };
}

function answer(response: StreamResponse | SocketResponse): WriteMessage {
  switch (response.type) {
    case 'execute':
      return (writer) => writer.message(1, statementResult(response.result));
    case 'batch':
      return (writer) => writer.message(1, batchResult(response.result));
    case 'describe':
      return (writer) => writer.message(1, describeResult(response.result));
    case 'get_autocommit':
      return (writer) => writer.bool(1, response.isAutocommit);
    case 'fetch_cursor':
      return (writer) => {
        for (const entry of response.entries) writer.message(1, cursorEntry(entry));
        writer.bool(2, response.done);
      };
    default:
      return EMPTY;
  }
}

function statementResult(result: StatementResult): WriteMessage {
  return (writer) => {
    for (const one of result.columns) writer.message(1, column(one));
    for (const one of result.rows) writer.message(2, row(one));
    writer.integer(3, result.affectedRows);
    if (result.lastInsertRowid !== null) writer.sint64(4, result.lastInsertRowid);
  };
}

/** Maps from the number of a step, as `map<uint32, …>` is written. */
function batchResult({ results, errors }: BatchResult): WriteMessage {
  return (writer) => {
    const entries = <T>(
      field: number,
      all: readonly (T | null)[],
      encode: (one: T) => WriteMessage,
    ): void => {
      for (const [step, one] of all.entries()) {
        if (one === null) continue;
        writer.message(field, (entry) => {
          entry.integer(1, step);
          entry.message(2, encode(one));
        });
      }
    };
    entries(1, results, statementResult);
    entries(2, errors, error);
  };
}

function describeResult(result: DescribeResult): WriteMessage {
  return (writer) => {
    for (const name of result.parameters) writer.message(1, (one) => one.string(1, name));
    for (const one of result.columns) writer.message(2, column(one));
    writer.bool(3, result.isExplain);
    writer.bool(4, result.isReadOnly);
  };
}

function column({ name, declaredType }: Column): WriteMessage {
  return (writer) => {
    writer.string(1, name);
    writer.string(2, declaredType);
  };
}

function cursorEntry(entry: CursorEntry): WriteMessage {
  return (writer) => {
    switch (entry.type) {
      case 'step_begin':
        writer.message(1, (begin) => {
          begin.integer(1, entry.step);
          for (const one of entry.columns) begin.message(2, column(one));
        });
        break;
      case 'step_end':
        writer.message(2, (end) => {
          end.integer(1, entry.affectedRows);
          if (entry.lastInsertRowid !== null) end.sint64(2, entry.lastInsertRowid);
        });
        break;
      case 'step_error':
        writer.message(3, (failed) => {
          failed.integer(1, entry.step);
          failed.message(2, error(entry.error));
        });
        break;
      case 'row':
        writer.message(4, row(entry.row));
        break;
      case 'error':
        writer.message(5, error(entry.error));
        break;
    }
  };
}

function row(values: SqlRow): WriteMessage {
  return (writer) => {
    for (const one of values) writer.message(1, (inner) => value(inner, one));
  };
}

function value(writer: ProtobufWriter, one: SqlValue): void {
  if (one === null) writer.message(1, EMPTY);
  else if (typeof one === 'bigint') writer.sint64(2, one);
  else if (typeof one === 'number') writer.double(3, one);
  else if (typeof one === 'string') writer.string(4, one);
  else writer.bytes(5, one);
}
