/**
 * The triggers that a statement fires, if the rows that they touch can be told from the rows that fire them: each is on the statement's own table, so
 * none fires another. What is not clear from the texts is undefined, and gathered.
 */
import type { Binding } from './binding.ts';
import type { Catalogue } from './catalogue.ts';
import { foldName, type Table } from './table.ts';
import { type AstNode, find, parseStatement, type Stmt } from './syntax.ts';

type CreateTrigger = Extract<Stmt, { type: 'CreateTriggerStmt' }>;
export type TriggerCommand = CreateTrigger['commands'][number];

export interface Trigger {
  readonly sql: string;
  readonly node: CreateTrigger;
}

export interface Firing {
  readonly triggers: readonly Trigger[];
  /** They change rows of the statement's own table: then one row may see what another fired. */
  readonly touchesOwn: boolean;
}

/** Names that stand for tables, and tables that are no items of a FROM. */
const OPAQUE: ReadonlySet<AstNode['type']> = new Set<AstNode['type']>([
  'CommonTableExpr',
  'InTableExpr',
  'SubSelectTable',
]);

const EVENTS = {
  InsertStmt: 'InsertTriggerCmd',
  UpdateStmt: 'UpdateTriggerCmd',
  DeleteStmt: 'DeleteTriggerCmd',
} as const;

/** What a statement fires; a sentence why its rows cannot be told. */
export function firingOf(
  { readsSchema, readsSequence, tables, temporary, triggers }: Binding,
  node: Extract<Stmt, { type: keyof typeof EVENTS }>,
  table: Table,
  catalogue: Catalogue,
): Firing | string {
  if (temporary !== 'none' || readsSchema || readsSequence || tables.some((one) => one.virtual))
    return 'it fires a trigger beside temporary or virtual tables';
  if (
    catalogue.temporary.some(({ name, type }) => type === 'trigger' && triggers.has(foldName(name)))
  )
    return 'it fires a temporary trigger';
  const found: Trigger[] = [];
  for (const { name, sql, table: on, type } of catalogue.objects) {
    if (type !== 'trigger' || !triggers.has(foldName(name))) continue;
    if (foldName(on) !== foldName(table.name)) return `it fires trigger "${name}" by another one`;
    const parsed = parseStatement(sql)?.node;
    if (parsed?.type !== 'CreateTriggerStmt' || find(parsed, isOpaque) !== undefined)
      return `it fires trigger "${name}", whose rows its text does not tell`;
    if (eventOf(parsed) !== EVENTS[node.type]) return `it fires trigger "${name}" by another one`;
    found.push({ sql, node: parsed });
  }
  const own = found.flatMap(({ node: of }) =>
    of.commands.filter((one) => commandTable(one, catalogue) === table).map((one) => ({ of, one })),
  );
  // What it changes before the statement does, and what fires the others once more, with other rows.
  const isFar = own.some(
    ({ of, one }) => of.time !== 'After' || (fires(one, EVENTS[node.type]) && found.length > 1),
  );
  return isFar
    ? 'it fires triggers that change its own table'
    : { triggers: found, touchesOwn: own.length > 0 };
}

function isOpaque(node: AstNode): boolean {
  if (node.type === 'UpdateTriggerCmd') return node.from !== undefined;
  return OPAQUE.has(node.type);
}

function fires(command: TriggerCommand, event: TriggerCommand['type']): boolean {
  if (command.type === event) return true;
  return event === 'UpdateTriggerCmd' && 'upsert' in command && command.upsert !== undefined;
}

function eventOf({ event }: CreateTrigger): TriggerCommand['type'] {
  if (event.type === 'InsertTriggerEvent') return 'InsertTriggerCmd';
  return event.type === 'DeleteTriggerEvent' ? 'DeleteTriggerCmd' : 'UpdateTriggerCmd';
}

/** Undefined for a SELECT. */
export function commandTable(command: TriggerCommand, { tables }: Catalogue): Table | undefined {
  return command.type === 'SelectTriggerCmd'
    ? undefined
    : tables.get(foldName(command.tblName.objName.text));
}
