/** Executes requests of a stream on its session. One request's failure is its answer; nothing is thrown but for a lost stream. */
import type { Logger } from '../base/log.ts';
import { bindStatement, checkLength } from './bind.ts';
import { holds, type StepState } from './conditions.ts';
import { valueBytes, type AnswerRoom, type Session, type StatementResult } from './database.ts';
import { wireError, type WireError } from './errors.ts';
import type { HranaLimits } from './limits.ts';
import type {
  Batch,
  BatchResult,
  BatchStep,
  DescribeResult,
  StreamResponse,
  WireStatement,
} from './model.ts';
import { scanStatement } from '../sqlite/sqlite.ts';
import type { StoredSql } from './stored-sql.ts';
import type { Stream } from './stream.ts';
import { wholeTransaction } from './whole-transaction.ts';

/** A request whose stored texts are looked up, so that it may wait while they are closed. */
export type ReadyRequest =
  | { readonly type: 'execute'; readonly sql: string; readonly statement: WireStatement }
  | { readonly type: 'batch'; readonly steps: readonly ReadyStep[] }
  | { readonly type: 'sequence' | 'describe'; readonly sql: string }
  | { readonly type: 'get_autocommit' };

/** The text of a step, or why there is none: that is the step's own error. */
export interface ReadyStep extends BatchStep {
  readonly sql: () => string;
}

export interface ExecuteContext {
  readonly stream: Stream;
  readonly limits: HranaLimits;
  readonly log: Logger;
  /** What is left of `answerBytesMax`. */
  readonly budget: Budget;
}

/** Bytes that one answer may still hold, over all its statements. */
export class Budget {
  left: number;

  constructor(bytes: number) {
    this.left = bytes;
  }

  take({ rows }: StatementResult): void {
    for (const row of rows) for (const value of row) this.left -= valueBytes(value);
  }
}

export function readySteps({ steps }: Batch, stored: StoredSql): readonly ReadyStep[] {
  return steps.map((step) => {
    const { text } = step.statement;
    if (typeof text === 'string') return { ...step, sql: () => text };
    try {
      const sql = stored.text(text);
      return { ...step, sql: () => sql };
    } catch (error) {
      return {
        ...step,
        sql: () => {
          throw error;
        },
      };
    }
  });
}

export async function execute(
  request: ReadyRequest,
  session: Session,
  context: ExecuteContext,
): Promise<StreamResponse> {
  switch (request.type) {
    case 'execute': {
      const bound = bindStatement(request.sql, request.statement, context.limits);
      const result = await session.execute(bound, roomIn(context));
      context.budget.take(result);
      return { type: 'execute', result };
    }
    case 'batch':
      return { type: 'batch', result: await executeBatch(session, request.steps, context) };
    case 'sequence':
      checkLength(request.sql, context.limits);
      await session.sequence(request.sql);
      return { type: 'sequence' };
    case 'describe':
      return { type: 'describe', result: await describe(session, request.sql, context.limits) };
    case 'get_autocommit':
      return { type: 'get_autocommit', isAutocommit: session.isAutocommit };
  }
}

function roomIn({ limits, budget }: ExecuteContext): AnswerRoom {
  return { rowsMax: limits.rowsMax, bytesMax: Math.max(0, budget.left) };
}

async function executeBatch(
  session: Session,
  steps: readonly ReadyStep[],
  context: ExecuteContext,
): Promise<BatchResult> {
  const results: (StatementResult | null)[] = [
    ...(await wholeTransaction(session, steps, context)),
  ];
  const errors: (WireError | null)[] = results.map(() => null);
  const states: StepState[] = results.map(() => 'ok');
  for (const { condition, sql, statement } of steps.slice(results.length)) {
    let result: StatementResult | null = null;
    let error: WireError | null = null;
    context.stream.check();
    if (condition === undefined || holds(condition, states, () => session.isAutocommit)) {
      try {
        const bound = bindStatement(sql(), statement, context.limits);
        result = await session.execute(bound, roomIn(context));
        context.budget.take(result);
      } catch (thrown) {
        error = wireError(thrown, context.log);
      }
    }
    results.push(result);
    errors.push(error);
    states.push(error === null ? (result === null ? 'skipped' : 'ok') : 'error');
  }
  return { results, errors };
}

async function describe(
  session: Session,
  sql: string,
  limits: HranaLimits,
): Promise<DescribeResult> {
  checkLength(sql, limits);
  const { columns, isExplain, isReadOnly } = await session.describe(sql);
  return { parameters: scanStatement(sql).parameters, columns, isExplain, isReadOnly };
}
