/** A transaction over the stripes and over a connection's own database of temporary tables. */
import type { SlotMap } from '../slots/slots.ts';
import { OWN_STRIPE, type StripeSession } from './stripes.ts';
import type { Temporary, TemporaryStore } from './temporary.ts';

export interface TemporarySessionOptions {
  readonly session: StripeSession;
  readonly temporary: Temporary;
  readonly store: TemporaryStore;
  /** Of a client's own transaction, to be opened at once; undefined when one statement is all. */
  readonly savepoints: readonly string[] | undefined;
}

export function withTemporary({
  session,
  temporary,
  store,
  savepoints,
}: TemporarySessionOptions): StripeSession {
  if (savepoints !== undefined) store.begin(savepoints);
  return {
    isMoving: session.isMoving === true,
    isReadOnly: session.isReadOnly === true,
    get isUntouched() {
      return session.isUntouched === true;
    },
    ...('slots' in session
      ? {
          get slots() {
            return session.slots as SlotMap;
          },
        }
      : {}),
    looks: (sql) => session.looks?.(sql) === true,
    get sightings() {
      return session.sightings;
    },
    isOneMoment: async () => (await session.isOneMoment?.()) ?? true,
    rows: (stripe, sql, values, only) =>
      stripe === OWN_STRIPE ? ownRows(store, sql, values) : session.rows(stripe, sql, values, only),
    ...(session.apart === undefined
      ? {}
      : {
          apart: async (sql, values, isSource) =>
            (await session.apart?.(sql, values, isSource)) ?? [],
        }),
    ...(session.gathered === undefined
      ? {}
      : {
          gathered: async (sql, values) =>
            (await session.gathered?.(sql, values, temporary.ownTables)) ?? [],
        }),
    write: async (stripe, writes, last) => {
      if (stripe !== OWN_STRIPE) return await session.write(stripe, writes, last);
      store.begin();
      return store.write(writes);
    },
    alter: (change) => session.alter(change),
    renewSchema: async () => session.renewSchema?.(),
    savepoint: async (name) => {
      store.begin();
      store.savepoint('SAVEPOINT', name);
      await session.savepoint(name);
    },
    release: async (name) => {
      if (store.inTransaction) store.savepoint('RELEASE', name);
      await session.release(name);
    },
    rollbackTo: async (name) => {
      if (store.inTransaction) store.savepoint('ROLLBACK TO', name);
      await session.rollbackTo(name);
    },
    commit: async () => {
      await session.commit();
      store.commit();
    },
    rollback: async () => {
      store.rollback();
      await session.rollback();
    },
  };
}

async function* ownRows(
  store: TemporaryStore,
  sql: string,
  values: Parameters<TemporaryStore['rows']>[1],
): AsyncGenerator<ReturnType<TemporaryStore['rows']>> {
  yield await Promise.resolve(store.rows(sql, values));
}
