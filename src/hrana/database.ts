/**
 * What this part asks of a database engine. Whoever executes SQL implements it; nothing here knows stripes, logs or files.
 */

/**
 * A value of SQLite. A `bigint` is an INTEGER, a `number` is a REAL: 1 and 1.0 stay apart, and no whole number loses
 * a digit. Text holds no lone surrogates.
 */
export type SqlValue = null | bigint | number | string | Uint8Array;

export type SqlRow = readonly SqlValue[];

/** Who asks. */
export interface Caller {
  /** Equal for all requests with one token; never the token itself. */
  readonly id: string;
  /** Writes fail with `SQLITE_READONLY`. */
  readonly readOnly: boolean;
}

/**
 * Who shows this token; undefined when none is shown. Throws or rejects with `HranaError` of status 401, codes as sqld's: `AUTH_HTTP_HEADER_MISSING`,
 * `AUTH_JWT_INVALID`.
 */
export type Authenticate = (token: string | undefined) => Caller | Promise<Caller>;

/** One statement, its arguments in place. */
export interface BoundStatement {
  readonly sql: string;
  /**
   * Names of the parameters, first character included (`:a`, `?3`); null for a plain `?` and for a number that the text
   * does not use. Parameter 1 is first.
   */
  readonly parameters: readonly (string | null)[];
  /** As long as `parameters`. */
  readonly values: readonly SqlValue[];
  /** False: the rows are not wanted, the statement still runs to its end. */
  readonly wantRows: boolean;
}

/**
 * How much `execute` may answer. More is error `RESPONSE_TOO_LARGE`, and the statement has changed nothing then.
 * Bytes are counted by `valueBytes`.
 */
export interface AnswerRoom {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export interface Column {
  readonly name: string;
  /** As the table declares it; null for expressions. */
  readonly declaredType: string | null;
}

/** What a statement did. */
export interface Outcome {
  /** Rows that an INSERT, UPDATE or DELETE changed, 0 for others. */
  readonly affectedRows: number;
  /** Of the last insert of this session, null when there was none. */
  readonly lastInsertRowid: bigint | null;
  /** 0 when the engine does not count. */
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly durationMs: number;
}

export interface StatementResult extends Outcome {
  readonly columns: readonly Column[];
  readonly rows: readonly SqlRow[];
}

/** Rows as they are found. To be disposed of, which stops the statement. */
export interface RowStream extends AsyncDisposable {
  readonly columns: readonly Column[];
  /** The next rows in order, an empty list at the end. Rejects with `SqlError`. */
  next(): Promise<readonly SqlRow[]>;
  /** Known when `next` has given an empty list. */
  outcome(): Outcome;
}

export interface Description {
  readonly columns: readonly Column[];
  readonly isExplain: boolean;
  readonly isReadOnly: boolean;
}

/**
 * One connection: autocommit, or in a transaction that BEGIN opened. Calls never overlap. Each rejects with `SqlError` for
 * what the statement did wrong, and with `MolnError` for what the cluster cannot do now.
 */
export interface Session {
  /** False between BEGIN and its end, however it ended. */
  readonly isAutocommit: boolean;
  execute(statement: BoundStatement, room: AnswerRoom): Promise<StatementResult>;
  /**
   * All statements as one transaction, when the session is outside of one; else as the next ones of the open one, which stays open. Undefined
   * says that nothing has happened; they are then executed one by one. An error ends the batch. An engine may leave it out.
   */
  transaction?(
    statements: readonly BoundStatement[],
    room: AnswerRoom,
  ): Promise<readonly StatementResult[] | undefined>;
  stream(statement: BoundStatement): Promise<RowStream>;
  /** All statements of the text one after the other, up to the first that fails. */
  sequence(sql: string): Promise<void>;
  describe(sql: string): Promise<Description>;
  /** The client has left: what runs now may end with an error. An engine may leave it out. */
  interrupt?(): void;
  /** Rolls back what is open. Never rejects; a second call does nothing. */
  close(): Promise<void>;
}

export interface Database {
  openSession(caller: Caller): Promise<Session>;
  /**
   * A statement in a session of its own, of which nothing is asked afterwards. Undefined, now or later, says that nothing has happened; it is
   * then executed in a session. Rejects as `execute`. An engine may leave it out.
   */
  once?(
    caller: Caller,
    statement: BoundStatement,
    room: AnswerRoom,
  ): Promise<StatementResult | undefined> | undefined;
}

/** What a value counts in `AnswerRoom.bytesMax`. */
export function valueBytes(value: SqlValue): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + 16;
  return value instanceof Uint8Array ? value.length + 16 : 16;
}
