/**
 * The loop that keeps certificates: looks what is to be done (`decide.ts`), does it (`issue.ts`), writes down what came of it.
 * One at a time in a cluster; its owner sees to that.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { decide, type Held, nextFailure } from './decide.ts';
import { issue } from './issue.ts';
import type { AcmeSettings, CertState, CertStore, Failure, HeldCertificate } from './model.ts';
import { readFacts } from './pem.ts';

export interface OrdererOptions {
  readonly store: CertStore;
  /** What certificates are to be ordered for. */
  readonly wanted: () => Promise<readonly string[]> | readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 to 1. */
  readonly random: () => number;
  /** For people: what came of an order. */
  readonly tell: (text: string, isTrouble: boolean) => void;
}

/** A look is taken at least so often: what is wanted may change unseen. */
const LOOK_AT_LEAST_MS = 60_000;
const LOOK_AT_MOST_MS = 200;

export class Orderer {
  readonly #options: OrdererOptions;
  #wake: () => void = () => undefined;

  constructor(options: OrdererOptions) {
    this.#options = options;
  }

  /** Something has changed: look now. */
  wake(): void {
    this.#wake();
  }

  /** Until the signal aborts. Throws when the store does. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      const pauseMs = await this.#step(signal);
      if (signal.aborted) return;
      const late = new AbortController();
      const until = AbortSignal.any([signal, late.signal]);
      await Promise.race([woken.promise, clock.sleep(pauseMs, until).catch(() => undefined)]);
      late.abort();
    }
  }

  /** How long there is nothing to do. */
  async #step(signal: AbortSignal): Promise<number> {
    const { store, clock } = this.#options;
    const state = await store.read();
    const { settings } = state;
    if (settings === undefined) return LOOK_AT_LEAST_MS;
    const decision = decide({
      nowMs: clock.now(),
      wanted: await this.#options.wanted(),
      held: state.certificates.map(heldOf),
      orders: state.orders,
      failures: state.failures,
      hasDns: settings.dnsHook !== undefined,
    });
    for (const host of decision.drop) await store.drop(host);
    if (decision.work.length > 0) {
      const outcomes = await Promise.allSettled(
        decision.work.map((host) => this.#order(host, { settings, state, signal })),
      );
      const broken = outcomes.find((outcome) => outcome.status === 'rejected');
      if (broken !== undefined && !signal.aborted) throw broken.reason;
      return LOOK_AT_MOST_MS;
    }
    const inMs = Math.max(LOOK_AT_MOST_MS, decision.lookAt - clock.now());
    return Math.min(inMs, LOOK_AT_LEAST_MS);
  }

  async #order(
    host: string,
    now: {
      readonly settings: AcmeSettings;
      readonly state: CertState;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { store, clock, log, tell } = this.#options;
    const { settings, state, signal } = now;
    const before = state.failures.find((one) => one.host === host);
    const known = state.orders.find((one) => one.host === host);
    const attempt = before?.count ?? 0;
    let certificate: HeldCertificate;
    try {
      certificate = await issue(host, known, attempt, { settings, store, clock, log, signal });
    } catch (error) {
      // The next one goes on from the records.
      if (signal.aborted || isMolnError(error, 'CLUSTER_DEPOSED')) return;
      await this.#failed(host, before, error);
      return;
    }
    await store.finish(certificate);
    tell(`${host} has a new certificate`, false);
  }

  async #failed(host: string, before: Failure | undefined, error: unknown): Promise<void> {
    const { store, clock, log, random, tell } = this.#options;
    if (!isMolnError(error))
      log.error('An order failed in a way that nobody foresaw', { host, error });
    const { code = 'CERTS_REFUSED', details } = error as {
      code?: string;
      details?: { retryAfterMs?: unknown };
    };
    const retryAfterMs = details?.retryAfterMs;
    const failure = nextFailure(
      before,
      {
        host,
        at: clock.now(),
        code,
        message: messageOf(error),
        retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
      },
      random(),
    );
    await store.fail(failure);
    tell(`The certificate for ${host} could not be had: ${failure.message}`, true);
  }
}

/** What deciders and warnings look at. */
export function heldOf({ host, source, certPem, addedAt }: HeldCertificate): Held {
  const { names, notBefore, notAfter } = readFacts(certPem);
  return { host, source, names, notBefore, notAfter, addedAt };
}
