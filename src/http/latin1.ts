/** Bytes to strings and back, one byte a character: the only way a head is ever made text. */

interface Sliceable {
  latin1Slice(from: number, to: number): string;
  latin1Write(text: string, at: number): number;
}

/** The bytes `from..to` as latin1. `Buffer.toString` with its argument checks costs twice as much. */
export function latin1(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Sliceable).latin1Slice(from, to);
}

/** Writes latin1 text; answers how many bytes there was room for. */
export function writeLatin1(buffer: Buffer, text: string, at: number): number {
  return (buffer as unknown as Sliceable).latin1Write(text, at);
}
