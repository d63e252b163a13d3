/** Bytes to strings and back, one byte a character: the only way a head is ever made text. */

interface Sliceable {
  latin1Slice(from: number, to: number): string;
  latin1Write(text: string, at: number): number;
}

/** The bytes `from..to` as latin1. `Buffer.toString` with its argument checks costs twice as much. */
export function latin1(buffer: Buffer, from: number, to: number): string {
  return (buffer as unknown as Sliceable).latin1Slice(from, to);
}

/** Line ends and the like: a call into Node costs more than their bytes one by one. */
const SHORT_CHARACTERS_MAX = 12;

/** Writes latin1 text; answers how many bytes there was room for. */
export function writeLatin1(buffer: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length <= SHORT_CHARACTERS_MAX && at + length <= buffer.length) {
    for (let index = 0; index < length; index++) buffer[at + index] = text.charCodeAt(index);
    return length;
  }
  return (buffer as unknown as Sliceable).latin1Write(text, at);
}
