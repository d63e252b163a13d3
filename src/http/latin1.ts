/** Bytes to strings, one byte a character: the only way a head is ever made text. */

interface Sliceable {
  latin1Slice(from: number, to: number): string;
}

/** The bytes `from..to` as latin1. `Buffer.toString` with its argument checks costs twice as much. */
export function latin1(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Sliceable).latin1Slice(from, to);
}
