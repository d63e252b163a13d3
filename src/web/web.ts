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
export { HranaDatabase } from './hrana-database.ts';
export { type FC, jsxEscape, type PropsWithChildren, raw, renderText } from './jsx-runtime.ts';
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
export { job, Job, JobRunner, type JobRun } from './jobs.ts';
export { Live } from './live.ts';
export { limitRate } from './own-tables.ts';
export { hashPassword, verifyPassword } from './password.ts';
export { type Controller, controller, type Route, routesOf, singular } from './routes.ts';
export type { Page, RowQuery } from './row-query.ts';
export { type FetchApp, serve, type Served } from './serve.ts';
export { Shape, shape } from './shape.ts';
export {
  type Connection,
  type Database,
  quoted,
  query,
  type SqlValue,
  transaction,
  useDatabase,
} from './sql.ts';
export { SqliteDatabase } from './sqlite-database.ts';
