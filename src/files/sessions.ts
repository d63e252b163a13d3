/**
 * What this process writes is numbered by its session, a row of the catalogue. As long as the row is open, nothing of that number or a later
 * one is garbage. A process that is gone does not renew its row; the collector closes it then, and each bucket refuses what comes of it
 * after all: no clock decides about data.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { SESSION_MS, SESSION_RENEW_MS, SESSION_ROLL_MS } from './limits.ts';
import { number } from './rows.ts';

export interface SessionHold extends AsyncDisposable {
  readonly seq: number;
}

interface Session {
  readonly seq: number;
  readonly sinceMs: number;
  renewedMs: number;
  users: number;
}

export interface SessionsOptions {
  readonly link: CatalogueLink;
  readonly node: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Sessions implements AsyncDisposable {
  readonly #options: SessionsOptions;
  readonly #open = new Set<Session>();
  #current: Promise<Session> | undefined;
  #timer: Disposable | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** To be held while something is written and committed. */
  async take(): Promise<SessionHold> {
    this.#current ??= this.#begin();
    let session: Session;
    try {
      session = await this.#current;
    } catch (error) {
      this.#current = undefined;
      throw error;
    }
    if (this.#isOld(session)) {
      this.#current = undefined;
      return await this.take();
    }
    session.users += 1;
    return {
      seq: session.seq,
      [Symbol.asyncDispose]: async () => {
        session.users -= 1;
        await this.#closeIfDone(session);
      },
    };
  }

  /** A bucket refused what it wrote: the next one begins anew. */
  drop(): void {
    this.#current = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#current = undefined;
    for (const session of this.#open) await this.#closeIfDone(session);
  }

  #isOld({ sinceMs, renewedMs }: Session): boolean {
    const now = this.#options.clock.monotonicMs();
    return now - sinceMs > SESSION_ROLL_MS || now - renewedMs > SESSION_MS / 2;
  }

  async #begin(): Promise<Session> {
    const { link, node, clock } = this.#options;
    const seq = await link.transaction(
      [{ sql: "SELECT ord FROM usage WHERE bucket = ''" }],
      ([rows]) => {
        const next = number(rows?.[0]?.[0] ?? 0) + 1;
        return {
          writes: [
            { sql: "UPDATE usage SET ord = ? WHERE bucket = ''", args: [next] },
            {
              sql: "INSERT INTO session (bucket, seq, node, expires, open) VALUES ('', ?, ?, ?, 1)",
              args: [next, node, clock.now() + SESSION_MS],
            },
          ],
          result: next,
        };
      },
    );
    const now = clock.monotonicMs();
    const session = { seq, sinceMs: now, renewedMs: now, users: 0 };
    this.#open.add(session);
    this.#timer ??= clock.every(SESSION_RENEW_MS, () => void this.#renew());
    return session;
  }

  async #renew(): Promise<void> {
    const { link, clock, log } = this.#options;
    for (const session of this.#open) {
      if (this.#isOld(session)) await this.#closeIfDone(session);
      if (!this.#open.has(session)) continue;
      try {
        await link.run([
          {
            sql: "UPDATE session SET expires = ? WHERE bucket = '' AND seq = ? AND open = 1",
            args: [clock.now() + SESSION_MS, session.seq],
          },
        ]);
        session.renewedMs = clock.monotonicMs();
      } catch (error) {
        log.warn('A session of writes could not be renewed', { why: messageOf(error) });
      }
    }
    if (this.#open.size > 0) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  /** Once nobody writes in it any more and none will begin to. */
  async #closeIfDone(session: Session): Promise<void> {
    const current = await this.#current?.catch(() => undefined);
    const isDone = session.users === 0 && (current !== session || this.#isOld(session));
    if (!isDone || !this.#open.delete(session)) return;
    if (current === session) this.#current = undefined;
    try {
      await this.#options.link.run([
        {
          sql: "DELETE FROM session WHERE bucket = '' AND seq = ?",
          args: [session.seq],
        },
      ]);
    } catch (error) {
      // It expires by itself.
      this.#options.log.warn('A session of writes could not be closed', { why: messageOf(error) });
    }
  }
}
