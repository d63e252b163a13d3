/** Databases as clients see them, for tests: real stripes of this process under the engine of `src/sql`. */
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import type { Stripe } from '../src/database/database.ts';
import type { Session, SqlValue, StatementResult } from '../src/hrana/hrana.ts';
import { SqlEngine, type SqlEngineOptions, TableIds } from '../src/sql/sql.ts';
import { type DatabaseOptions, type DatabaseUnderTest, startDatabase } from './database-kit.ts';

export interface SqlUnderTest extends AsyncDisposable {
  readonly on: DatabaseUnderTest;
  readonly stripes: readonly Stripe[];
  readonly engine: SqlEngine;
  open(readOnly?: boolean): Promise<Session>;
}

export type SqlKitOptions = Partial<SqlEngineOptions> & { readonly database?: DatabaseOptions };

export const ROOM = { rowsMax: 1_000_000, bytesMax: 2 ** 30 };

/** `count` stripes, led on node `n1`. */
export async function startSql(count: number, options: SqlKitOptions = {}): Promise<SqlUnderTest> {
  const on = await startDatabase(options.database ?? {});
  const stripes: Stripe[] = [];
  for (let at = 0; at < count; at++) {
    const stripe = await on.copy('n1', { name: `s${at}` });
    await stripe.lead();
    stripes.push(stripe);
  }
  const engine = new SqlEngine({
    name: 'shop',
    stripes,
    log: on.log,
    ids: new TableIds(on.registry, 'shop'),
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
