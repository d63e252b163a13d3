/**
 * One JSON line per finished request, written in batches to a file of bounded size. It never waits for the disk:
 * when the disk is stuck or full, lines are dropped and counted, and the count is written once lines go through again.
 */
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../base/errors.ts';
import { isoTime, type Clock } from '../base/time.ts';

export interface AccessEntry {
  /** Epoch milliseconds when the request's head had arrived. */
  readonly time: number;
  readonly client: string;
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
  #second = -1;
  #secondText = '';

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
    this.#lines += this.#format(entry);
    if (this.#lines.length >= FLUSH_CHARACTERS) this.#flushSoon();
    else this.#timer ??= this.#options.clock.after(FLUSH_AFTER_MS, () => this.#flushSoon());
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
    const data = Buffer.from(untold === 0 ? lines : `${droppedLine(untold)}${lines}`);
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

  /** Written by hand: four times as fast as stringifying an object, and this runs for every request. */
  #format(entry: AccessEntry): string {
    const { route, upstream, cache, protocol, errorId, error } = entry;
    let line = `{"time":"${this.#time(entry.time)}","client":${quote(entry.client)}`;
    line += `,"method":${quote(entry.method)},"host":${quote(entry.host)}`;
    line += `,"target":${quote(entry.target)},"status":${entry.status}`;
    line += `,"durationMs":${Math.round(entry.durationMs * 1000) / 1000}`;
    line += `,"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut}`;
    if (route !== undefined) line += `,"route":${quote(route)}`;
    if (upstream !== undefined) line += `,"upstream":${quote(upstream)}`;
    if (cache !== undefined) line += `,"cache":"${cache}"`;
    if (protocol !== undefined) line += `,"protocol":${quote(protocol)}`;
    if (errorId !== undefined) line += `,"errorId":${quote(errorId)}`;
    if (error !== undefined) line += `,"error":${quote(error)}`;
    return `${line}}\n`;
  }

  /** The text of a second is made once. */
  #time(ms: number): string {
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = isoTime(second * 1000).slice(0, 20);
    }
    return `${this.#secondText}${String(Math.floor(ms) - second * 1000).padStart(3, '0')}Z`;
  }
}

/** Printable ASCII without quotes and backslashes: goes into JSON as it is, which is twice as fast. */
const CLEAN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quote(text: string): string {
  return CLEAN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function droppedLine(count: number): string {
  return `{"dropped":${count}}\n`;
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
