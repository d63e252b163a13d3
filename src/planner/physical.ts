/**
 * The definition of a table as the stripes have it, spliced from the user's own text. Every table gets a primary key that
 * a changeset can name: the rowid as a column, ours (`_rid`) where the user has none. Foreign keys are left out, the planner
 * checks them; AUTOINCREMENT too, ids come from the planner.
 */
import { MolnError } from '../base/errors.ts';
import type { Table } from './table.ts';
import {
  type CreateTableStmt,
  type Edit,
  parseStatement,
  quoted,
  splice,
  textOf,
} from './syntax.ts';

export function physicalTable(table: Table): string {
  const { sql } = table;
  const node = parseStatement(sql)?.node;
  if (
    node?.type !== 'CreateTableStmt' ||
    node.body.type !== 'ColumnsAndConstraintsCreateTableBody'
  ) {
    throw new MolnError(
      'PLANNER_TABLE_TEXT',
      `Cannot read the definition of table "${table.name}"`,
      {
        hint: 'Write it plainly: names, types and constraints as in the documentation of SQLite',
      },
    );
  }
  return splice(sql, [...columnEdits(sql, node, table), ...constraintEdits(sql, node, table)]);
}

type Body = Extract<CreateTableStmt['body'], { type: 'ColumnsAndConstraintsCreateTableBody' }>;

function columnEdits(sql: string, node: CreateTableStmt, table: Table): readonly Edit[] {
  const body = node.body as Body;
  const edits: Edit[] = [];
  for (const { constraints } of body.columns) {
    for (const { constraint, span } of constraints) {
      if (
        constraint.type === 'ForeignKeyColumnConstraint' ||
        constraint.type === 'DeferColumnConstraint'
      ) {
        edits.push({ span, text: '' });
      } else if (constraint.type === 'PrimaryKeyColumnConstraint') {
        if (table.ridHidden) {
          const text = asUnique(textOf(sql, constraint)) + (table.strict ? ' NOT NULL' : '');
          edits.push({ span: constraint.span, text });
        } else if (constraint.autoIncrement) {
          const text = textOf(sql, constraint).replace(/\bautoincrement\b/i, '');
          edits.push({ span: constraint.span, text });
        }
      }
    }
  }
  const last = body.columns.at(-1);
  if (table.ridHidden && table.rid !== undefined && last !== undefined) {
    const span = { offset: last.span.offset + last.span.length, length: 0 };
    edits.push({ span, text: `, ${quoted(table.rid)} INTEGER PRIMARY KEY` });
  }
  return edits;
}

function constraintEdits(sql: string, node: CreateTableStmt, table: Table): readonly Edit[] {
  const body = node.body as Body;
  const edits: Edit[] = [];
  for (const { constraint, span } of body.constraints ?? []) {
    if (constraint.type === 'ForeignKeyTableConstraint') {
      // A constraint that is always true keeps the commas right.
      edits.push({ span, text: 'CHECK (1)' });
    } else if (constraint.type === 'PrimaryKeyTableConstraint') {
      const text = table.ridHidden
        ? asUnique(textOf(sql, constraint))
        : textOf(sql, constraint).replace(/\bautoincrement\b/i, '');
      edits.push({ span: constraint.span, text });
    }
  }
  return edits;
}

function asUnique(text: string): string {
  const gap = String.raw`(?:\s|--[^\n]*\n|/\*[\s\S]*?\*/)*`;
  return text
    .replace(new RegExp(`primary${gap}key`, 'i'), 'UNIQUE')
    .replace(/^UNIQUE\s+(?:asc|desc)\b/i, 'UNIQUE');
}
