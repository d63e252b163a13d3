/** The cursors of one WebSocket: batches that are executed as far as their entries are fetched. */
import type { Logger } from '../base/log.ts';
import { cursorEntries } from './cursor.ts';
import { valueBytes } from './database.ts';
import { HranaError } from './errors.ts';
import type { ReadyStep } from './execute.ts';
import type { HranaLimits } from './limits.ts';
import type { CursorEntry, SocketResponse } from './model.ts';
import type { Stream } from './stream.ts';

interface Opened {
  readonly cursor: Cursor;
  readonly stream: Stream;
}

/** Executes its batch as far as it is read. */
class Cursor implements AsyncDisposable {
  #entries: AsyncGenerator<readonly CursorEntry[], void, void> | undefined;
  /** The last entries that were found, and how many of them were fetched. */
  #waiting: readonly CursorEntry[] = [];
  #taken = 0;
  #isDone = false;

  begin(entries: AsyncGenerator<readonly CursorEntry[], void, void>): void {
    this.#entries = entries;
  }

  /** At least one entry when there is one, whatever its size. */
  async take(count: number, bytesMax: number): Promise<SocketResponse> {
    const entries: CursorEntry[] = [];
    let bytes = 0;
    while (entries.length < count && bytes < bytesMax && !this.#isDone) {
      const entry = this.#waiting[this.#taken];
      if (entry === undefined) {
        await this.#read();
        continue;
      }
      this.#taken += 1;
      entries.push(entry);
      if (entry.type === 'row') for (const value of entry.row) bytes += valueBytes(value);
    }
    return { type: 'fetch_cursor', entries, done: this.#isDone };
  }

  /** Stops the statement. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDone = true;
    await this.#entries?.return();
  }

  async #read(): Promise<void> {
    const next = await this.#entries?.next();
    this.#taken = 0;
    if (next === undefined || next.done === true) this.#isDone = true;
    else this.#waiting = next.value;
  }
}

export class SocketCursors {
  readonly #limits: HranaLimits;
  readonly #log: Logger;
  /** A number whose cursor could not be opened stays in use until it is closed. */
  readonly #cursors = new Map<number, Opened | { readonly error: unknown }>();

  constructor({ limits, log }: { readonly limits: HranaLimits; readonly log: Logger }) {
    this.#limits = limits;
    this.#log = log;
  }

  async open(
    cursorId: number,
    streamOf: () => Stream,
    steps: readonly ReadyStep[],
  ): Promise<SocketResponse> {
    if (this.#cursors.has(cursorId)) {
      throw new HranaError('CURSOR_EXISTS', `There is a cursor ${cursorId} already: close it`);
    }
    if (this.#cursors.size >= this.#limits.cursorsPerConnectionMax) {
      const words = `At most ${this.#limits.cursorsPerConnectionMax} cursors are open on one connection`;
      throw new HranaError('HRANA_TOO_MANY_CURSORS', words);
    }
    let opened: Opened | undefined;
    try {
      const stream = streamOf();
      if (stream.cursor !== undefined) {
        throw new HranaError('CURSOR_ALREADY_OPEN', 'The stream has an open cursor: close it');
      }
      const cursor = new Cursor();
      opened = { cursor, stream };
      stream.cursor = cursor;
      this.#cursors.set(cursorId, opened);
      await stream.run((session) => {
        const context = { stream, limits: this.#limits, log: this.#log };
        cursor.begin(cursorEntries(session, steps, context));
        return Promise.resolve();
      });
    } catch (error) {
      // The client may have closed it meanwhile, and used its number again.
      if (this.#cursors.get(cursorId) === opened) {
        this.#free(cursorId);
        this.#cursors.set(cursorId, { error });
      }
      throw error;
    }
    return { type: 'open_cursor' };
  }

  async fetch(cursorId: number, maxCount: number): Promise<SocketResponse> {
    const opened = this.#cursors.get(cursorId);
    if (opened === undefined) {
      throw new HranaError('CURSOR_NOT_FOUND', `There is no cursor ${cursorId}`);
    }
    if ('error' in opened) throw opened.error;
    const { entriesPerFetchMax, answerBytesMax } = this.#limits;
    const count = Math.min(maxCount, entriesPerFetchMax);
    return await opened.stream.run(() => opened.cursor.take(count, answerBytesMax));
  }

  /** The number and the stream are free for the next message already; the statement ends in its turn. */
  async close(cursorId: number): Promise<SocketResponse> {
    const opened = this.#cursors.get(cursorId);
    this.#free(cursorId);
    if (opened !== undefined && 'stream' in opened && opened.stream.ended === undefined) {
      await opened.stream.run(() => opened.cursor[Symbol.asyncDispose]());
    }
    return { type: 'close_cursor' };
  }

  /** The stream is being closed, and its cursor with it. */
  forget(stream: Stream): void {
    for (const [cursorId, opened] of this.#cursors) {
      if ('stream' in opened && opened.stream === stream) this.#cursors.delete(cursorId);
    }
  }

  #free(cursorId: number): void {
    const opened = this.#cursors.get(cursorId);
    this.#cursors.delete(cursorId);
    if (opened !== undefined && 'stream' in opened) opened.stream.cursor = undefined;
  }
}
