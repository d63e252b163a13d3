/** What most requests over HTTP are: a stream that runs one statement and ends. The engine may do that without a session, and then there is no stream either. */
import { bindStatement } from './bind.ts';
import type { BoundStatement, Caller, Database } from './database.ts';
import { wireError } from './errors.ts';
import type { HranaLimits } from './limits.ts';
import type { PipelineRequest, StreamResult, WireStatement } from './model.ts';
import type { StreamQuota } from './stream-quota.ts';
import type { Logger } from '../base/log.ts';

export interface LoneOptions {
  readonly database: Database;
  readonly quota: StreamQuota;
  readonly limits: HranaLimits;
  readonly log: Logger;
}

const CLOSED: StreamResult = { type: 'ok', response: { type: 'close' } };

/** What an engine may run so. All others are not looked at twice. */
const INSERT: RegExp = /^\s*(?:insert|replace)\b/i;

/** The only statement of a stream that begins and ends with this request, if it puts something in. */
export function loneStatement({ baton, requests }: PipelineRequest): WireStatement | undefined {
  const [first, last] = requests;
  if (baton !== undefined || requests.length !== 2 || last?.type !== 'close') return undefined;
  if (first?.type !== 'execute' || typeof first.statement.text !== 'string') return undefined;
  return INSERT.test(first.statement.text) ? first.statement : undefined;
}

/** Undefined when it takes a stream, and nothing has happened. Rejects with `HRANA_TOO_MANY_STREAMS`, for it counts as one. */
export async function answerLone(
  statement: WireStatement,
  caller: Caller,
  { database, quota, limits, log }: LoneOptions,
): Promise<readonly StreamResult[] | undefined> {
  const bound = boundOf(statement, limits);
  if (bound === undefined || database.once === undefined) return undefined;
  quota.take(caller.id);
  try {
    const room = { rowsMax: limits.rowsMax, bytesMax: limits.answerBytesMax };
    const asked = database.once(caller, bound, room);
    const result = asked && (await asked);
    return result && [{ type: 'ok', response: { type: 'execute', result } }, CLOSED];
  } catch (error) {
    return [{ type: 'error', error: wireError(error, log) }, CLOSED];
  } finally {
    quota.give(caller.id);
  }
}

function boundOf(statement: WireStatement, limits: HranaLimits): BoundStatement | undefined {
  const { text } = statement;
  try {
    return typeof text === 'string' ? bindStatement(text, statement, limits) : undefined;
  } catch {
    // Its stream says what is wrong with it.
    return undefined;
  }
}
