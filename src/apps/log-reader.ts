/** Reads the instances' logs as lines: the last of the past, merged by time, and then what follows, live. */
import { type FileHandle, open } from 'node:fs/promises';
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { LogFile, LogStore } from './log-store.ts';
import { LOG_FOLLOW_EVERY_MS, LOG_LINE_BYTES_MAX, LOG_TAIL_BYTES_MAX } from './run-limits.ts';

const NEWLINE = 10;
const CHUNK_BYTES: number = 64 * 1024;

/** One line of one instance. `at`: epoch milliseconds, see `log-store.ts`. */
export interface LogLine {
  readonly at: number;
  readonly instance: string;
  readonly process: string;
  readonly text: string;
}

/** And where it ends in the log of its instance, for whoever goes on from there later. */
export interface PlacedLine extends LogLine {
  readonly end: number;
}

export interface LogRequest {
  readonly app: string;
  /** Lines of the past, at most; the newest ones. */
  readonly tail: number;
  readonly follow: boolean;
  readonly process: string | undefined;
  readonly instance: string | undefined;
  /** With `follow`: goes on with what was followed before. */
  readonly resume?: LogResume;
}

export interface LogResume {
  /** By instance: the end of the last line that was read. */
  readonly ends: Readonly<Record<string, number>>;
  /** Epoch milliseconds: of other instances only what was written since then. */
  readonly since: number;
}

/** A line and where it begins and ends, newline included. */
export interface OffsetLine {
  readonly text: string;
  readonly begin: number;
  readonly end: number;
  /** False while its newline is missing. */
  readonly finished: boolean;
}

/** The last `count` lines of a file between two offsets. An unfinished last line counts as one. */
export async function lastLines(
  path: string,
  range: { readonly start: number; readonly end: number },
  count: number,
): Promise<OffsetLine[]> {
  if (count <= 0 || range.end <= range.start) return [];
  const file = await openIfAny(path);
  if (file === undefined) return [];
  try {
    let from = range.end;
    // An app may make its log as long as it likes, without a single newline.
    const first = Math.max(range.start, range.end - LOG_TAIL_BYTES_MAX);
    let newlines = 0;
    // One more newline than lines: what stands before it belongs to an earlier line.
    const chunks: Buffer[] = [];
    while (from > first && newlines <= count) {
      const length = Math.min(CHUNK_BYTES, from - first);
      from -= length;
      const chunk = await readFully(file, from, length);
      for (const byte of chunk) if (byte === NEWLINE) newlines++;
      chunks.unshift(chunk);
    }
    const splitter = new LineSplitter(from);
    const lines = splitter.push(Buffer.concat(chunks));
    const rest = splitter.flush();
    if (rest !== undefined) lines.push(rest);
    // What follows a hole begins in the middle of a line.
    if (from > 0 && from === first) lines.shift();
    return lines.slice(-count);
  } finally {
    await file.close();
  }
}

/** Cuts bytes into lines at LF (a CR before it goes too), remembering offsets. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #offset: number;

  constructor(offset: number) {
    this.#offset = offset;
  }

  push(bytes: Buffer): OffsetLine[] {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const lines: OffsetLine[] = [];
    let start = 0;
    while (start < all.length) {
      const newline = all.indexOf(NEWLINE, start);
      const tooLong = (newline < 0 ? all.length : newline) - start > LOG_LINE_BYTES_MAX;
      if (newline < 0 && !tooLong) break;
      const end = tooLong ? start + LOG_LINE_BYTES_MAX : newline;
      const next = tooLong ? end : newline + 1;
      lines.push({
        text: plainText(all.subarray(start, end)),
        begin: this.#offset + start,
        end: this.#offset + next,
        finished: true,
      });
      start = next;
    }
    this.#rest = all.subarray(start);
    this.#offset += start;
    return lines;
  }

  /** The unfinished last line, if any. */
  flush(): OffsetLine | undefined {
    if (this.#rest.length === 0) return undefined;
    const begin = this.#offset;
    const end = begin + this.#rest.length;
    const line = { text: plainText(this.#rest), begin, end, finished: false };
    this.#offset = end;
    this.#rest = Buffer.alloc(0);
    return line;
  }
}

function plainText(bytes: Buffer): string {
  const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length;
  return bytes.toString('utf8', 0, end);
}

export class LogReader {
  readonly #store: LogStore;
  readonly #clock: Clock;

  constructor(options: { readonly store: LogStore; readonly clock: Clock }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** The last lines of one instance. */
  async tail(app: string, instance: string, count: number): Promise<string[]> {
    const file = await this.#store.file(app, instance);
    if (file === undefined) return [];
    const lines = await lastLines(file.path, { start: file.start, end: file.size }, count);
    return lines.map((line) => line.text);
  }

  /** Past lines in order of time, then new ones until the signal aborts (without an error). */
  async *read(
    request: LogRequest,
    signal: AbortSignal,
  ): AsyncGenerator<PlacedLine, void, undefined> {
    const since = request.resume?.since ?? 0;
    const followed = new Map<string, Follower>();
    const past: PlacedLine[] = [];
    for (const file of await this.#wanted(request)) {
      const from = resumedAt(file, request.resume);
      if (from !== undefined) {
        followed.set(file.path, new Follower(file, from));
        continue;
      }
      const range = { start: file.start, end: file.size };
      const lines = await lastLines(file.path, range, Math.max(1, request.tail));
      const unfinished =
        request.follow && lines.at(-1)?.finished === false ? lines.pop() : undefined;
      // A line that is still being written is not of the past: the follower begins with it.
      followed.set(file.path, new Follower(file, unfinished?.begin ?? file.size));
      for (const line of lines.slice(lines.length - Math.min(lines.length, request.tail))) {
        const at = file.marks.timeOf(line.end) ?? file.writtenAt;
        if (at >= since) past.push(lineOf(file, line, at));
      }
    }
    // Stable: the lines of one instance keep their order within one time.
    past.sort((a, b) => a.at - b.at);
    yield* past.slice(Math.max(0, past.length - request.tail));
    if (!request.follow) return;
    while (!signal.aborted) {
      for (const file of await this.#wanted(request)) {
        const follower = followed.get(file.path) ?? new Follower(file, file.start);
        followed.set(file.path, follower);
        for (const line of await follower.grown(file)) yield lineOf(file, line, this.#clock.now());
      }
      await pause(this.#clock, LOG_FOLLOW_EVERY_MS, signal);
    }
  }

  async #wanted(request: LogRequest): Promise<LogFile[]> {
    const files = await this.#store.files(request.app);
    return files.filter(
      ({ instance }) =>
        (request.instance === undefined || instance === request.instance) &&
        (request.process === undefined || processOf(request.app, instance) === request.process),
    );
  }
}

/** Reads what was appended to one file since the last look. */
class Follower {
  #offset: number;
  #splitter: LineSplitter;

  constructor(file: LogFile, offset: number) {
    this.#offset = Math.min(offset, file.size);
    this.#splitter = new LineSplitter(this.#offset);
  }

  async grown(file: LogFile): Promise<OffsetLine[]> {
    // Emptied, or shortened beyond us: go on where there is something.
    if (file.size < this.#offset || file.start > this.#offset) {
      this.#offset = file.start;
      this.#splitter = new LineSplitter(this.#offset);
    }
    if (file.size === this.#offset) return [];
    const handle = await openIfAny(file.path);
    if (handle === undefined) return [];
    try {
      const length = Math.min(file.size - this.#offset, 16 * CHUNK_BYTES);
      const bytes = await readFully(handle, this.#offset, length);
      this.#offset += bytes.length;
      return this.#splitter.push(bytes);
    } finally {
      await handle.close();
    }
  }
}

/** Instance ids are `<app>-<process>-<random>`. */
export function processOf(app: string, instance: string): string {
  const rest = instance.startsWith(`${app}-`) ? instance.slice(app.length + 1) : instance;
  return rest.slice(0, Math.max(0, rest.lastIndexOf('-')));
}

/** Where to go on in a log; undefined when its past is to be looked at by time. */
function resumedAt(file: LogFile, resume: LogResume | undefined): number | undefined {
  if (resume === undefined) return undefined;
  const { ends, since } = resume;
  return ends[file.instance] ?? (file.bornAt >= since ? file.start : undefined);
}

function lineOf(file: LogFile, line: OffsetLine, at: number): PlacedLine {
  const app = file.path.split('/').at(-3) ?? '';
  const process = processOf(app, file.instance);
  return { at, instance: file.instance, process, text: line.text, end: line.end };
}

async function openIfAny(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function readFully(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
