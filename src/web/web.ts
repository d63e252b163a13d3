/// <reference types="node" />
/** The door of the web framework: what apps import from `moln`. */

// For apps. `node scripts/web-page.ts` makes docs/web-reference.md of these.
export { model, Model, type ModelOptions, type RowOf, type Outcome } from './model.ts';
export {
  belongsTo,
  boolean,
  datetime,
  file,
  integer,
  json,
  number,
  string,
  text,
} from './fields.ts';
export { authorize, can, Policy, policy, type Rules, withoutPolicies } from './policy.ts';
export type { Page, RowQuery } from './row-query.ts';
export { query, transaction } from './sql.ts';
export { Shape, shape } from './shape.ts';
export { type Controller, controller } from './routes.ts';
export {
  type Action,
  type After,
  type Before,
  Context,
  currentContext,
  type Result,
} from './context.ts';
export { oncePerRequest } from './once-per-request.ts';
export type { Session } from './session.ts';
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
export { type FC, type PropsWithChildren, raw, Suspense } from './jsx-runtime.ts';
export { assetPath } from './assets.ts';
export { Live } from './live.ts';
export { Island } from './islands.ts';
export { type Socket, type SocketHandlers } from './sockets.ts';
export { job, Job, type JobRun } from './jobs.ts';
export { type Mail, sendMail } from './mail.ts';
export { type FileBody, files, type StoredFile } from './files.ts';
export type { KeptFile } from './kept-files.ts';
export { imageUrl } from './images.ts';
export { cached, type CacheOptions } from './cache.ts';
export { type Messages, type Plural, type Translation, translator } from './translate.ts';
export { limitRate } from './own-tables.ts';
export { hashPassword, verifyPassword } from './password.ts';
export { digestOf, newToken } from './token.ts';
export { adminPages } from './admin.ts';

// For the workbench, and for apps that start themselves.
export { App, type AppOptions, type AppParts } from './app.ts';
export { useModels } from './cascade.ts';
export { type AppModules, collectParts } from './collect.ts';
export { type Flash } from './context.ts';
export { failureAnswer, failureOf } from './failures.ts';
export { type Field, type FieldKind, labelOf } from './fields.ts';
export { type FileKeeper, useFiles } from './files.ts';
export { FolderFiles } from './files-folder.ts';
export { S3Files, s3PlaceOf } from './files-s3.ts';
export { HranaDatabase } from './hrana-database.ts';
export { JobRunner } from './jobs.ts';
export { renderText } from './jsx-runtime.ts';
export { usePasswordCost } from './password.ts';
export { type MailCarrier, type ReadyMail, useMail } from './mail.ts';
export { appliedMigrations, migrate, type Migration, readMigration, rollback } from './migrate.ts';
export { type FieldErrors, type Fields, type Given, type NewRow } from './model.ts';
export { plural } from './names.ts';
export { makeOwnTables } from './own-tables.ts';
export { type Route, routesOf, singular } from './routes.ts';
export { serve, type Served, type ServedApp } from './serve.ts';
export { mailSource } from './smtp.ts';
export {
  type Connection,
  type Database,
  quoted,
  type SqlResult,
  type SqlValue,
  type Statement,
  useDatabase,
} from './sql.ts';
export { SqliteDatabase } from './sqlite-database.ts';
