/** Everything that is in a served database, as it is at one moment. */
import { MolnError } from '../base/errors.ts';
import type { SqlRow } from '../hrana/hrana.ts';
import type { DatabaseStream, Event } from './db-client.ts';
import { readShape, rowsQuery, SCHEMA_QUERY, type Shape, type TableShape } from './db-shape.ts';

export type Part =
  | { readonly kind: 'shape'; readonly shape: Shape }
  | { readonly kind: 'table'; readonly table: TableShape }
  | { readonly kind: 'row'; readonly row: SqlRow };

const TRIES_MAX = 5;

/** The shape first, then each table with its rows. One transaction reads them all; it has no time limit while rows are taken. */
export async function* readDatabase(stream: DatabaseStream): AsyncGenerator<Part, void, void> {
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const { shape, schema } = await shapeOf(stream);
    const tables = shape.tables.filter(({ fill }) => fill === 'rows');
    const events = stream.cursor([
      { sql: 'BEGIN TRANSACTION READONLY' },
      { sql: SCHEMA_QUERY },
      ...tables.map((table) => ({ sql: rowsQuery(table) })),
      { sql: 'COMMIT' },
    ]);
    if (yield* partsOf(events, { shape, schema, tables })) return;
  }
  throw new MolnError('CLI_SCHEMA_MOVES', 'The tables of the database were changed all the time', {
    hint: 'Do it again when nothing alters tables',
    retryable: true,
  });
}

async function shapeOf(
  stream: DatabaseStream,
): Promise<{ readonly shape: Shape; readonly schema: string }> {
  let schema = '';
  const shape = await readShape(async (sql) => {
    const { rows } = await stream.execute({ sql });
    if (sql === SCHEMA_QUERY) schema = JSON.stringify(rows);
    return rows;
  });
  return { shape, schema };
}

/** False, and nothing given, when the schema was another one before the transaction began. */
async function* partsOf(
  events: AsyncGenerator<Event, void, void>,
  known: {
    readonly shape: Shape;
    readonly schema: string;
    readonly tables: readonly TableShape[];
  },
): AsyncGenerator<Part, boolean, void> {
  const schema: SqlRow[] = [];
  let step = 0;
  for await (const event of events) {
    if (event.kind === 'begin') {
      ({ step } = event);
      const table = known.tables[step - 2];
      if (table !== undefined) yield { kind: 'table', table };
    } else if (event.kind === 'row' && step === 1) schema.push(event.row);
    else if (event.kind === 'row') yield { kind: 'row', row: event.row };
    else if (step === 1) {
      if (JSON.stringify(schema) !== known.schema) return false;
      yield { kind: 'shape', shape: known.shape };
    }
  }
  return true;
}
