/**
 * Errors of the wire. Codes are those that clients of libSQL know from sqld (`SQL_…`, `ARGS_…`, `BATON_…`, `SQLITE_…`), and
 * `HRANA_…` where sqld has none.
 */
import { randomId } from '../base/ids.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

/** Hrana's `Error`. */
export interface WireError {
  readonly message: string;
  readonly code: string;
}

/** A statement failed. Engines throw it; code and message reach the client as they are. */
export class SqlError extends MolnError {
  /** Where in the text, in bytes of UTF-8 from 0, as `sqlite3_error_offset` tells it. */
  readonly offset: number | undefined;

  /** `code` is SQLite's extended name, such as `SQLITE_CONSTRAINT_UNIQUE` (`sqliteCodeName`). */
  constructor(code: string, message: string, options: { readonly offset?: number } = {}) {
    super(code, message);
    this.offset = options.offset;
  }
}

/** A request that is not served. */
export class HranaError extends MolnError {
  /** Of the answer over HTTP, when there is nothing else to answer. */
  readonly status: number;

  constructor(code: string, message: string, options: { readonly status?: number } = {}) {
    super(code, message, { retryable: options.status === 503 });
    this.status = options.status ?? 400;
  }
}

/** The client does not keep to the protocol: 400 over HTTP, a closed WebSocket. */
export class ProtocolError extends HranaError {
  constructor(message: string, code = 'HRANA_PROTO_ERROR') {
    super(code, message);
  }
}

export function isProtocolError(error: unknown): boolean {
  return error instanceof ProtocolError;
}

export function responseTooLarge(what: string): SqlError {
  return new SqlError(
    'RESPONSE_TOO_LARGE',
    `The answer has more than ${what}: ask for fewer rows with LIMIT, or read through a cursor`,
  );
}

/** What the client is told. A bug is told as an id that is in the log too. */
export function wireError(error: unknown, log: Logger): WireError {
  if (error instanceof SqlError) return sqlError(error);
  if (isMolnError(error)) return { message: withHint(error), code: error.code };
  const id = randomId();
  log.error('A statement failed in a way that is not its own fault', { id, error });
  return { message: `The node failed; its log tells more under ${id}`, code: 'INTERNAL_ERROR' };
}

/** The wire has one text for what is wrong and for what to do. */
export function withHint({ message, hint }: Pick<MolnError, 'message' | 'hint'>): string {
  return hint === undefined ? message : `${message}. ${hint}`;
}

/** sqld tells errors with a position apart by code, and words the position so. */
function sqlError({ code, message, offset }: SqlError): WireError {
  if (offset === undefined) return { message, code };
  const named = code === 'SQLITE_ERROR' ? 'SQL_INPUT_ERROR' : code;
  return { message: `${message} (at offset ${offset})`, code: named };
}

/** The status of an answer that is nothing but an error. */
export function statusOf(error: unknown): number {
  if (error instanceof HranaError) return error.status;
  if (isMolnError(error)) return error.retryable ? 503 : 400;
  return 500;
}
