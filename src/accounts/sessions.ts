/**
 * How a browser gets in: a one-time login code, traded for a session. Both are kept as hashes; a code is used up by
 * the same commit that makes its session, so it works once, however many try.
 */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { Collection, type Registry, type Stored } from '../registry/registry.ts';
import { isMolnError } from '../base/errors.ts';
import {
  LOGIN_TTL_MS,
  LOGINS_MAX,
  SESSION_AGE_MAX_MS,
  SESSION_IDLE_MS,
  SESSION_TOUCH_MS,
  SESSIONS_MAX,
} from './limits.ts';
import {
  type LoginRecord,
  loginSchema,
  type Scope,
  type SessionRecord,
  sessionSchema,
} from './records.ts';
import { matches, newSecret, parseSecret } from './secrets.ts';
import type { Principal } from './tokens.ts';

/** The name under which a console session acts. */
export const CONSOLE_NAME = 'console';

export class Sessions {
  readonly #registry: Registry;
  readonly #logins: Collection<LoginRecord>;
  readonly #sessions: Collection<SessionRecord>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: {
    readonly registry: Registry;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const { registry } = options;
    this.#registry = registry;
    this.#logins = new Collection({ registry, prefix: '/logins/', schema: loginSchema });
    this.#sessions = new Collection({ registry, prefix: '/sessions/', schema: sessionSchema });
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** A code for one login, good for `LOGIN_TTL_MS`. */
  async createLogin(
    scope: Scope = 'admin',
  ): Promise<{ readonly code: string; readonly expiresAt: number }> {
    await this.#makeRoom(this.#logins, LOGINS_MAX);
    const secret = newSecret('login');
    const createdAt = this.#clock.now();
    const expiresAt = createdAt + LOGIN_TTL_MS;
    await this.#logins.create(secret.id, { hash: secret.hash, scope, createdAt, expiresAt });
    this.#log.info('Login link created', { audit: true, id: secret.id });
    return { code: secret.text, expiresAt };
  }

  /** Undefined when the code is unknown, used or expired. */
  async redeem(
    code: string,
  ): Promise<{ readonly session: string; readonly maxAgeMs: number } | undefined> {
    const presented = parseSecret('login', code);
    if (presented === undefined) return undefined;
    const login = await this.#logins.get(presented.id);
    if (login === undefined || !matches(presented, login.value.hash)) return undefined;
    const now = this.#clock.now();
    if (login.value.expiresAt <= now) return undefined;
    await this.#makeRoom(this.#sessions, SESSIONS_MAX);
    const secret = newSecret('session');
    const { scope } = login.value;
    const record: SessionRecord = { hash: secret.hash, scope, createdAt: now, usedAt: now };
    const result = await this.#registry.commit(
      [{ key: this.#logins.keyOf(login.id), revision: login.revision }],
      [
        { kind: 'delete', key: this.#logins.keyOf(login.id) },
        this.#sessions.putOperation(secret.id, record),
      ],
    );
    if (result.kind === 'conflict') return undefined;
    this.#log.info('Logged in with a link', { audit: true, login: login.id, session: secret.id });
    return { session: secret.text, maxAgeMs: SESSION_AGE_MAX_MS };
  }

  /** Undefined when unknown, ended or expired. Use prolongs it, up to `SESSION_AGE_MAX_MS` after the login. */
  async verify(session: string): Promise<Principal | undefined> {
    const presented = parseSecret('session', session);
    if (presented === undefined) return undefined;
    const stored = await this.#sessions.get(presented.id);
    if (stored === undefined || !matches(presented, stored.value.hash)) return undefined;
    const now = this.#clock.now();
    if (!isLive(stored.value, now)) return undefined;
    if (now - stored.value.usedAt >= SESSION_TOUCH_MS) await this.#touch(stored, now);
    return { name: CONSOLE_NAME, scope: stored.value.scope };
  }

  /** Logs out; an unknown session is fine. */
  async end(session: string): Promise<void> {
    const presented = parseSecret('session', session);
    if (presented === undefined) return;
    const stored = await this.#sessions.get(presented.id);
    if (stored === undefined || !matches(presented, stored.value.hash)) return;
    await this.#sessions.delete(stored.id);
    this.#log.info('Logged out', { audit: true, session: stored.id });
  }

  /** Removes what has expired. Gives how many. */
  async sweep(): Promise<number> {
    const now = this.#clock.now();
    const logins = (await this.#logins.list()).filter((login) => login.value.expiresAt <= now);
    const sessions = (await this.#sessions.list()).filter((one) => !isLive(one.value, now));
    for (const login of logins) await this.#logins.delete(login.id);
    for (const session of sessions) await this.#sessions.delete(session.id);
    return logins.length + sessions.length;
  }

  /** Two requests of one browser may both try; either is right, and a logout in between must win. */
  async #touch(stored: Stored<SessionRecord>, now: number): Promise<void> {
    try {
      const { revision } = stored;
      await this.#sessions.put(
        stored.id,
        { ...stored.value, usedAt: now },
        { ifRevision: revision },
      );
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_CONFLICT')) throw error;
    }
  }

  async #makeRoom<T extends { readonly createdAt: number }>(
    records: Collection<T>,
    countMax: number,
  ): Promise<void> {
    const oldestFirst = (await records.list()).toSorted(
      (a, b) => a.value.createdAt - b.value.createdAt,
    );
    const surplus = oldestFirst.slice(0, Math.max(0, oldestFirst.length - countMax + 1));
    for (const record of surplus) await records.delete(record.id);
  }
}

function isLive(session: SessionRecord, now: number): boolean {
  return now < session.usedAt + SESSION_IDLE_MS && now < session.createdAt + SESSION_AGE_MAX_MS;
}

const SWEEP_EVERY_MS = 10 * 60_000;

/** Removes expired codes and sessions now and then; they are refused before that all the same. */
export function sessionSweeper(sessions: Sessions): Worker {
  let status = 'Waiting for expired logins and sessions';
  return {
    name: 'session-sweeper',
    status: () => status,
    async step(): Promise<StepResult> {
      const removed = await sessions.sweep();
      status = `Removed ${removed} expired logins and sessions in the last round`;
      return { kind: 'idle', retryInMs: SWEEP_EVERY_MS };
    },
  };
}
