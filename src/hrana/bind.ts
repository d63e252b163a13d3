/** Puts the arguments of a statement to their parameters. Pure. */
import type { BoundStatement, SqlValue } from './database.ts';
import { HranaError, SqlError } from './errors.ts';
import type { HranaLimits } from './limits.ts';
import type { NamedArgument, WireStatement } from './model.ts';
import { scanStatement } from '../sqlite/sqlite.ts';

/** Signs that the name of an argument may leave out. */
const SIGNS = [':', '@', '$', '?'] as const;

/** Throws `SQL_NO_STATEMENT`, `SQL_MANY_STATEMENTS`, `SQL_TOO_LONG`, `ARGS_INVALID`. */
export function bindStatement(
  sql: string,
  { args, namedArgs, wantRows }: Omit<WireStatement, 'text'>,
  limits: HranaLimits,
): BoundStatement {
  checkLength(sql, limits);
  const { parameters, statements, isBeyondLimit } = scanStatement(sql);
  if (statements === 'none') {
    throw new SqlError('SQL_NO_STATEMENT', 'The SQL text holds no statement');
  }
  if (statements === 'many') {
    throw new SqlError(
      'SQL_MANY_STATEMENTS',
      'The SQL text holds more than one statement: send a batch, or a sequence',
    );
  }
  if (isBeyondLimit) {
    throw new SqlError(
      'SQLITE_ERROR',
      `The number of a parameter must be from 1 to ${limits.argumentsMax}`,
    );
  }
  return { sql, parameters, values: place(parameters, args, namedArgs), wantRows };
}

export function checkLength(sql: string, { sqlCharactersMax }: HranaLimits): void {
  if (sql.length <= sqlCharactersMax) return;
  throw new HranaError(
    'SQL_TOO_LONG',
    `The SQL text has ${sql.length} characters, at most ${sqlCharactersMax}: pass values as arguments`,
  );
}

function place(
  parameters: readonly (string | null)[],
  args: readonly SqlValue[],
  namedArgs: readonly NamedArgument[],
): readonly SqlValue[] {
  if (args.length > parameters.length) {
    throw invalid(`${args.length} are given, the statement has ${parameters.length} parameters`);
  }
  if (namedArgs.length === 0 && args.length === parameters.length) return args;
  const values: (SqlValue | undefined)[] = [...args];
  for (const { name, value } of namedArgs) values[indexOf(parameters, name)] = value;
  return parameters.map((name, index) => {
    const value = values[index];
    if (value === undefined) throw invalid(`none is given for parameter ${name ?? index + 1}`);
    return value;
  });
}

function indexOf(parameters: readonly (string | null)[], name: string): number {
  const exact = parameters.indexOf(name);
  if (exact >= 0) return exact;
  const guessed = SIGNS.map((sign) => parameters.indexOf(sign + name)).find((at) => at >= 0);
  if (guessed === undefined) throw invalid(`the statement has no parameter "${name}"`);
  return guessed;
}

function invalid(why: string): SqlError {
  return new SqlError('ARGS_INVALID', `The arguments do not fit the statement: ${why}`);
}
