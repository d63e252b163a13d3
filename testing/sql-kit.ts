/** Databases as clients see them, for tests: real stripes of this process under the engine of `src/sql`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { LoanOptions, Stripe } from '../src/database/database.ts';
import {
  type AnswerRoom,
  HranaServer,
  type Session,
  type SqlValue,
  type StatementResult,
} from '../src/hrana/hrana.ts';
import { SqlEngine, type SqlEngineOptions, type SqlSession, TableIds } from '../src/sql/sql.ts';
import { type DatabaseOptions, type DatabaseUnderTest, startDatabase } from './database-kit.ts';

export interface SqlUnderTest extends AsyncDisposable {
  readonly on: DatabaseUnderTest;
  readonly stripes: readonly Stripe[];
  readonly engine: SqlEngine;
  open(readOnly?: boolean): Promise<SqlSession>;
}

export type SqlKitOptions = Partial<SqlEngineOptions> & {
  readonly database?: DatabaseOptions;
  /** Ids are those that SQLite would give. */
  readonly sqliteIds?: boolean;
};

/** Primaries borrow from themselves, whenever nothing is written. */
const LOANS: LoanOptions = {
  borrow: () => Promise.resolve(undefined),
  mayBeOut: () => true,
  quietMs: 0,
};

export const ROOM: AnswerRoom = { rowsMax: 1_000_000, bytesMax: 2 ** 30 };

/** `count` stripes, led on node `n1`. */
export async function startSql(count: number, options: SqlKitOptions = {}): Promise<SqlUnderTest> {
  const on = await startDatabase(options.database ?? {});
  const stripes: Stripe[] = [];
  for (let at = 0; at < count; at++) {
    const stripe = await on.copy('n1', { name: `s${at}`, loans: LOANS });
    await stripe.lead();
    stripes.push(stripe);
  }
  const engine = new SqlEngine({
    name: 'shop',
    stripes,
    log: on.log,
    ...(options.sqliteIds === true ? {} : { ids: new TableIds(on.registry, 'shop') }),
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
  return {
    on,
    stripes,
    engine,
    open: (readOnly = false) => engine.openSession({ id: 'test', readOnly }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await on[Symbol.asyncDispose]();
    },
  };
}

/** An engine behind the wire, mounted on a port as a node does it. */
export async function serveSql(
  engine: SqlEngine,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const hrana = new HranaServer({
    database: engine,
    clock: systemClock,
    log: silentLogger,
    authenticate: (token) => Promise.resolve({ id: 'ada', readOnly: token === 'reader' }),
  });
  const server = createServer((request, response) => {
    void hrana.serve({ request, response, path: (request.url ?? '').replace(/^\//, '') });
  });
  server.on('upgrade', (request, socket, head: Buffer) => hrana.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await hrana[Symbol.asyncDispose]();
      server.close();
      server.closeAllConnections();
    },
  };
}

export function bound(
  sql: string,
  values: readonly SqlValue[] = [],
): Parameters<Session['execute']>[0] {
  return { sql, parameters: values.map(() => null), values, wantRows: true };
}

export async function ask(
  session: Session,
  sql: string,
  ...values: readonly SqlValue[]
): Promise<StatementResult> {
  return await session.execute(bound(sql, values), ROOM);
}

export async function rows(
  session: Session,
  sql: string,
  ...values: readonly SqlValue[]
): Promise<readonly (readonly SqlValue[])[]> {
  return (await ask(session, sql, ...values)).rows;
}
