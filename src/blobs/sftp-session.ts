/**
 * A folder of another machine over SFTP, spoken with the `ssh` of this machine as its user: keys, known hosts and everything else are what
 * `ssh` is configured with there, and Moln keeps no secret for it. Many requests are under way at a time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { systemCode } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Clock } from '../base/time.ts';
import type { RentedAddress } from './rented-address.ts';
import { FolderRefused, type RentedFolder } from './rented-folder.ts';
import {
  OPEN_FLAGS,
  packet,
  packetWithAttributes,
  PacketCutter,
  PacketReader,
  SFTP,
  SFTP_VERSION,
  STATUS,
} from './sftp-packets.ts';

export interface SftpOptions {
  /** What speaks SFTP on its standard input and output. */
  readonly command: readonly string[];
  /** A request that is not answered for so long ends the session. */
  readonly answerMs: number;
  /** Requests under way; more wait here, or those of many writes would not be answered in time over a slow line. */
  readonly atOnce: number;
  readonly clock: Clock;
}

/** What it answered that was no success. */
export class SftpError extends FolderRefused {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

interface Waiting {
  readonly resolve: (answer: PacketReader) => void;
  readonly reject: (error: Error) => void;
  readonly timer: Disposable;
}

const RENAME = 'posix-rename@openssh.com';
const SYNC = 'fsync@openssh.com';
const ROOM = 'statvfs@openssh.com';
/** Without them a put could not be made durable, or not at once. */
const NEEDED = [RENAME, SYNC, ROOM] as const;
const ERROR_CHARACTERS = 300;
const CLAIM_CHARACTERS = 8;
/** Nobody is there to be asked for a password or about a host; and that machine gets nothing of this one, whatever logins are configured to give. */
export function sshCommand({ user, host, port }: RentedAddress): readonly string[] {
  return [
    'ssh',
    '-oBatchMode=yes',
    '-oConnectTimeout=10',
    '-oServerAliveInterval=10',
    '-oServerAliveCountMax=3',
    '-oForwardAgent=no',
    '-oForwardX11=no',
    '-oClearAllForwardings=yes',
    '-oPermitLocalCommand=no',
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(user === undefined ? [] : ['-l', user]),
    '-s',
    '--',
    host,
    'sftp',
  ];
}

export class SftpSession implements RentedFolder {
  readonly #options: SftpOptions;
  readonly #child: ChildProcess;
  readonly #cutter = new PacketCutter();
  readonly #waiting = new Map<number, Waiting>();
  /** Called when there may be room for one more request. */
  readonly #queue: (() => void)[] = [];
  readonly #greeted = Promise.withResolvers<PacketReader>();
  #nextId = 1;
  #said = '';
  /** Why it is over. */
  #end: Error | undefined;

  private constructor(options: SftpOptions) {
    this.#options = options;
    const [program = '', ...args] = options.command;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdout?.on('data', (bytes: Buffer) => this.#hear(bytes));
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#said = `${this.#said}${bytes.toString()}`.slice(-ERROR_CHARACTERS);
    });
    // Why it does not read any more it says before it ends.
    this.#child.stdin?.on('error', () => this.#child.kill('SIGKILL'));
    this.#child.once('error', (error) => {
      const isThere = systemCode(error) !== 'ENOENT';
      this.#fail(isThere ? error : new Error(`there is no program "${program}" on this machine`));
    });
    this.#child.once('close', () => this.#fail(undefined));
  }

  /** Nothing may be asked before it is `greeted`. */
  static start(options: SftpOptions): SftpSession {
    return new SftpSession(options);
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Throws what `ssh` says when there is no such machine, or it lets nobody in. */
  async greeted(): Promise<void> {
    const { clock, answerMs } = this.#options;
    const late = (): void => this.#fail(new Error(`no answer within ${answerMs} ms`));
    using _timer = clock.after(answerMs, late);
    this.#child.stdin?.write(packet(SFTP.init, SFTP_VERSION));
    const greeting = await this.#greeted.promise;
    greeting.uint32();
    const offered = new Set<string>();
    while (!greeting.isAtEnd) {
      offered.add(greeting.text());
      greeting.text();
    }
    const lacking = NEEDED.filter((name) => !offered.has(name));
    if (lacking.length > 0) throw new Error(`its SFTP server does not offer ${lacking.join(', ')}`);
  }

  /** Whether it was made: it may be there. */
  async makeFolder(path: string): Promise<void> {
    try {
      await this.#ask((id) => packetWithAttributes(SFTP.mkdir, id, path), SFTP.status);
    } catch (error) {
      // Version 3 does not say that it is there: what needs it will.
      if (!(error instanceof SftpError) || (await this.size(path)) === undefined) throw error;
    }
  }

  /** Undefined when it is not there. */
  async size(path: string): Promise<number | undefined> {
    try {
      const answer = await this.#ask((id) => packet(SFTP.stat, id, path), SFTP.attributes);
      return answer.attributes() ?? 0;
    } catch (error) {
      if (error instanceof SftpError && error.status === STATUS.noFile) return undefined;
      throw error;
    }
  }

  /** In no order, with sizes. */
  async list(
    folder: string,
  ): Promise<readonly { readonly name: string; readonly bytes: number }[]> {
    const handle = await this.#handle((id) => packet(SFTP.opendir, id, folder));
    const found: { name: string; bytes: number }[] = [];
    try {
      for (;;) {
        const answer = await this.#ask((id) => packet(SFTP.readdir, id, handle), SFTP.name);
        for (let left = answer.uint32(); left > 0; left -= 1) {
          const name = answer.text();
          answer.text();
          found.push({ name, bytes: answer.attributes() ?? 0 });
        }
      }
    } catch (error) {
      if (!(error instanceof SftpError) || error.status !== STATUS.end) throw error;
    } finally {
      await this.#close(handle);
    }
    return found.filter(({ name }) => name !== '.' && name !== '..');
  }

  async write(
    temporary: string,
    pieces: AsyncIterable<Uint8Array>,
    { path, atOnce }: { readonly path: () => string; readonly atOnce: number },
  ): Promise<void> {
    await this.#write(temporary, pieces, {
      atOnce,
      name: () => this.rename(temporary, path()),
    });
  }

  async claim(path: string, bytes: Uint8Array): Promise<boolean> {
    const temporary = `${path}.new-${randomId(CLAIM_CHARACTERS)}`;
    try {
      await this.#write(temporary, one(bytes), {
        atOnce: 1,
        // The old rename, which OpenSSH makes of a link: it does not replace what is there.
        name: async () =>
          void (await this.#ask((id) => packet(SFTP.rename, id, temporary, path), SFTP.status)),
      });
      return true;
    } catch (error) {
      if (!(error instanceof SftpError) || (await this.size(path)) === undefined) throw error;
      await this.remove(temporary);
      return false;
    }
  }

  /** Pieces are at most a packet long; so many are under way at a time. `name` gives it its own name. */
  async #write(
    temporary: string,
    pieces: AsyncIterable<Uint8Array>,
    { atOnce, name }: { readonly atOnce: number; readonly name: () => Promise<void> },
  ): Promise<void> {
    const { write, create, exclusive } = OPEN_FLAGS;
    const flags = write | create | exclusive;
    const handle = await this.#handle((id) =>
      packetWithAttributes(SFTP.open, id, temporary, flags),
    );
    const underWay: Promise<unknown>[] = [];
    try {
      let at = 0;
      for await (const piece of pieces) {
        if (underWay.length >= atOnce) await underWay.shift();
        const offset = BigInt(at);
        const done = this.#ask((id) => packet(SFTP.write, id, handle, offset, piece), SFTP.status);
        // Whoever awaits it later hears of it.
        done.catch(() => undefined);
        underWay.push(done);
        at += piece.length;
      }
      await Promise.all(underWay);
      await this.#sync(handle);
      await name();
      // No request syncs a folder; the file systems of Linux write a file's new name when they sync the file.
      await this.#sync(handle);
    } finally {
      await Promise.allSettled(underWay);
      await this.#close(handle);
    }
  }

  async *read(
    path: string,
    { start, end }: { readonly start: number; readonly end: number },
    how: { readonly pieceBytes: number; readonly atOnce: number },
  ): AsyncGenerator<Buffer> {
    const handle = await this.#handle((id) =>
      packetWithAttributes(SFTP.open, id, path, OPEN_FLAGS.read),
    );
    const underWay: Promise<Buffer>[] = [];
    let at = start;
    const ask = (): void => {
      const bytes = Math.min(how.pieceBytes, end - at);
      const piece = this.#readWhole(handle, at, bytes);
      piece.catch(() => undefined);
      underWay.push(piece);
      at += bytes;
    };
    try {
      for (;;) {
        while (underWay.length < how.atOnce && at < end) ask();
        const piece = await underWay.shift();
        if (piece === undefined) return;
        if (piece.length > 0) yield piece;
        if (piece.length < how.pieceBytes) return;
      }
    } finally {
      await Promise.allSettled(underWay);
      await this.#close(handle);
    }
  }

  /** At once, and in place of what is there. */
  async rename(from: string, to: string): Promise<void> {
    await this.#ask((id) => packet(SFTP.extended, id, RENAME, from, to), SFTP.status);
  }

  /** Whether it was there. */
  async remove(path: string): Promise<boolean> {
    try {
      await this.#ask((id) => packet(SFTP.remove, id, path), SFTP.status);
      return true;
    } catch (error) {
      if (error instanceof SftpError && error.status === STATUS.noFile) return false;
      throw error;
    }
  }

  async room(folder: string): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }> {
    const answer = await this.#ask(
      (id) => packet(SFTP.extended, id, ROOM, folder),
      SFTP.extendedReply,
    );
    answer.uint64();
    const unit = answer.uint64();
    const blocks = answer.uint64();
    answer.uint64();
    return { sizeBytes: unit * blocks, freeBytes: unit * answer.uint64() };
  }

  [Symbol.dispose](): void {
    this.#fail(new Error('it was closed'));
  }

  /** Servers may give less than was asked for. */
  async #readWhole(handle: Buffer, start: number, bytes: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let got = 0;
    while (got < bytes) {
      const [at, left] = [BigInt(start + got), bytes - got];
      try {
        const answer = await this.#ask((id) => packet(SFTP.read, id, handle, at, left), SFTP.data);
        const part = answer.bytes();
        if (part.length === 0) break;
        parts.push(part);
        got += part.length;
      } catch (error) {
        if (error instanceof SftpError && error.status === STATUS.end) break;
        throw error;
      }
    }
    return Buffer.concat(parts);
  }

  async #handle(make: (id: number) => Buffer): Promise<Buffer> {
    return (await this.#ask(make, SFTP.handle)).bytes();
  }

  async #sync(handle: Buffer): Promise<void> {
    await this.#ask((id) => packet(SFTP.extended, id, SYNC, handle), SFTP.status);
  }

  async #close(handle: Buffer): Promise<void> {
    if (this.isOver) return;
    await this.#ask((id) => packet(SFTP.close, id, handle), SFTP.status);
  }

  async #ask(make: (id: number) => Buffer, wanted: number): Promise<PacketReader> {
    const { clock, answerMs, atOnce } = this.#options;
    while (this.#end === undefined && this.#waiting.size >= atOnce)
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    if (this.#end !== undefined) throw this.#end;
    const id = this.#nextId;
    this.#nextId = (id + 1) % 2 ** 32;
    const { promise, resolve, reject } = Promise.withResolvers<PacketReader>();
    const late = (): void => this.#fail(new Error(`no answer within ${answerMs} ms`));
    this.#waiting.set(id, { resolve, reject, timer: clock.after(answerMs, late) });
    this.#child.stdin?.write(make(id));
    const answer = await promise;
    if (answer.type === wanted && wanted !== SFTP.status) return answer;
    if (answer.type !== SFTP.status) throw new Error(`an answer of type ${answer.type} came`);
    const status = answer.uint32();
    if (status === STATUS.ok && wanted === SFTP.status) return answer;
    throw new SftpError(status, answer.isAtEnd ? `status ${status}` : answer.text());
  }

  #hear(bytes: Buffer): void {
    try {
      for (const one of this.#cutter.push(bytes)) {
        const answer = new PacketReader(one);
        if (answer.type === SFTP.version) {
          this.#greeted.resolve(answer);
          continue;
        }
        const id = answer.uint32();
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) throw new Error('what answers does not speak SFTP');
        this.#waiting.delete(id);
        this.#queue.shift()?.();
        waiting.timer[Symbol.dispose]();
        waiting.resolve(answer);
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    const said = this.#said.trim().split('\n').at(-1) ?? '';
    this.#end = error ?? new Error(said === '' ? 'the connection ended' : said);
    this.#greeted.promise.catch(() => undefined);
    this.#greeted.reject(this.#end);
    for (const { reject, timer } of this.#waiting.values()) {
      timer[Symbol.dispose]();
      reject(this.#end);
    }
    this.#waiting.clear();
    for (const resolve of this.#queue.splice(0)) resolve();
    this.#child.kill('SIGKILL');
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
