/** How long whoever reads all of a stripe's file may take: by its size, as on a slow disk, for what ends is worth waiting for. */
import { stat } from 'node:fs/promises';
import { WHOLE_FILE_BYTES_PER_SECOND_MIN, WHOLE_FILE_MS_MIN } from './limits.ts';

/** Of the file at that path, in milliseconds. */
export async function wholeFileMs(path: string): Promise<number> {
  const { size } = await stat(path);
  return WHOLE_FILE_MS_MIN + (size / WHOLE_FILE_BYTES_PER_SECOND_MIN) * 1000;
}
