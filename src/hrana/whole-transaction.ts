/**
 * A batch that is one transaction, as clients of libSQL send them: BEGIN, statements, COMMIT, and each step only if those before it
 * succeeded; or the rest of one that is open, up to its COMMIT. Its engine may run the statements in one go; if it does not, nothing has
 * happened, and the steps are run one by one.
 */
import { bindStatement } from './bind.ts';
import { holds, type StepState } from './conditions.ts';
import type { BoundStatement, Session, StatementResult } from './database.ts';
import type { ExecuteContext, ReadyStep } from './execute.ts';

const BEGIN: RegExp =
  /^\s*begin(?:\s+(?:deferred|immediate|exclusive))?(?:\s+transaction)?\s*;?\s*$/i;
const COMMIT: RegExp = /^\s*(?:commit|end)(?:\s+transaction)?\s*;?\s*$/i;

/** Results of the batch's first steps; none when it is no such batch, or was not run. */
export async function wholeTransaction(
  session: Session,
  steps: readonly ReadyStep[],
  { budget, limits }: ExecuteContext,
): Promise<readonly StatementResult[]> {
  if (session.transaction === undefined || steps.length < 3) return [];
  const begins = session.isAutocommit;
  const commitAt = commitOf(steps, begins);
  if (commitAt === undefined) return [];
  let statements: readonly BoundStatement[];
  try {
    statements = steps
      .slice(begins ? 1 : 0, commitAt)
      .map(({ sql, statement }) => bindStatement(sql(), statement, limits));
  } catch {
    // Which step it is, and what became of those before it, is told when they run one by one.
    return [];
  }
  const room = { rowsMax: limits.rowsMax, bytesMax: Math.max(0, budget.left) };
  const found = (await session.transaction(statements, room)) ?? [];
  for (const result of found) budget.take(result);
  const [first] = found;
  if (!begins || first === undefined) return found;
  const control = { ...first, columns: [], rows: [], affectedRows: 0 };
  return [control, ...found, control];
}

/** Where COMMIT is, if all that runs when nothing fails is what comes before it, behind BEGIN when the batch `begins` the transaction. */
function commitOf(steps: readonly ReadyStep[], begins: boolean): number | undefined {
  const states: StepState[] = [];
  const from = begins ? 1 : 0;
  let commitAt: number | undefined;
  for (const [at, { condition, statement }] of steps.entries()) {
    const { text } = statement;
    const isOpen = at >= from && commitAt === undefined;
    const runs = condition === undefined || holds(condition, states, () => !isOpen);
    states.push(runs ? 'ok' : 'skipped');
    if (at < from ? !runs || typeof text !== 'string' || !BEGIN.test(text) : runs !== isOpen)
      return;
    if (isOpen && typeof text === 'string' && COMMIT.test(text)) commitAt = at;
  }
  return commitAt === undefined || commitAt <= from ? undefined : commitAt;
}
