/** What a database answers to one statement over its own wire (Hrana 3 over HTTP), as rows by the names of their columns. Pure. */
import { MolnError } from '../../base/errors.ts';

export type DatabaseRow = Readonly<Record<string, string>>;

interface Answered {
  readonly type: 'ok' | 'error';
  readonly response?: {
    readonly result?: {
      readonly cols: readonly { readonly name: string | null }[];
      readonly rows: readonly (readonly {
        readonly type: string;
        readonly value?: string | number;
      }[])[];
    };
  };
  readonly error?: { readonly message: string; readonly code?: string | null };
}

export interface PipelineAnswer {
  readonly results: readonly Answered[];
}

/** Of the first statement; all values as text, NULL as none. Throws what the database says of one that failed. */
export function rowsOf({ results }: PipelineAnswer): readonly DatabaseRow[] {
  const [first] = results;
  if (first?.error !== undefined)
    throw new MolnError(first.error.code ?? 'SQLITE_ERROR', first.error.message);
  const { cols = [], rows = [] } = first?.response?.result ?? {};
  const names = cols.map(({ name }) => name ?? '');
  return rows.map((row) =>
    Object.fromEntries(row.map(({ value }, at) => [names[at] ?? '', String(value ?? '')])),
  );
}
