/** Asks the upstreams of a route again and again whether they are well: those of the moment, over whatever leads to them. */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../base/time.ts';
import { isHttpError } from '../../http/http-error.ts';
import { ResponseHead } from '../../http/head.ts';
import { RESPONSE_HEAD_LIMITS } from '../../http/limits.ts';
import type { UpstreamAddress } from '../config.ts';
import type { UpstreamSocket, UpstreamUser } from '../upstream.ts';
import type { HealthConfig } from './balance-config.ts';
import { isHealthyStatus } from './health.ts';
import type { Member } from './member.ts';

export class HealthChecks {
  readonly #health: HealthConfig;
  /** Monotonic; only of those that are still there. */
  readonly #dueMs = new WeakMap<Member, number>();
  readonly #running = new Set<Member>();

  constructor(health: HealthConfig) {
    this.#health = health;
  }

  /** Begins what is due. */
  sweep(members: readonly Member[], clock: Clock): void {
    const nowMs = clock.monotonicMs();
    for (const member of members) {
      if (this.#running.has(member) || (this.#dueMs.get(member) ?? 0) > nowMs) continue;
      this.#dueMs.set(member, nowMs + this.#health.intervalMs);
      this.#running.add(member);
      const check = new HealthCheck(member, this.#health, (isGood) => {
        this.#running.delete(member);
        member.checked(isGood, clock.monotonicMs(), this.#health);
      });
      check.start(clock);
    }
  }
}

class HealthCheck implements UpstreamUser {
  readonly #member: Member;
  readonly #config: HealthConfig;
  #done: ((isGood: boolean) => void) | undefined;
  #socket: UpstreamSocket | undefined;
  #timer: Disposable | undefined;
  #seen: Buffer = Buffer.alloc(0);

  constructor(member: Member, config: HealthConfig, done: (isGood: boolean) => void) {
    this.#member = member;
    this.#config = config;
    this.#done = done;
  }

  start(clock: Clock): void {
    this.#timer = clock.after(this.#config.timeoutMs, () => this.#end(false));
    const socket = this.#member.upstream.connect(this);
    if (socket !== undefined) this.upstreamTurn(socket);
  }

  upstreamTurn(socket: UpstreamSocket): void {
    this.#socket = socket;
    socket.socket.unref();
    if (socket.connected) this.upstreamConnected();
  }

  upstreamConnected(): void {
    const { address } = this.#member.upstream.config;
    const { path, host = hostOf(address) } = this.#config;
    this.#member.upstream.connectSucceeded();
    this.#socket?.out.text(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: moln-health\r\nConnection: close\r\n\r\n`,
    );
    this.#socket?.out.flush();
  }

  upstreamBytes(buffer: Buffer, from: number, to: number): void {
    this.#seen = Buffer.concat([this.#seen, buffer.subarray(from, to)]);
    try {
      const status = statusOf(this.#seen);
      if (status !== undefined) this.#end(isHealthyStatus(status, this.#config));
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.#end(false);
    }
  }

  upstreamDrained(): void {
    // One small head is all there is to send.
  }

  upstreamSilent(): void {
    // Its time-out says so too.
  }

  upstreamEnded(): void {
    this.#end(false);
  }

  upstreamClosed(): void {
    this.#end(false);
  }

  #end(isGood: boolean): void {
    const done = this.#done;
    this.#done = undefined;
    this.#timer?.[Symbol.dispose]();
    this.#member.upstream.drop(this, this.#socket);
    done?.(isGood);
  }
}

/** What Host says of it (RFC 9110 7.2). */
function hostOf(address: UpstreamAddress): string {
  if (address.kind !== 'tcp') return 'localhost';
  const { host, port } = address;
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/** Of the final answer; undefined while its head is not all there. Throws `HttpError`. */
function statusOf(bytes: Buffer): number | undefined {
  const head = new ResponseHead(RESPONSE_HEAD_LIMITS);
  let from = 0;
  for (;;) {
    head.reset(from);
    if (!head.scan(bytes, bytes.length)) return undefined;
    if (head.status >= 200) return head.status;
    from = head.end;
  }
}
