/**
 * One SQL stream: a session of the engine, its requests one after the other, and the times after which it is closed so
 * that nobody waits for a client that has gone.
 */
import type { Deadlines } from '../base/deadlines.ts';
import type { Clock } from '../base/time.ts';
import type { Caller, Database, Session } from './database.ts';
import { HranaError } from './errors.ts';
import type { HranaLimits } from './limits.ts';

export interface StreamOptions {
  readonly database: Database;
  readonly caller: Caller;
  readonly clock: Clock;
  readonly limits: HranaLimits;
  /** Of streams that nobody asks anything; shared by many. */
  readonly idle: Deadlines;
  /** A stream over HTTP ends when it is idle, one over WebSocket lives as long as its connection. */
  readonly endsWhenIdle: boolean;
  /** Called once, however it ended, when the session is closed. */
  readonly onClosed: () => void;
}

export class Stream {
  readonly #options: StreamOptions;
  #session: Promise<Session> | undefined;
  /** The same when it is there. */
  #opened: Session | undefined;
  /** The end of the last request so far. */
  #tail: Promise<void> = Promise.resolve();
  #underWay = 0;
  #idleTimer: Disposable | undefined;
  #transactionTimer: Disposable | undefined;
  /** Why requests are refused from now on. */
  #ended: HranaError | undefined;
  #closing: Promise<void> | undefined;
  #isFinishing = false;
  #isClosed = false;
  #running: Session | undefined;
  /** What is open between requests and holds what a transaction holds. It ends with the stream. */
  cursor: AsyncDisposable | undefined;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** It serves nothing any more. Most streams are closed and never asked why: an error is made when they are. */
  get isOver(): boolean {
    return this.#isClosed || this.#ended !== undefined;
  }

  /** What has ended it; undefined when it was simply closed. */
  get endedBy(): HranaError | undefined {
    return this.#ended;
  }

  /** The same, also of one that was closed. */
  get ended(): HranaError | undefined {
    return this.#ended ?? (this.#isClosed ? closed() : undefined);
  }

  /**
   * Runs `work` when all earlier requests are done. Rejects with `STREAM_EXPIRED`, `TRANSACTION_TIMEOUT`, with why no session
   * could be opened, and with what `work` throws.
   */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#isFinishing) throw closed();
    const before = this.#underWay++ === 0 ? undefined : this.#tail;
    this.#idleTimer?.[Symbol.dispose]();
    const done = Promise.withResolvers<void>();
    this.#tail = done.promise;
    try {
      if (before !== undefined) await before;
      this.check();
      const session = this.#opened ?? (await (this.#session ??= this.#open()));
      this.check();
      this.#running = session;
      try {
        return await work(session);
      } finally {
        this.#running = undefined;
        this.#watchTransaction(session);
      }
    } finally {
      this.#underWay -= 1;
      done.resolve();
      if (this.#underWay === 0) {
        const ending = this.#rest();
        if (ending !== undefined) await ending;
      }
    }
  }

  /** To be called between statements: a transaction that took too long goes no further. */
  check(): void {
    const { ended } = this;
    if (ended !== undefined) throw ended;
  }

  /** Nobody waits for what runs now. */
  interrupt(): void {
    this.#running?.interrupt?.();
  }

  /** Takes no more requests, answers those that it has, and closes. Never rejects. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    await this.#tail;
    await this.close();
  }

  /** Rolls back and lets go, after what is under way. Never rejects. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<Session> {
    try {
      this.#opened = await this.#options.database.openSession(this.#options.caller);
      return this.#opened;
    } catch (error) {
      // The next request tries again.
      this.#session = undefined;
      throw error;
    }
  }

  async #close(): Promise<void> {
    this.#idleTimer?.[Symbol.dispose]();
    this.#transactionTimer?.[Symbol.dispose]();
    if (this.#underWay > 0) await this.#tail;
    // One that could not be opened has nothing to let go of.
    const session = this.#opened ?? (await this.#session?.catch(() => undefined));
    if (this.cursor !== undefined) await this.cursor[Symbol.asyncDispose]();
    await session?.close();
    this.#options.onClosed();
  }

  /** Nothing is under way: ends what has run out of time meanwhile, or begins to count. */
  #rest(): Promise<void> | undefined {
    if (this.#closing !== undefined) return undefined;
    if (this.#ended !== undefined) return this.close();
    const { clock, limits, idle, endsWhenIdle } = this.#options;
    if (this.#transactionTimer !== undefined) {
      const words = `no request came for ${limits.transactionIdleMs} ms`;
      this.#idleTimer = clock.after(limits.transactionIdleMs, () => this.#endTransaction(words));
    } else if (endsWhenIdle || this.cursor !== undefined) {
      this.#idleTimer = idle.begin(() => this.#expire());
    }
    return undefined;
  }

  #watchTransaction(session: Session): void {
    if (session.isAutocommit) {
      this.#transactionTimer?.[Symbol.dispose]();
      this.#transactionTimer = undefined;
      return;
    }
    const { clock, limits } = this.#options;
    const words = `it was not committed within ${limits.transactionMs} ms`;
    this.#transactionTimer ??= clock.after(limits.transactionMs, () => this.#endTransaction(words));
  }

  #endTransaction(why: string): void {
    this.#end(new HranaError('TRANSACTION_TIMEOUT', `The transaction was rolled back: ${why}`));
  }

  #expire(): void {
    const { streamIdleMs } = this.#options.limits;
    this.#end(
      new HranaError('STREAM_EXPIRED', `The stream was closed: no request for ${streamIdleMs} ms`),
    );
  }

  #end(why: HranaError): void {
    this.#ended ??= why;
    if (this.#underWay === 0) void this.close();
  }
}

export function closed(): HranaError {
  return new HranaError('STREAM_CLOSED', 'The stream is closed');
}
