/** Statements about files. Their upkeep is each stripe's own affair, so they change nothing; mistakes are SQLite's all the same. */
import { MolnError } from '../base/errors.ts';
import type { Catalogue } from './catalogue.ts';
import { sqliteFailure } from './sqlite-errors.ts';
import type { Stmt } from './syntax.ts';

/** True when it was one, and is done. */
export function upkeep(
  node: Stmt,
  sql: string,
  { catalogue, inTransaction }: { readonly catalogue: Catalogue; readonly inTransaction: boolean },
): boolean {
  switch (node.type) {
    case 'AttachStmt':
    case 'DetachStmt':
      throw new MolnError('PLANNER_ATTACH', 'ATTACH and DETACH are not supported', {
        hint: 'Use a second connection to the other database',
      });
    case 'VacuumStmt':
      if (node.into !== undefined) {
        throw new MolnError('PLANNER_VACUUM_INTO', 'VACUUM INTO is not supported', {
          hint: 'Use "moln db dump"',
        });
      }
      if (inTransaction) throw sqliteFailure('cannot VACUUM from within a transaction');
      return true;
    case 'AnalyzeStmt':
    case 'ReindexStmt': {
      using trial = catalogue.clone();
      trial.exec(sql);
      return true;
    }
    default:
      return false;
  }
}
