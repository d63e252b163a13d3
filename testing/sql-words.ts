/** What generated SQL is made of: types, collations and values that SQLite tells apart in surprising ways. */
export const TYPES: readonly string[] = [
  'INTEGER',
  'TEXT',
  'REAL',
  'NUMERIC',
  'BLOB',
  '',
  'VARCHAR(10)',
  'INT',
];
export const COLLATIONS: readonly string[] = ['', '', '', ' COLLATE NOCASE', ' COLLATE RTRIM'];
export const CLAUSES: readonly string[] = [
  '',
  '',
  '',
  '/* moln: reference */',
  '/* moln: single */',
];

export const CONSTANTS: readonly string[] = [
  'NULL',
  '0',
  '1',
  '2',
  '3',
  '1.0',
  '2.5',
  '-1',
  "'1'",
  "'2.0'",
  "'a'",
  "'A'",
  "'a '",
  "'b'",
  "'abc'",
  "''",
  "x'61'",
  "x''",
  '9007199254740993',
  '-9223372036854775808',
  '9007199254740992.0',
  '1e300',
];

export const REFERENCE_ACTIONS: readonly string[] = [
  '',
  'ON DELETE CASCADE',
  'ON DELETE SET NULL ON UPDATE CASCADE',
  'DEFERRABLE INITIALLY DEFERRED',
];

/**
 * Columns of one table, none of whose foreign keys is deferred while another is not. SQLite counts the deferred one that an INSERT of a single row breaks, and does not
 * take that back when an immediate one refuses the row: a COMMIT then fails though no row is there that breaks a key, which ours does not.
 */
export function keysOfOneKind(columns: readonly string[]): readonly string[] {
  const isMixed = columns.some((one) => / REFERENCES (?!.* DEFERRED)/.test(one));
  return isMixed
    ? columns.map((one) => one.replace(' DEFERRABLE INITIALLY DEFERRED', ''))
    : columns;
}

export interface GeneratedColumn {
  readonly name: string;
  readonly type: string;
  readonly collation: string;
}

export interface GeneratedTable {
  readonly name: string;
  readonly create: string;
  readonly columns: readonly GeneratedColumn[];
  readonly integerKey: string | undefined;
  readonly generated: readonly string[];
}
