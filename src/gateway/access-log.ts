/**
 * One line per finished request, JSON or combined, written in batches to a file of bounded size. It never waits for the disk:
 * when the disk is stuck or full, lines are dropped and counted, and the count is written once lines go through again.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { AccessLines } from './access-line.ts';
import type { AccessLogFormat } from './log-settings.ts';

export interface AccessEntry {
  /** Epoch milliseconds when the request's head had arrived. */
  readonly time: number;
  readonly client: string;
  /** Tells it from all others. */
  readonly id?: string | undefined;
  /** Who has shown the right password. */
  readonly user?: string | undefined;
  readonly method: string;
  readonly host: string;
  /** As received, query included. */
  readonly target: string;
  readonly status: number;
  readonly durationMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly route?: string | undefined;
  readonly upstream?: string | undefined;
  /** From the choice of the upstream to the end of its answer, as far as it came; connecting and repetitions are in it. */
  readonly upstreamMs?: number | undefined;
  /** The same to the head of its answer. */
  readonly upstreamHeadMs?: number | undefined;
  /** Of the W3C trace, in hexadecimal. */
  readonly traceId?: string | undefined;
  /** Fields of the request, for the combined format. */
  readonly referer?: string | undefined;
  readonly agent?: string | undefined;
  /** `json` unless said. */
  readonly format?: AccessLogFormat;
  /** On routes with a cache: `hit`, `stale`, `miss`, `collapsed`, `validated` or `pass`. */
  readonly cache?: string | undefined;
  /** `http/1.1` unless said. */
  readonly protocol?: string | undefined;
  /** The id on the error page that the client saw. */
  readonly errorId?: string | undefined;
  /** What went wrong, for the operator. */
  readonly error?: string | undefined;
}

export interface AccessLogOptions {
  readonly path: string;
  /** `json` unless said. */
  readonly format?: Exclude<AccessLogFormat, 'off'>;
  readonly clock: Clock;
  /** Bytes of one file. */
  readonly fileBytesMax?: number;
  /** Old files kept beside the current one: `path.1` is the youngest. */
  readonly keep?: number;
  /** Called once when the disk refuses, and again only after it has accepted in between. */
  readonly onRefused: (error: unknown) => void;
}

const FLUSH_AFTER_MS = 250;
const FLUSH_CHARACTERS = 64 * 1024;
/** Waiting for the disk beyond this means dropping. */
const WAITING_CHARACTERS_MAX = 4 * 1024 * 1024;
const FILE_BYTES_MAX = 32 * 1024 * 1024;
const KEEP = 3;

export class AccessLog implements AsyncDisposable {
  readonly #options: AccessLogOptions;
  #file: FileHandle | undefined;
  #size = 0;
  #lines = '';
  #timer: Disposable | undefined;
  #writing: Promise<void> | undefined;
  #dropped = 0;
  #droppedTold = 0;
  #refused = false;
  #closed = false;
  #reopens = false;
  readonly #text = new AccessLines();

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  /** Lines dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  record(entry: AccessEntry): void {
    if (this.#closed || this.#lines.length > WAITING_CHARACTERS_MAX) {
      this.#dropped++;
      return;
    }
    const { format = 'json' } = this.#options;
    this.#lines += format === 'json' ? this.#text.json(entry) : this.#text.combined(entry);
    if (this.#lines.length >= FLUSH_CHARACTERS) this.#flushSoon();
    else this.#timer ??= this.#options.clock.after(FLUSH_AFTER_MS, () => this.#flushSoon());
  }

  /** What comes from now on goes to whatever has the file's name then: somebody else has moved the file away. */
  reopen(): void {
    this.#reopens = true;
    this.#flushSoon();
  }

  /** Resolves when everything recorded so far is in the file or dropped. */
  async flush(): Promise<void> {
    while (this.#lines !== '' || this.#writing !== undefined) {
      this.#flushSoon();
      await this.#writing;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.flush();
    this.#timer?.[Symbol.dispose]();
    await this.#file?.close();
    this.#file = undefined;
  }

  #flushSoon(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#lines === '') return;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
      // What came meanwhile must not wait for the next request.
      if (this.#lines !== '' && !this.#closed) {
        this.#timer ??= this.#options.clock.after(FLUSH_AFTER_MS, () => this.#flushSoon());
      }
    });
  }

  async #write(): Promise<void> {
    const untold = this.#dropped - this.#droppedTold;
    const lines = this.#lines;
    this.#lines = '';
    const told = untold === 0 ? '' : droppedLine(untold, this.#options.format);
    const data = Buffer.from(`${told}${lines}`);
    if (this.#reopens) {
      this.#reopens = false;
      await this.#reopenLater();
    }
    try {
      if (this.#size + data.length > (this.#options.fileBytesMax ?? FILE_BYTES_MAX)) {
        await this.#rotate();
      }
      const file = await this.#open();
      for (let at = 0; at < data.length;) {
        at += (await file.write(data, at, data.length - at)).bytesWritten;
      }
      this.#size += data.length;
      this.#droppedTold += untold;
      this.#refused = false;
    } catch (error) {
      this.#dropped += countLines(lines);
      if (!this.#refused) this.#options.onRefused(error);
      this.#refused = true;
      await this.#reopenLater();
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#file === undefined) {
      this.#file = await open(this.#options.path, 'a', 0o600);
      this.#size = (await this.#file.stat()).size;
    }
    return this.#file;
  }

  /** After a refusal the folder may be another one, so the file is opened afresh. */
  async #reopenLater(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    try {
      await file?.close();
    } catch (error) {
      this.#options.onRefused(error);
    }
  }

  async #rotate(): Promise<void> {
    const file = await this.#open();
    if (this.#size === 0) return;
    await file.close();
    this.#file = undefined;
    const { path, keep = KEEP } = this.#options;
    await rm(keep === 0 ? path : `${path}.${keep}`, { force: true });
    for (let index = keep - 1; index >= 0; index--) {
      await renameIfAny(index === 0 ? path : `${path}.${index}`, `${path}.${index + 1}`);
    }
    this.#size = 0;
  }
}

/** The combined format has no place for it but a comment. */
function droppedLine(count: number, format: AccessLogFormat = 'json'): string {
  return format === 'json' ? `{"dropped":${count}}\n` : `# dropped ${count}\n`;
}

function countLines(lines: string): number {
  let count = 0;
  for (let at = lines.indexOf('\n'); at >= 0; at = lines.indexOf('\n', at + 1)) count++;
  return count;
}

async function renameIfAny(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}
