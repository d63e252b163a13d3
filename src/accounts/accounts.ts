/** The door of accounts: who may do what. Tokens for programs, login links and sessions for browsers. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Worker } from '../base/worker.ts';
import type { Registry } from '../registry/registry.ts';
import type { Scope } from './records.ts';
import { sessionSweeper, Sessions } from './sessions.ts';
import { findToken, type KnownToken, type Principal, type TokenDetail, Tokens } from './tokens.ts';

export type { KnownToken, Principal, Scope, TokenDetail };
export { findToken };
export { LOGIN_TTL_MS, SESSION_AGE_MAX_MS, SESSION_IDLE_MS } from './limits.ts';

/** Everything about access in one place, named as the API names it. */
export class Accounts {
  readonly #tokens: Tokens;
  readonly #sessions: Sessions;

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#tokens = new Tokens(options);
    this.#sessions = new Sessions(options);
  }

  listTokens(): Promise<readonly TokenDetail[]> {
    return this.#tokens.list();
  }

  createToken(options: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs?: number | undefined;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }> {
    return this.#tokens.create(options);
  }

  /** Throws `ACCOUNTS_TOKEN_NOT_FOUND`. */
  revokeToken(id: string): Promise<void> {
    return this.#tokens.revoke(id);
  }

  /** Undefined when unknown, revoked or expired. */
  verifyToken(token: string): Promise<Principal | undefined> {
    return this.#tokens.verify(token);
  }

  /** All tokens now and after every change, without their secrets. */
  watchTokens(signal: AbortSignal): AsyncIterable<readonly KnownToken[]> {
    return this.#tokens.watch(signal);
  }

  /** A code for one login by browser, good for 15 minutes. */
  createLoginCode(): Promise<{ readonly code: string; readonly expiresAt: number }> {
    return this.#sessions.createLogin();
  }

  /** Trades the code for a session; undefined when used, unknown or expired. */
  redeemLogin(
    code: string,
  ): Promise<{ readonly session: string; readonly maxAgeMs: number } | undefined> {
    return this.#sessions.redeem(code);
  }

  verifySession(session: string): Promise<Principal | undefined> {
    return this.#sessions.verify(session);
  }

  endSession(session: string): Promise<void> {
    return this.#sessions.end(session);
  }

  /** To be put under the worker runner. */
  sweeper(): Worker {
    return sessionSweeper(this.#sessions);
  }
}
