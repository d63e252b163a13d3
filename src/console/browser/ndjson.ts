/** Reads newline-delimited JSON from a response body, however the network cuts it. */

/** Longest line taken, in characters; a longer one is a broken server. */
const LINE_CHARS_MAX = 4 * 1024 * 1024;

/** Cuts text into complete lines; what is left over waits for the next piece. */
export class LineSplitter {
  #rest = '';

  /** Complete, non-blank lines of what has arrived so far. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > LINE_CHARS_MAX) {
      throw new RangeError(`Line is longer than ${LINE_CHARS_MAX} characters`);
    }
    return lines.filter((line) => line.trim() !== '');
  }

  /** A last line without its newline, if there is one. */
  end(): string[] {
    const rest = this.#rest;
    this.#rest = '';
    return rest.trim() === '' ? [] : [rest];
  }
}

/** The items of a stream, as they arrive. The caller knows their shape: it asked for it. */
export async function* readItems<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T, void> {
  const splitter = new LineSplitter();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (const line of splitter.push(decoder.decode(value, { stream: true }))) {
        yield JSON.parse(line) as T;
      }
    }
    for (const line of splitter.end()) yield JSON.parse(line) as T;
  } finally {
    // Leaving the loop early must also close the connection.
    await reader.cancel().catch(() => undefined);
  }
}
