/**
 * The adapter over `sqlite3-parser`, the only file that knows it. Gives statements with their nodes, walks them, and
 * rewrites by replacing source spans, so that the user's text stays what it is. A text that it cannot parse is not yet
 * wrong: SQLite decides (`1_000`), and the planner goes on without nodes.
 */
import {
  type AstNode,
  type CreateTableStmt,
  type Expr,
  type FromClause,
  type InsertStmt,
  type Limit,
  type NamedTableConstraint,
  parse,
  parseStmt,
  type ResultColumn,
  type Select,
  type SelectFrom,
  type SelectTable,
  type SortedColumn,
  type Stmt,
} from 'sqlite3-parser';

export type {
  AstNode,
  CreateTableStmt,
  Expr,
  FromClause,
  InsertStmt,
  Limit,
  NamedTableConstraint,
  ResultColumn,
  Select,
  SelectFrom,
  SelectTable,
  SortedColumn,
  Stmt,
};
/** Bits of a join's type, as SQLite's `JT_…`. */
export const JOIN = { INNER: 1, CROSS: 2, NATURAL: 4, LEFT: 8, RIGHT: 16, OUTER: 32 } as const;

export interface Span {
  readonly offset: number;
  readonly length: number;
}

export interface Parsed {
  readonly sql: string;
  readonly node: Stmt;
}

/** One text is asked about several times in a row; a longer one is too much to be kept. */
let latest: { readonly sql: string; readonly parsed: Parsed | undefined } | undefined;
const KEPT_LENGTH_MAX = 100_000;

/** The first statement of a text, or undefined when the parser does not know it. */
export function parseStatement(sql: string): Parsed | undefined {
  if (latest?.sql === sql) return latest.parsed;
  const result = parse(sql);
  const node = result.status === 'ok' ? result.root.cmds[0] : undefined;
  const parsed = node === undefined ? undefined : { sql, node };
  latest = sql.length > KEPT_LENGTH_MAX ? undefined : { sql, parsed };
  return parsed;
}

/**
 * A script as texts of one statement each, with the comments in and behind them. What follows a text that cannot be
 * parsed is the last text, for SQLite to judge.
 */
export function splitScript(sql: string): readonly string[] {
  const whole = parse(sql);
  if (whole.status === 'ok') {
    const ends = whole.root.cmds.map(({ span }) => afterSemicolon(sql, span.offset + span.length));
    return ends.map((end, at) => sql.slice(ends[at - 1] ?? 0, end));
  }
  const texts: string[] = [];
  for (let from = 0; sql.slice(from).trim() !== '';) {
    const result = parseStmt(sql.slice(from), { allowTrailing: true });
    if (result.status !== 'ok') return [...texts, sql.slice(from)];
    const { span } = result.root;
    const end = afterSemicolon(sql, from + span.offset + span.length);
    texts.push(sql.slice(from, end));
    from = end;
  }
  return texts;
}

/** Behind the semicolon that follows, over blanks and comments. */
function afterSemicolon(sql: string, from: number): number {
  const blank = /(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*(?:;|$)/y;
  blank.lastIndex = from;
  const match = blank.exec(sql);
  return match === null ? from : from + match[0].length;
}

/** True when a text holds no statement at all. */
export function isBlank(sql: string): boolean {
  return /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?(?:\*\/|$))*$/.test(sql);
}

/** Calls `see` for a node and everything below it; `false` keeps out of what is below. */
export function walk(node: AstNode, see: (node: AstNode) => boolean | void): void {
  if (see(node) === false) return;
  // Half the time of `Object.values`, which makes a list of each node.
  for (const key in node) walkValue(node[key as keyof AstNode], see);
}

function walkValue(value: unknown, see: (node: AstNode) => boolean | void): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[]) walkValue(item, see);
  } else if ('type' in value && 'span' in value) {
    walk(value as AstNode, see);
  }
}

/** The first node below `node` that fits, itself included. */
export function find(node: AstNode, fits: (node: AstNode) => boolean): AstNode | undefined {
  let found: AstNode | undefined;
  walk(node, (one) => {
    if (found === undefined && fits(one)) found = one;
    return found === undefined;
  });
  return found;
}

export function textOf(sql: string, { span }: { readonly span: Span }): string {
  return sql.slice(span.offset, span.offset + span.length);
}

export interface Edit {
  readonly span: Span;
  readonly text: string;
}

/** `sql` with the spans replaced. Spans do not overlap. */
export function splice(sql: string, edits: readonly Edit[]): string {
  let result = '';
  let from = 0;
  for (const { span, text } of [...edits].sort((a, b) => a.span.offset - b.span.offset)) {
    result += sql.slice(from, span.offset) + text;
    from = span.offset + span.length;
  }
  return result + sql.slice(from);
}

/** `part` of a statement cut out, with the edits that fall into it. */
export function cut(sql: string, part: Span, edits: readonly Edit[]): string {
  const end = part.offset + part.length;
  const inside = edits.filter(
    ({ span }) => span.offset >= part.offset && span.offset + span.length <= end,
  );
  return splice(
    sql.slice(part.offset, end),
    inside.map(({ span, text }) => ({
      span: { offset: span.offset - part.offset, length: span.length },
      text,
    })),
  );
}

/** The numbers of the parameters in `part` of a statement. */
export function numbersIn({ offset, length }: Span, { edits }: Parameters): readonly number[] {
  return edits
    .filter(({ span }) => span.offset >= offset && span.offset < offset + length)
    .map(({ text }) => Number(text.slice(1)));
}

/** Quoted as an identifier, whatever is in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Parameters in the order of SQLite's numbers: a name, or null for `?`. */
export interface Parameters {
  readonly names: readonly (string | null)[];
  /** Every parameter as `?N`, so that a part of the text means the same by itself; in the order of the text. */
  readonly edits: readonly Edit[];
}

/** Numbers the parameters as SQLite does: `?` is one more than the largest so far, a name keeps its first number. */
export function parametersOf(node: AstNode): Parameters {
  const found: { readonly name: string; readonly span: Span }[] = [];
  walk(node, (one) => {
    if (one.type === 'VariableExpr') found.push(one);
  });
  found.sort((a, b) => a.span.offset - b.span.offset);
  const names: (string | null)[] = [];
  const edits = found.map(({ name, span }) => {
    const number = numberOf(name, names);
    return { span, text: `?${number}` };
  });
  return { names, edits };
}

function numberOf(name: string, names: (string | null)[]): number {
  if (name === '?') return names.push(null);
  if (name.startsWith('?')) {
    const number = Number(name.slice(1));
    while (names.length < number) names.push(null);
    return number;
  }
  const known = names.indexOf(name);
  return known >= 0 ? known + 1 : names.push(name);
}
