/** Takes a live sample every second and hands it to whoever follows. */
import type { LiveSample } from '../api/model.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, everySecond } from '../base/time.ts';
import type { GatewayStats } from '../gateway/config.ts';
import type { HostFacts } from './host-facts.ts';
import { LiveMeter } from './live-meter.ts';

const LATENCY_FAMILY = 'moln_gateway_request_seconds';
/** Samples that wait for a slow follower; beyond it the oldest is dropped. */
const FOLLOWER_QUEUE_MAX = 10;

export interface LiveFeedOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly gateways: () => Promise<readonly GatewayStats[]>;
  readonly hostFacts: () => HostFacts;
}

interface Follower {
  readonly queue: LiveSample[];
  wake: () => void;
}

export class LiveFeed implements Disposable {
  readonly #options: LiveFeedOptions;
  readonly #meter = new LiveMeter(LATENCY_FAMILY);
  readonly #followers = new Set<Follower>();
  #timer: Disposable | undefined;
  #busy = false;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = everySecond(this.#options.clock, () => {
      this.#sample().catch((error: unknown) => {
        this.#options.log.warn('A live sample could not be taken', { error });
      });
    });
  }

  history(): readonly LiveSample[] {
    return this.#meter.history();
  }

  /** Samples from now on, until the signal aborts. */
  async *follow(signal: AbortSignal): AsyncIterable<LiveSample> {
    const follower: Follower = { queue: [], wake: () => {} };
    const wake = (): void => follower.wake();
    signal.addEventListener('abort', wake);
    this.#followers.add(follower);
    try {
      while (!signal.aborted) {
        const sample = follower.queue.shift();
        if (sample !== undefined) {
          yield sample;
          continue;
        }
        await new Promise<void>((resolve) => {
          follower.wake = resolve;
        });
      }
    } finally {
      this.#followers.delete(follower);
      signal.removeEventListener('abort', wake);
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  /** A slow answer of the gateways skips a second rather than piling up. */
  async #sample(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const { clock, gateways, hostFacts } = this.#options;
      const sample = this.#meter.add(clock.now(), await gateways(), hostFacts());
      for (const follower of this.#followers) {
        if (follower.queue.length >= FOLLOWER_QUEUE_MAX) follower.queue.shift();
        follower.queue.push(sample);
        follower.wake();
      }
    } finally {
      this.#busy = false;
    }
  }
}
