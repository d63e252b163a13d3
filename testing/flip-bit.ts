/** What a disk does that gets old: one bit of a text that a file of SQLite has is another one, and SQLite reads it happily. */
import { readFile, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';

/** The file must be nobody's now, and have the text in one place. Gives the text as it is there then. */
export async function flipBit(path: string, text: string): Promise<string> {
  const db = new DatabaseSync(path);
  // What is in the log of writes still would hide it.
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  const bytes = await readFile(path);
  const at = bytes.indexOf(text);
  if (at < 0) throw new Error(`${path} does not have "${text}"`);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
  return bytes.toString('utf8', at, at + Buffer.byteLength(text));
}
