/**
 * Answers in JSON. Written by hand where rows are: JSON.stringify knows neither `bigint` nor infinity.
 */
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
  StreamResult,
} from './model.ts';

export function encodePipelineJson({ baton, results }: PipelineAnswer): string {
  return `{"baton":${quote(baton)},"base_url":null,"results":[${results.map(streamResult).join(',')}]}`;
}

/** The first line of a cursor's answer. */
export function encodeCursorHeadJson(baton: string | undefined): string {
  return `{"baton":${quote(baton)},"base_url":null}\n`;
}

/** One line an entry. */
export function encodeEntriesJson(entries: readonly CursorEntry[]): string {
  return entries.map((entry) => `${cursorEntry(entry)}\n`).join('');
}

export function encodeErrorJson({ message, code }: WireError): string {
  return JSON.stringify({ message, code });
}

export function encodeMessageJson(message: ServerMessage): string {
  switch (message.type) {
    case 'hello_ok':
      return '{"type":"hello_ok"}';
    case 'hello_error':
      return `{"type":"hello_error","error":${encodeErrorJson(message.error)}}`;
    case 'response_ok':
      return `{"type":"response_ok","request_id":${message.requestId},"response":${response(message.response)}}`;
    case 'response_error':
      return `{"type":"response_error","request_id":${message.requestId},"error":${encodeErrorJson(message.error)}}`;
  }
}

function quote(text: string | null | undefined): string {
  return text === undefined || text === null ? 'null' : JSON.stringify(text);
}

function streamResult(result: StreamResult): string {
  return result.type === 'ok'
    ? `{"type":"ok","response":${response(result.response)}}`
    : `{"type":"error","error":${encodeErrorJson(result.error)}}`;
}

function response(answer: StreamResponse | SocketResponse): string {
  switch (answer.type) {
    case 'execute':
      return `{"type":"execute","result":${statementResult(answer.result)}}`;
    case 'batch':
      return `{"type":"batch","result":${batchResult(answer.result)}}`;
    case 'describe':
      return `{"type":"describe","result":${describeResult(answer.result)}}`;
    case 'get_autocommit':
      return `{"type":"get_autocommit","is_autocommit":${answer.isAutocommit}}`;
    case 'fetch_cursor':
      return `{"type":"fetch_cursor","entries":[${answer.entries.map(cursorEntry).join(',')}],"done":${answer.done}}`;
    default:
      return `{"type":"${answer.type}"}`;
  }
}

function batchResult({ results, errors }: BatchResult): string {
  const steps = results.map((result) => (result === null ? 'null' : statementResult(result)));
  const failures = errors.map((error) => (error === null ? 'null' : encodeErrorJson(error)));
  return `{"step_results":[${steps.join(',')}],"step_errors":[${failures.join(',')}],"replication_index":null}`;
}

function statementResult(result: StatementResult): string {
  return (
    `{"cols":${columns(result.columns)},"rows":[${result.rows.map(row).join(',')}],` +
    `"affected_row_count":${result.affectedRows},"last_insert_rowid":${rowid(result.lastInsertRowid)},` +
    `"replication_index":null,"rows_read":${result.rowsRead},"rows_written":${result.rowsWritten},` +
    `"query_duration_ms":${Math.max(0, result.durationMs).toFixed(3)}}`
  );
}

function describeResult(result: DescribeResult): string {
  const params = result.parameters.map((name) => `{"name":${quote(name)}}`).join(',');
  return `{"params":[${params}],"cols":${columns(result.columns)},"is_explain":${result.isExplain},"is_readonly":${result.isReadOnly}}`;
}

function cursorEntry(entry: CursorEntry): string {
  switch (entry.type) {
    case 'row':
      return `{"type":"row","row":${row(entry.row)}}`;
    case 'step_begin':
      return `{"type":"step_begin","step":${entry.step},"cols":${columns(entry.columns)}}`;
    case 'step_end':
      return `{"type":"step_end","affected_row_count":${entry.affectedRows},"last_insert_rowid":${rowid(entry.lastInsertRowid)}}`;
    case 'step_error':
      return `{"type":"step_error","step":${entry.step},"error":${encodeErrorJson(entry.error)}}`;
    case 'error':
      return `{"type":"error","error":${encodeErrorJson(entry.error)}}`;
  }
}

function columns(all: readonly Column[]): string {
  const each = all.map(
    ({ name, declaredType }) => `{"name":${quote(name)},"decltype":${quote(declaredType)}}`,
  );
  return `[${each.join(',')}]`;
}

function rowid(id: bigint | null): string {
  return id === null ? 'null' : `"${id}"`;
}

function row(values: SqlRow): string {
  let text = '[';
  for (const [index, value] of values.entries()) text += (index === 0 ? '' : ',') + encode(value);
  return `${text}]`;
}

function encode(value: SqlValue): string {
  if (value === null) return '{"type":"null"}';
  switch (typeof value) {
    case 'bigint':
      return `{"type":"integer","value":"${value}"}`;
    case 'number':
      return `{"type":"float","value":${float(value)}}`;
    case 'string':
      return `{"type":"text","value":${JSON.stringify(value)}}`;
    default:
      return `{"type":"blob","base64":"${base64(value)}"}`;
  }
}

/** A whole float keeps its point; what JSON cannot say is a number that every parser takes for infinity or refuses. */
function float(value: number): string {
  if (Number.isInteger(value)) {
    const text = Object.is(value, -0) ? '-0' : String(value);
    return text.includes('e') ? text : `${text}.0`;
  }
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'null';
  return value > 0 ? '1e999' : '-1e999';
}

/** Without padding: some clients refuse it, all take this. */
function base64(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  return text.endsWith('=') ? text.replace(/=+$/, '') : text;
}
