/** Statements of one node's engine as they are told to others: ids are good in the whole cluster. */
import type { LiveQuery, SlowQuery } from '../sql/sql.ts';
import type { QueryState } from './control.ts';

export function queryState(query: LiveQuery, node: string): QueryState {
  const { id, sql, caller, startedAt, runningMs } = query;
  return { id: `${node}-${id}`, sql, caller, startedAt, ms: runningMs };
}

export function slowState(query: SlowQuery, at: number): QueryState {
  const { sql, caller, startedAt, durationMs } = query;
  return { id: `slow-${at + 1}`, sql, caller, startedAt, ms: durationMs };
}
