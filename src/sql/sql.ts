/** The door of `sql`: one database as its clients see it. */
export { SqlEngine, type SqlEngineOptions } from './engine.ts';
export { TableIds } from './ids.ts';
