/** Bodies of messages that are short enough to be taken as a whole: an iterator over a stream costs more than all the rest of them. */
import type { IncomingMessage } from 'node:http';

/** Shorter ones are sent without asking first, and read in one go. */
export const SMALL_BODY_BYTES: number = 64 * 1024;

/** Whether the other side has said so. */
export function isSmall({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length']) < SMALL_BODY_BYTES;
}

/** Rejects when it breaks off. */
export function wholeOf(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    message.on('data', (piece: Buffer) => pieces.push(piece));
    message.once('end', () => {
      const [only] = pieces;
      resolve(pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces));
    });
    message.once('error', reject);
    message.once('aborted', () => reject(new Error('it broke off')));
  });
}
