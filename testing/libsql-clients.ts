/** Clients of libSQL that are not ours, in one place. */
export { createClient as createHttpClient } from '@libsql/client/http';
export { createClient as createSocketClient } from '@libsql/client/ws';
export { createClient as createWebClient } from '@libsql/client/web';
export { type Client, LibsqlError, type Transaction } from '@libsql/client';
export * as hranaClient from '@libsql/hrana-client';
export { drizzle } from 'drizzle-orm/libsql';
export { eq, sql as drizzleSql } from 'drizzle-orm';
export { blob, integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core';
export {
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type Generated,
} from 'kysely';
