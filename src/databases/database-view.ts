/** A database as this node sees it: its record, what this node's process says of it, and what was asked for. Pure. */
import type { Stored } from '../registry/registry.ts';
import type { DatabaseState } from './control.ts';
import type { AskedLead, DatabaseRecord, PlacesRecord } from './records.ts';

export interface DatabaseView {
  readonly name: string;
  readonly record: DatabaseRecord;
  /** Undefined while the process does not answer. */
  readonly state: DatabaseState | undefined;
  /** Who is to lead, where that was asked for. */
  readonly asked: readonly AskedLead[];
}

export function viewOf(
  { id: name, value: record }: Stored<DatabaseRecord>,
  states: ReadonlyMap<string, DatabaseState>,
  places: ReadonlyMap<string, PlacesRecord> | undefined,
): DatabaseView {
  const asked = places?.get(record.id)?.asked ?? [];
  return { name, record, state: states.get(record.id), asked };
}
