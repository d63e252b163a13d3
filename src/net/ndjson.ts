/** Newline-delimited JSON, both ways. Empty lines are heartbeats and mean nothing. */
import { MolnError } from '../base/errors.ts';
import { NET_LINE_INVALID, NET_LINE_TOO_LONG } from './errors.ts';
import { LINE_BYTES_MAX } from './limits.ts';

const NEWLINE = 0x0a;

/** One line with its newline. JSON escapes newlines inside strings, so a value is always one line. */
export function encodeLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * The values of a byte stream, one per line, as they arrive. Throws `NET_LINE_TOO_LONG` before a line may
 * fill the memory, and `NET_LINE_INVALID` on what is not JSON, also on a last line that was cut off.
 */
export async function* decodeLines(
  source: AsyncIterable<Uint8Array>,
  options: { readonly lineBytesMax?: number } = {},
): AsyncGenerator<unknown, void, undefined> {
  const lineBytesMax = options.lineBytesMax ?? LINE_BYTES_MAX;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const keep = (part: Uint8Array): void => {
    bytes += part.length;
    if (bytes > lineBytesMax) {
      throw new MolnError(
        NET_LINE_TOO_LONG,
        `A line has more than ${lineBytesMax} bytes: ${bytes} so far`,
      );
    }
    parts.push(part);
  };
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, end));
      from = end + 1;
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      bytes = 0;
      if (line.trim() !== '') yield parse(line);
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  const rest = Buffer.concat(parts).toString('utf8');
  if (rest.trim() !== '') yield parse(rest);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (error) {
    throw new MolnError(NET_LINE_INVALID, `A line is not JSON: ${line.slice(0, 80)}`, {
      cause: error,
    });
  }
}
