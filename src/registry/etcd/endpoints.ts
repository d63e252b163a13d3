/**
 * Which member is talked to. One connection for calls and another for watches, because a flood of watch events would
 * hold calls back on a shared one (etcd-io/etcd#15402); when a member does not answer, the next one is tried.
 */
import { isMolnError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type Clock, withDeadline } from '../../base/time.ts';
import { Connection, failureOf } from './connection.ts';
import { isUnknown, unavailable } from './failures.ts';
import type { EtcdTls } from './link.ts';
import { Silence } from './silence.ts';

export interface EndpointsOptions {
  /** `https://10.0.0.1:7421` and so on; at least one. */
  readonly endpoints: readonly string[];
  /** Asked at each new connection, so that a renewed certificate is used. */
  readonly tls?: () => EtcdTls;
  /** How long a call goes on trying when no member answers; 15 s by default. */
  readonly patienceMs?: number;
  /** When no member has answered for so long, what is asked is given up within `SILENT_PATIENCE_MS`. Left out: the usual patience always. */
  readonly silentMs?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export type Purpose = 'calls' | 'watches';

/** One call is given so long before the next member is asked. */
const ATTEMPT_MS = 3000;
/** An election takes one to two seconds. */
const PATIENCE_MS = 15_000;
/** The same once its user is about to end. */
const HURRIED_MS = 3000;
/** The same when it is known that no member answers. */
const SILENT_PATIENCE_MS = 2000;
const PAUSE_FIRST_MS = 20;
const PAUSE_MS_MAX = 500;
/** What is there does not matter: only most members together can say. */
const PROBE_KEY: Uint8Array = Buffer.of(0);

export class Endpoints implements Disposable {
  #all: readonly string[];
  #patienceMs: number;
  readonly #options: EndpointsOptions;
  readonly #current = new Map<Purpose, Connection>();
  /** What has been rotated away from and may still have calls to finish. */
  #retired: { readonly purpose: Purpose; readonly connection: Connection }[] = [];
  readonly #silence = new Silence();
  /** Whether anybody answers again, once for all who want to know. */
  #probing: Promise<unknown> | undefined;
  #at = 0;
  #closed = false;

  constructor(options: EndpointsOptions) {
    this.#all = options.endpoints;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#options = options;
  }

  get all(): readonly string[] {
    return this.#all;
  }

  /** What does not answer soon is given up from now on, also what is under way. */
  hurry(): void {
    this.#patienceMs = Math.min(this.#patienceMs, HURRIED_MS);
  }

  /** Begins to count now: tells how much is left of `totalMs`, of the usual patience when left out. */
  patience(totalMs: number = Infinity): { readonly leftMs: number } {
    const { clock } = this.#options;
    const began = clock.monotonicMs();
    const allMs = (): number =>
      Math.min(totalMs, this.#patienceMs, this.#isSilent ? SILENT_PATIENCE_MS : Infinity);
    return {
      get leftMs() {
        return began + allMs() - clock.monotonicMs();
      },
    };
  }

  /**
   * To be asked before anything is sent of which it would be unknown whether it was carried out. Throws `REGISTRY_UNAVAILABLE` when no
   * member has answered for long, and none does now.
   */
  async requireAnswer(): Promise<void> {
    if (!this.#isSilent) return;
    this.#probing ??= this.read(({ kv }, options) =>
      kv.range({ key: PROBE_KEY, countOnly: true }, options),
    ).finally(() => (this.#probing = undefined));
    await this.#probing;
  }

  /** A call begins; what it gives is to be told whether a member answered. */
  begin(): (isAnswered: boolean) => void {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    return (isAnswered) => {
      if (isAnswered) this.#silence.heard(clock.monotonicMs());
      else this.#silence.failed(beganMs, clock.monotonicMs());
    };
  }

  /** The members of from now on. Calls to one that is left out get their answer, watches go on elsewhere at once. */
  set(endpoints: readonly string[]): void {
    if (endpoints.length === 0) throw new Error('An etcd without members cannot be asked');
    const now = this.#endpoint();
    this.#all = endpoints;
    this.#at = Math.max(0, endpoints.indexOf(now));
    for (const [purpose, connection] of this.#current) {
      if (!endpoints.includes(connection.endpoint)) this.rotate(purpose, connection);
    }
    for (const { purpose, connection } of this.#retired) {
      // A member that was removed while it hung would keep its watches for as long as it hangs.
      if (purpose === 'watches' && !endpoints.includes(connection.endpoint)) connection.close();
    }
  }

  /**
   * An open connection: the one in use, or the first of the members in turn that can be reached. Throws
   * `REGISTRY_UNAVAILABLE` when none can, and then nothing was sent.
   */
  async connected(purpose: Purpose): Promise<Connection> {
    const reasons: string[] = [];
    for (let tried = 0; tried < this.all.length && !this.#closed; tried++) {
      const current = this.#current.get(purpose);
      // One that has ended is not opened again: the certificate may have been renewed since.
      const connection =
        current === undefined || current.isClosed ? this.#connect(purpose) : current;
      if (connection.isOpen) return connection;
      const reason = await connection.open();
      if (reason === undefined) return connection;
      reasons.push(reason);
      this.rotate(purpose, connection);
    }
    throw unavailable(this.all, [...new Set(reasons)].join('; ') || 'closed');
  }

  /** As `connected`, but goes on trying for as long as anything is tried. */
  async connectedInTime(purpose: Purpose): Promise<Connection> {
    const { clock } = this.#options;
    const patience = this.patience();
    for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      const ended = this.begin();
      try {
        return await this.connected(purpose);
      } catch (error) {
        ended(false);
        if (this.#closed || patience.leftMs <= pauseMs) throw error;
      }
      await clock.sleep(pauseMs);
    }
  }

  /** Leaves a member that failed to the calls that still run there; new ones go to the next. */
  rotate(purpose: Purpose, from: Connection): void {
    if (this.#current.get(purpose) !== from) return;
    this.#current.delete(purpose);
    const retired = this.#retired.filter(({ connection }) => !connection.isClosed);
    this.#retired = [...retired, { purpose, connection: from }];
    // Only once for the two connections of a member that is away.
    if (this.#endpoint() === from.endpoint) this.#at++;
  }

  /** Makes a call that may be repeated, at one member after the other until one answers. */
  async read<T>(
    call: (connection: Connection, options: { readonly timeoutMs: number }) => Promise<T>,
    totalMs?: number,
  ): Promise<T> {
    const { clock } = this.#options;
    const patience = this.patience(totalMs);
    for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      const last = await this.#attempt(call, patience.leftMs);
      if ('value' in last) return last.value;
      if (this.#closed || patience.leftMs <= pauseMs) throw last.error;
      await clock.sleep(pauseMs);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const connection of this.#current.values()) connection.close();
    for (const { connection } of this.#retired) connection.close();
    this.#current.clear();
  }

  async #attempt<T>(
    call: (connection: Connection, options: { readonly timeoutMs: number }) => Promise<T>,
    leftMs: number,
  ): Promise<{ readonly value: T } | { readonly error: unknown }> {
    const ended = this.begin();
    let connection: Connection;
    try {
      connection = await this.#connectedWithin(leftMs);
    } catch (error) {
      ended(false);
      return { error };
    }
    // gRPC has no fractions of a unit: etcd resets a stream that asks for 1999.5 ms.
    const timeoutMs = Math.max(1, Math.ceil(Math.min(ATTEMPT_MS, leftMs)));
    try {
      const value = await call(connection, { timeoutMs });
      ended(true);
      return { value };
    } catch (error) {
      if (isMolnError(error)) throw error;
      const failure = failureOf(error);
      ended(!isUnknown(failure));
      if (!isUnknown(failure)) throw error;
      this.rotate('calls', connection);
      return { error: unavailable(this.all, failure.message) };
    }
  }

  /** While nobody answers, not even a whole round of members that do not let themselves be reached is waited for; it goes on for the next call. */
  async #connectedWithin(leftMs: number): Promise<Connection> {
    const connecting = this.connected('calls');
    if (!this.#isSilent) return await connecting;
    const late = (): Error => unavailable(this.all, 'none can be reached');
    return await withDeadline(leftMs, late, () => connecting);
  }

  get #isSilent(): boolean {
    return this.#silence.lastedMs >= (this.#options.silentMs ?? Infinity);
  }

  #connect(purpose: Purpose): Connection {
    const { tls, clock } = this.#options;
    const connection = new Connection(this.#endpoint(), {
      clock,
      ...(tls === undefined ? {} : { tls: tls() }),
    });
    this.#current.set(purpose, connection);
    return connection;
  }

  #endpoint(): string {
    return this.all[this.#at % this.all.length] ?? '';
  }
}
