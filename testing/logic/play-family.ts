/** One file of our own making, made and played: throws with the seed and the first difference. */
import type { LogicDatabase } from './databases.ts';
import { familyRecords } from './families.ts';
import { type LogicPlay, play } from './play.ts';

export interface FamilyFile {
  readonly family: string;
  readonly seed: number;
  readonly size: number;
}

export async function playFamily(
  { family, seed, size }: FamilyFile,
  databases: readonly LogicDatabase[],
): Promise<LogicPlay> {
  const played = await play(familyRecords(family, seed, size), databases);
  // How long a statement takes is the machine's affair.
  const found = played.differences.find(({ kind }) => kind !== 'slow' && kind !== 'file');
  if (found === undefined) return played;
  const { database, got, kind, sql, want } = found;
  throw new Error(
    `"${family}" of seed ${seed}, ${database}, ${kind}:\n${sql}\ngot  ${got}\nwant ${want}`,
  );
}
