/** One client's connection to a database: its transaction, its settings, and one statement after the other. */
import {
  type AnswerRoom,
  type BoundStatement,
  type Caller,
  type Column,
  type Description,
  responseTooLarge,
  type RowStream,
  scanStatement,
  type Session,
  type SqlRow,
  type StatementResult,
  valueBytes,
} from '../hrana/hrana.ts';
import type { Connection, Result } from '../planner/planner.ts';
import type { Engine } from './engine.ts';
import { isSchemaMoved, readOnly, toClient } from './errors.ts';
import { ReadSession } from './read-session.ts';
import { WriteSession } from './write-session.ts';

const ATTEMPTS_MAX = 5;

export class SqlSession implements Session {
  readonly #engine: Engine;
  readonly #connection: Connection;

  constructor(engine: Engine, caller: Caller) {
    this.#engine = engine;
    const { set } = engine;
    this.#connection = engine.planner.connect({
      begin: (mode) => {
        if (mode === 'read') return Promise.resolve(new ReadSession(set, { kind: 'strong' }));
        if (caller.readOnly)
          return Promise.reject(readOnly('the token of this connection only reads'));
        return Promise.resolve(new WriteSession(set));
      },
    });
  }

  get isAutocommit(): boolean {
    return !this.#connection.inTransaction;
  }

  async execute(bound: BoundStatement, room: AnswerRoom): Promise<StatementResult> {
    const { clock } = this.#engine.options;
    const began = clock.monotonicMs();
    const result = await this.#run(bound);
    requireRoom(result.rows, room);
    return {
      columns: columnsOf(result),
      rows: bound.wantRows ? result.rows : [],
      affectedRows: result.changes,
      lastInsertRowid: result.lastInsertRowid === 0n ? null : result.lastInsertRowid,
      rowsRead: 0,
      rowsWritten: 0,
      durationMs: clock.monotonicMs() - began,
    };
  }

  async stream(bound: BoundStatement): Promise<RowStream> {
    const { clock } = this.#engine.options;
    const began = clock.monotonicMs();
    const result = await this.#run(bound);
    let rest = result.rows;
    return {
      columns: columnsOf(result),
      next: () => {
        const rows = rest;
        rest = [];
        return Promise.resolve(rows);
      },
      outcome: () => ({
        affectedRows: result.changes,
        lastInsertRowid: result.lastInsertRowid === 0n ? null : result.lastInsertRowid,
        rowsRead: 0,
        rowsWritten: 0,
        durationMs: clock.monotonicMs() - began,
      }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async sequence(sql: string): Promise<void> {
    try {
      await this.#connection.script(sql);
    } catch (error) {
      throw toClient(error);
    }
  }

  describe(sql: string): Promise<Description> {
    return new Promise((resolve) => {
      const { shadow } = this.#connection.catalogue;
      const { statement, accesses } = shadow.inspect(sql);
      void accesses;
      resolve({
        columns: statement.columns.map(({ name, declared }) => ({ name, declaredType: declared })),
        isExplain: scanStatement(sql).isExplain,
        isReadOnly: false,
      });
    });
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #run(bound: BoundStatement): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#connection.execute(bound.sql, bound.values);
      } catch (error) {
        if (!isSchemaMoved(error) || attempt >= ATTEMPTS_MAX) throw toClient(error);
        await this.#engine.set.reload();
      }
    }
  }
}

function columnsOf({ columns, declared }: Result): readonly Column[] {
  return columns.map((name, at) => ({ name, declaredType: declared[at] ?? null }));
}

function requireRoom(rows: readonly SqlRow[], { rowsMax, bytesMax }: AnswerRoom): void {
  if (rows.length > rowsMax) throw responseTooLarge(`${rowsMax} rows`);
  let bytes = 0;
  for (const row of rows) for (const value of row) bytes += valueBytes(value);
  if (bytes > bytesMax) throw responseTooLarge(`${bytesMax} bytes`);
}
