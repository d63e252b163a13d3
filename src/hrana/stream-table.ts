/**
 * Streams over HTTP, found again by their baton. A baton cannot be guessed, serves for one request, and only for the caller
 * that it was given to.
 */
import { randomId, randomSecret, sameSecret } from '../base/ids.ts';
import type { Deadlines } from '../base/deadlines.ts';
import type { Clock } from '../base/time.ts';
import type { Caller, Database } from './database.ts';
import { HranaError } from './errors.ts';
import { EXPIRED_REMEMBERED_MAX, type HranaLimits } from './limits.ts';
import { StoredSql } from './stored-sql.ts';
import type { StreamQuota } from './stream-quota.ts';
import { closed, Stream } from './stream.ts';

/** 80 bits: names a stream in its baton and in the log. */
const ID_CHARACTERS = 16;

export interface HeldStream {
  readonly id: string;
  readonly callerId: string;
  readonly stream: Stream;
  readonly stored: StoredSql;
  /** The second half of the only baton that is good now; undefined while a request is under way. */
  secret: string | undefined;
  /** Somebody may ask for it once it has ended. */
  hasBaton: boolean;
}

export interface StreamTableOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly idle: Deadlines;
  readonly limits: HranaLimits;
  readonly quota: StreamQuota;
}

export class StreamTable {
  readonly #options: StreamTableOptions;
  readonly #streams = new Map<string, HeldStream>();
  /** Why streams ended that their clients may still ask for, oldest first. */
  /** `why` undefined: it was simply closed. */
  readonly #ended = new Map<
    string,
    { readonly callerId: string; readonly why: HranaError | undefined }
  >();

  constructor(options: StreamTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** A new stream, or the one of the baton, which is used up. Throws `BATON_…`, `STREAM_…`, `HRANA_TOO_MANY_STREAMS`. */
  take(caller: Caller, baton: string | undefined): HeldStream {
    return baton === undefined ? this.#create(caller) : this.#find(caller, baton);
  }

  /** The next baton; undefined when the stream has ended. */
  release(held: HeldStream): string | undefined {
    if (held.stream.isOver) return undefined;
    held.hasBaton = true;
    held.secret = randomSecret();
    return `${held.id}.${held.secret}`;
  }

  /** Closes all; resolves when the engine has rolled back what was open. */
  async close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map(({ stream }) => stream.close()));
  }

  #create(caller: Caller): HeldStream {
    const { limits, quota } = this.#options;
    quota.take(caller.id);
    const id = randomId(ID_CHARACTERS);
    const stream = new Stream({
      ...this.#options,
      caller,
      endsWhenIdle: true,
      onClosed: () => this.#forget(id),
    });
    const stored = new StoredSql(limits);
    const held: HeldStream = {
      id,
      callerId: caller.id,
      stream,
      stored,
      secret: undefined,
      hasBaton: false,
    };
    this.#streams.set(id, held);
    return held;
  }

  #find(caller: Caller, baton: string): HeldStream {
    const dot = baton.indexOf('.');
    const id = baton.slice(0, Math.max(0, dot));
    const held = this.#streams.get(id);
    const past = this.#ended.get(id);
    const why = held?.stream.ended ?? past?.why ?? (past === undefined ? undefined : closed());
    const callerId = held?.callerId ?? past?.callerId;
    // Whoever shows somebody else's baton learns nothing of it.
    if (callerId !== caller.id) {
      throw new HranaError('BATON_INVALID', 'The baton is of no stream of this token');
    }
    if (held === undefined || why !== undefined) throw why ?? expired();
    const { secret } = held;
    if (secret === undefined || !sameSecret(baton.slice(dot + 1), secret)) {
      throw new HranaError(
        'BATON_REUSED',
        'The baton was used before: each answer gives the next one, and one request is sent at a time',
      );
    }
    held.secret = undefined;
    return held;
  }

  #forget(id: string): void {
    const held = this.#streams.get(id);
    if (held === undefined) return;
    this.#streams.delete(id);
    const { callerId, stream } = held;
    this.#options.quota.give(callerId);
    if (!held.hasBaton) return;
    this.#ended.set(id, { callerId, why: stream.endedBy });
    if (this.#ended.size <= EXPIRED_REMEMBERED_MAX) return;
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined) this.#ended.delete(oldest);
  }
}

function expired(): HranaError {
  return new HranaError('STREAM_EXPIRED', 'The stream was closed');
}
