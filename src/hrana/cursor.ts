/** A batch whose rows are sent as they are found. */
import { bindStatement } from './bind.ts';
import { holds, type StepState } from './conditions.ts';
import type { Session } from './database.ts';
import { wireError } from './errors.ts';
import type { ExecuteContext, ReadyStep } from './execute.ts';
import type { CursorEntry } from './model.ts';

export type CursorContext = Omit<ExecuteContext, 'budget'>;

/**
 * Entries in small lists, in order; nothing is executed before it is asked for. Ends early with an `error` entry when the
 * stream ends. Returning it early stops the statement.
 */
export async function* cursorEntries(
  session: Session,
  steps: readonly ReadyStep[],
  context: CursorContext,
): AsyncGenerator<readonly CursorEntry[], void, void> {
  const states: StepState[] = [];
  for (const [step, ready] of steps.entries()) {
    if (context.stream.ended !== undefined) {
      yield [{ type: 'error', error: wireError(context.stream.ended, context.log) }];
      return;
    }
    if (
      ready.condition !== undefined &&
      !holds(ready.condition, states, () => session.isAutocommit)
    ) {
      states.push('skipped');
      continue;
    }
    states.push(yield* stepEntries(session, step, ready, context));
  }
}

async function* stepEntries(
  session: Session,
  step: number,
  { sql, statement }: ReadyStep,
  { limits, log, stream }: CursorContext,
): AsyncGenerator<readonly CursorEntry[], StepState, void> {
  try {
    await using rows = await session.stream(bindStatement(sql(), statement, limits));
    yield [{ type: 'step_begin', step, columns: rows.columns }];
    for (let found = await rows.next(); found.length > 0; found = await rows.next()) {
      if (statement.wantRows) yield found.map((row) => ({ type: 'row', row }));
      stream.check();
    }
    const { affectedRows, lastInsertRowid } = rows.outcome();
    yield [{ type: 'step_end', affectedRows, lastInsertRowid }];
    return 'ok';
  } catch (error) {
    yield [{ type: 'step_error', step, error: wireError(error, log) }];
    return 'error';
  }
}
