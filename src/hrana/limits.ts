/** Named limits of the wire. All can be set per server, so that a test reaches them. */

export interface HranaLimits {
  /** A whole request body over HTTP, or one message over WebSocket. */
  readonly bodyBytesMax: number;
  /** A whole body must have arrived within this. */
  readonly bodyTimeoutMs: number;
  /** Objects and lists in each other in JSON; messages in each other in Protobuf. */
  readonly depthMax: number;
  readonly sqlCharactersMax: number;
  /** SQLite's own limit of parameters (SQLITE_MAX_VARIABLE_NUMBER). */
  readonly argumentsMax: number;
  readonly requestsPerPipelineMax: number;
  readonly stepsPerBatchMax: number;
  /** Rows of one statement in a whole answer. Cursors have no such limit. */
  readonly rowsMax: number;
  /** Values of one answer, all statements together. Cursors have no such limit. */
  readonly answerBytesMax: number;
  /** Texts kept by `store_sql`, for a stream over HTTP or a connection over WebSocket. */
  readonly storedSqlMax: number;
  readonly storedSqlCharactersMax: number;
  readonly streamsPerCallerMax: number;
  readonly streamsMax: number;
  /** A stream over HTTP without a request for so long is closed. */
  readonly streamIdleMs: number;
  /** A transaction without a request for so long is rolled back: it holds up others. */
  readonly transactionIdleMs: number;
  readonly transactionMs: number;
  /** A client that takes nothing of an answer for so long is cut. */
  readonly answerStallMs: number;
  readonly connectionsMax: number;
  readonly streamsPerConnectionMax: number;
  readonly cursorsPerConnectionMax: number;
  /** Requests of one WebSocket that are not answered yet; beyond it nothing more is read. */
  readonly requestsUnderWayMax: number;
  /** Bytes that one WebSocket has not taken yet; beyond it nothing more is executed. */
  readonly unsentBytesMax: number;
  /** Entries of one `fetch_cursor`, whatever the client asks for. */
  readonly entriesPerFetchMax: number;
  readonly helloTimeoutMs: number;
  /** A WebSocket that answers no ping for one such period is cut. */
  readonly pingMs: number;
}

const MIB: number = 1024 * 1024;

export const DEFAULT_LIMITS: HranaLimits = {
  bodyBytesMax: 16 * MIB,
  bodyTimeoutMs: 60_000,
  depthMax: 64,
  sqlCharactersMax: MIB,
  argumentsMax: 32_766,
  requestsPerPipelineMax: 1_000,
  stepsPerBatchMax: 10_000,
  rowsMax: 100_000,
  answerBytesMax: 10 * MIB,
  storedSqlMax: 1_000,
  storedSqlCharactersMax: 4 * MIB,
  streamsPerCallerMax: 1_000,
  streamsMax: 10_000,
  streamIdleMs: 10_000,
  transactionIdleMs: 2_000,
  transactionMs: 10_000,
  answerStallMs: 30_000,
  connectionsMax: 1_000,
  streamsPerConnectionMax: 128,
  cursorsPerConnectionMax: 128,
  requestsUnderWayMax: 64,
  unsentBytesMax: 4 * MIB,
  entriesPerFetchMax: 10_000,
  helloTimeoutMs: 10_000,
  pingMs: 30_000,
};

/** Of a request that is answered without node:http, head and body together: what one read of a socket may bring. */
export const QUICK_REQUEST_BYTES_MAX: number = 64 * 1024;
/** Of a whole answer, written at a time. */
export const ANSWER_PIECE_BYTES: number = 256 * 1024;
/** Answers that wait for the end of a turn of the event loop. */
export const OUTBOX_ANSWERS_MAX = 16;

/** Streams and streams of an expired baton that are remembered to say so, rather than "invalid". */
export const EXPIRED_REMEMBERED_MAX = 10_000;
