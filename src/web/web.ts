/// <reference types="node" />
/** The door of the web framework: what apps import from `moln`. */
export { adminPages } from './admin.ts';
export { App, type AppOptions, type AppParts } from './app.ts';
export { assetPath } from './assets.ts';
export {
  type Action,
  type Before,
  Context,
  currentContext,
  type Flash,
  type Result,
} from './context.ts';
export {
  belongsTo,
  boolean,
  datetime,
  type Field,
  type FieldKind,
  file,
  integer,
  json,
  labelOf,
  number,
  string,
  text,
} from './fields.ts';
export { type FileBody, type FileKeeper, files, type StoredFile, useFiles } from './files.ts';
export { FolderFiles } from './files-folder.ts';
export { S3Files, s3PlaceOf } from './files-s3.ts';
export { collectParts, type AppModules } from './collect.ts';
export { failureAnswer, failureOf } from './failures.ts';
export {
  Button,
  Errors,
  Flashes,
  Form,
  Input,
  Inputs,
  Pages,
  Stylesheet,
  type View,
} from './forms.ts';
export { cached, type CacheOptions } from './cache.ts';
export { HranaDatabase } from './hrana-database.ts';
export { type FC, type PropsWithChildren, raw, renderText } from './jsx-runtime.ts';
export { appliedMigrations, migrate, type Migration, readMigration, rollback } from './migrate.ts';
export {
  type FieldErrors,
  type Fields,
  type Given,
  Model,
  model,
  type ModelOptions,
  type NewRow,
  type Outcome,
  plural,
  type RowOf,
} from './model.ts';
export { imageUrl } from './images.ts';
export { Island } from './islands.ts';
export { job, Job, JobRunner, type JobRun } from './jobs.ts';
export type { KeptFile } from './kept-files.ts';
export { Live } from './live.ts';
export { limitRate } from './own-tables.ts';
export { type Mail, type MailCarrier, type ReadyMail, sendMail, useMail } from './mail.ts';
export { hashPassword, verifyPassword } from './password.ts';
export { type Controller, controller, type Route, routesOf, singular } from './routes.ts';
export type { Page, RowQuery } from './row-query.ts';
export { serve, type Served, type ServedApp } from './serve.ts';
export { type Socket, type SocketHandlers } from './sockets.ts';
export { Shape, shape } from './shape.ts';
export {
  type Connection,
  type Database,
  quoted,
  query,
  type SqlResult,
  type SqlValue,
  type Statement,
  transaction,
  useDatabase,
} from './sql.ts';
export { SqliteDatabase } from './sqlite-database.ts';
export { mailSource } from './smtp.ts';
export { digestOf, newToken } from './token.ts';
export { type Messages, type Plural, type Translation, translator } from './translate.ts';
