/** Door of `hrana`: the wire of a database, and the interface of the engine behind it. */
export {
  type AnswerRoom,
  type BoundStatement,
  type Caller,
  type Column,
  type Database,
  type Description,
  type Outcome,
  type RowStream,
  type Session,
  type SqlRow,
  type SqlValue,
  type StatementResult,
  valueBytes,
} from './database.ts';
export { HranaError, responseTooLarge, SqlError, withHint } from './errors.ts';
export { HranaServer, type HranaServerOptions } from './hrana-server.ts';
export type { HranaAnswer, HranaRequest, Write } from './http-endpoints.ts';
export { DEFAULT_LIMITS, type HranaLimits, QUICK_REQUEST_BYTES_MAX } from './limits.ts';
export type { NodeExchange } from './node-http.ts';
export { QuickConnection, type QuickConnectionOptions } from './quick-connection.ts';
export { sqliteCodeName } from './sqlite-codes.ts';
