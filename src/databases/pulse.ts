/**
 * Whether the database process of another node has ended, as far as this one can see: it is asked all the time while a stripe that it leads
 * has a copy here. Connections that break or are refused tell at once; silence tells only after as long as a lease takes to end.
 */
import { type Clock, withDeadline } from '../base/time.ts';
import {
  GONE_AFTER_MS,
  PULSE_EVERY_MS,
  PULSE_LATE_MS,
  PULSES_LATE_MAX,
  WATCHED_MS,
} from './limits.ts';
import type { PeerLinks } from './peer-link.ts';

/** What is known of one node. */
export class Pulse {
  #brokenMs: number | undefined;
  #late = 0;

  heard(): void {
    this.#brokenMs = undefined;
    this.#late = 0;
  }

  /** It was not reached, or hung up. */
  broke(nowMs: number): void {
    this.#brokenMs ??= nowMs;
  }

  /** It was reached, and said nothing for `PULSE_LATE_MS`. */
  wasLate(): void {
    this.#late++;
  }

  isGone(nowMs: number): boolean {
    if (this.#brokenMs !== undefined && nowMs - this.#brokenMs >= GONE_AFTER_MS) return true;
    return this.#late >= PULSES_LATE_MAX;
  }
}

interface Watched {
  readonly pulse: Pulse;
  /** Somebody has asked. */
  askedMs: number;
}

export class Pulses implements AsyncDisposable {
  readonly #links: Pick<PeerLinks, 'call' | 'knows'>;
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  readonly #stop = new AbortController();
  readonly #loops = new Set<Promise<void>>();

  constructor(options: {
    readonly links: Pick<PeerLinks, 'call' | 'knows'>;
    readonly clock: Clock;
  }) {
    this.#links = options.links;
    this.#clock = options.clock;
  }

  /** False while it is not known; asking makes that it will be. */
  isGone(node: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#watched.get(node);
    if (known !== undefined) {
      known.askedMs = nowMs;
      return known.pulse.isGone(nowMs);
    }
    if (this.#stop.signal.aborted) return false;
    const watched: Watched = { pulse: new Pulse(), askedMs: nowMs };
    this.#watched.set(node, watched);
    const loop = this.#watch(node, watched).finally(() => this.#loops.delete(loop));
    this.#loops.add(loop);
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The process ends'));
    await Promise.all(this.#loops);
  }

  /** For as long as somebody asks. */
  async #watch(node: string, watched: Watched): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && this.#clock.monotonicMs() - watched.askedMs < WATCHED_MS) {
      await this.#ask(node, watched.pulse);
      await this.#clock.sleep(PULSE_EVERY_MS, signal).catch(() => undefined);
    }
    this.#watched.delete(node);
  }

  async #ask(node: string, pulse: Pulse): Promise<void> {
    // Of one that has joined just now others may know before this one does.
    if (!this.#links.knows(node)) return pulse.heard();
    let isLate = false;
    const late = (): Error => {
      isLate = true;
      return new Error('It says nothing');
    };
    try {
      await withDeadline(PULSE_LATE_MS, late, () => this.#links.call(node, 'ping'));
      pulse.heard();
    } catch {
      if (isLate) pulse.wasLate();
      // For whatever reason: it was not heard.
      else pulse.broke(this.#clock.monotonicMs());
    }
  }
}
