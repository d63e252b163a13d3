/**
 * A batch that is one transaction, as clients of libSQL send them: BEGIN, statements, COMMIT, and each step only if those before it
 * succeeded. Its engine may run it in one go; if it does not, nothing has happened, and the steps are run one by one.
 */
import { bindStatement } from './bind.ts';
import { holds, type StepState } from './conditions.ts';
import type { BoundStatement, Session, StatementResult } from './database.ts';
import type { ExecuteContext, ReadyStep } from './execute.ts';
import type { BatchResult } from './model.ts';

const BEGIN: RegExp =
  /^\s*begin(?:\s+(?:deferred|immediate|exclusive))?(?:\s+transaction)?\s*;?\s*$/i;
const COMMIT: RegExp = /^\s*(?:commit|end)(?:\s+transaction)?\s*;?\s*$/i;

/** Undefined when it is none, or was not run. */
export async function wholeTransaction(
  session: Session,
  steps: readonly ReadyStep[],
  { budget, limits }: ExecuteContext,
): Promise<BatchResult | undefined> {
  if (session.transaction === undefined || !session.isAutocommit || steps.length < 3) return;
  const plan = planOf(steps);
  if (plan === undefined) return;
  let statements: readonly BoundStatement[];
  try {
    statements = steps
      .slice(1, plan.commitAt)
      .map(({ sql, statement }) => bindStatement(sql(), statement, limits));
  } catch {
    // Which step it is, and what became of those before it, is told when they run one by one.
    return;
  }
  const room = { rowsMax: limits.rowsMax, bytesMax: Math.max(0, budget.left) };
  const found = await session.transaction(statements, room);
  if (found === undefined) return;
  for (const result of found) budget.take(result);
  const [first] = found;
  if (first === undefined) return;
  const results: (StatementResult | null)[] = steps.map(() => null);
  const control = { ...first, columns: [], rows: [], affectedRows: 0 };
  results[0] = control;
  results[plan.commitAt] = control;
  for (const [at, result] of found.entries()) results[at + 1] = result;
  return { results, errors: steps.map(() => null) };
}

/** Where COMMIT is, if all that runs when nothing fails is what is between BEGIN and it. */
function planOf(steps: readonly ReadyStep[]): { readonly commitAt: number } | undefined {
  const states: StepState[] = [];
  let commitAt: number | undefined;
  for (const [at, { condition, statement }] of steps.entries()) {
    const { text } = statement;
    const isOpen = at > 0 && commitAt === undefined;
    const runs = condition === undefined || holds(condition, states, () => !isOpen);
    states.push(runs ? 'ok' : 'skipped');
    if (at === 0 ? !runs || typeof text !== 'string' || !BEGIN.test(text) : runs !== isOpen) return;
    if (at > 0 && runs && typeof text === 'string' && COMMIT.test(text)) commitAt = at;
  }
  return commitAt === undefined || commitAt < 2 ? undefined : { commitAt };
}
