/** The door of `sql`: one database as its clients see it. */
export { SqlEngine, type SqlEngineOptions } from './engine.ts';
export type { SqlFigures } from './figures.ts';
export { TableIds } from './ids.ts';
export { DEFAULT_SQL_LIMITS, type SqlLimits } from './limits.ts';
export type { LiveQuery, SlowQuery } from './queries.ts';
export type { SqlSession } from './session.ts';
export type { Split, SplitFigures, Splitter, SplitStep } from './splitter.ts';
