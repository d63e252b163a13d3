/** The cursors of one WebSocket: batches that are executed as far as their entries are fetched. */
import type { Logger } from '../base/log.ts';
import { cursorEntries } from './cursor.ts';
import { valueBytes } from './database.ts';
import { HranaError } from './errors.ts';
import type { ReadyStep } from './execute.ts';
import type { HranaLimits } from './limits.ts';
import type { CursorEntry, SocketResponse } from './model.ts';
import type { Stream } from './stream.ts';

interface Cursor {
  readonly stream: Stream;
  entries: AsyncGenerator<readonly CursorEntry[], void, void> | undefined;
  /** The last entries that were found, and how many of them were fetched. */
  waiting: readonly CursorEntry[];
  taken: number;
  isDone: boolean;
}

export class SocketCursors {
  readonly #limits: HranaLimits;
  readonly #log: Logger;
  /** A number whose cursor could not be opened stays in use until it is closed. */
  readonly #cursors = new Map<number, Cursor | { readonly error: unknown }>();

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
    try {
      const stream = streamOf();
      if (stream.cursors > 0) {
        throw new HranaError('CURSOR_ALREADY_OPEN', 'The stream has an open cursor: close it');
      }
      const cursor: Cursor = { stream, entries: undefined, waiting: [], taken: 0, isDone: false };
      stream.cursors += 1;
      this.#cursors.set(cursorId, cursor);
      await stream.run((session) => {
        const context = { stream, limits: this.#limits, log: this.#log };
        cursor.entries = cursorEntries(session, steps, context);
        return Promise.resolve();
      });
    } catch (error) {
      this.#free(cursorId);
      this.#cursors.set(cursorId, { error });
      throw error;
    }
    return { type: 'open_cursor' };
  }

  async fetch(cursorId: number, maxCount: number): Promise<SocketResponse> {
    const cursor = this.#cursors.get(cursorId);
    if (cursor === undefined) {
      throw new HranaError('CURSOR_NOT_FOUND', `There is no cursor ${cursorId}`);
    }
    if ('error' in cursor) throw cursor.error;
    const count = Math.min(Math.max(1, maxCount), this.#limits.entriesPerFetchMax);
    return await cursor.stream.run(() => this.#take(cursor, count));
  }

  /** At least one entry when there is one, whatever its size. */
  async #take(cursor: Cursor, count: number): Promise<SocketResponse> {
    const entries: CursorEntry[] = [];
    let bytes = 0;
    while (entries.length < count && bytes < this.#limits.answerBytesMax && !cursor.isDone) {
      const entry = cursor.waiting[cursor.taken];
      if (entry === undefined) {
        const next = await cursor.entries?.next();
        if (next === undefined || next.done === true) cursor.isDone = true;
        else cursor.waiting = next.value;
        cursor.taken = 0;
        continue;
      }
      cursor.taken += 1;
      entries.push(entry);
      if (entry.type === 'row') for (const value of entry.row) bytes += valueBytes(value);
    }
    return { type: 'fetch_cursor', entries, done: cursor.isDone };
  }

  async close(cursorId: number): Promise<SocketResponse> {
    const cursor = this.#cursors.get(cursorId);
    if (cursor !== undefined && 'stream' in cursor && cursor.stream.ended === undefined) {
      await cursor.stream.run(async () => {
        await cursor.entries?.return();
        this.#free(cursorId);
      });
    }
    this.#free(cursorId);
    return { type: 'close_cursor' };
  }

  #free(cursorId: number): void {
    const cursor = this.#cursors.get(cursorId);
    this.#cursors.delete(cursorId);
    if (cursor !== undefined && 'stream' in cursor) cursor.stream.cursors -= 1;
  }
}
