/**
 * Samples of the last ten minutes and whether more are coming. Reads the history once, then follows the
 * live stream; when that breaks, says so, waits a little longer each time, and fetches what was missed.
 */
import type { LiveSample } from '../../api/model.ts';
import type { Clock } from '../../base/time.ts';
import { isMolnError } from '../../base/errors.ts';
import { LOGGED_OUT } from './api.ts';

export const SAMPLES_KEPT = 600;
/** A stream that says nothing for this long is taken for dead: samples come every second. */
export const SILENCE_MAX_MS = 8000;
export const BACKOFF_FIRST_MS = 1000;
export const BACKOFF_MOST_MS = 15_000;

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'lost'; readonly retryAt: number }
  | { readonly kind: 'logged-out' };

export interface LiveState {
  /** Oldest first. */
  readonly samples: readonly LiveSample[];
  readonly connection: Connection;
}

export interface LiveSource {
  history(signal?: AbortSignal): Promise<readonly LiveSample[]>;
  live(signal: AbortSignal): AsyncIterable<LiveSample>;
}

/** Pure: `more` after `samples`, in order, without repeats, the newest `SAMPLES_KEPT`. */
export function mergeSamples(
  samples: readonly LiveSample[],
  more: readonly LiveSample[],
): readonly LiveSample[] {
  const newest = samples.at(-1)?.at ?? -Infinity;
  const fresh = more.filter((sample) => sample.at > newest);
  return fresh.length === 0 ? samples : [...samples, ...fresh].slice(-SAMPLES_KEPT);
}

/** Pure: how long to wait after the n-th failure in a row (from 1). */
export function backoffMs(failures: number): number {
  return Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** (failures - 1));
}

export class LiveFeed {
  readonly #source: LiveSource;
  readonly #clock: Clock;
  readonly #onChange: (state: LiveState) => void;
  #state: LiveState = { samples: [], connection: { kind: 'connecting' } };

  constructor(options: {
    readonly source: LiveSource;
    readonly clock: Clock;
    readonly onChange: (state: LiveState) => void;
  }) {
    this.#source = options.source;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
  }

  /** Follows until the signal aborts or the session ends. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#state.samples.at(-1)?.at;
      try {
        await this.#follow(signal);
      } catch (error) {
        if (isMolnError(error, LOGGED_OUT)) {
          this.#set({ connection: { kind: 'logged-out' } });
          return;
        }
        // Anything else means that the node is away: the state below tells the reader.
      }
      if (signal.aborted) return;
      failures = this.#state.samples.at(-1)?.at === before ? failures + 1 : 1;
      const waitMs = backoffMs(failures);
      this.#set({ connection: { kind: 'lost', retryAt: this.#clock.now() + waitMs } });
      await this.#clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const either = AbortSignal.any([signal, silence.signal]);
    let lastHeard = this.#clock.monotonicMs();
    using _watch = this.#clock.every(1000, () => {
      if (this.#clock.monotonicMs() - lastHeard > SILENCE_MAX_MS) silence.abort();
    });
    this.#add(await this.#source.history(either));
    for await (const sample of this.#source.live(either)) {
      lastHeard = this.#clock.monotonicMs();
      this.#add([sample]);
    }
  }

  #add(more: readonly LiveSample[]): void {
    this.#set({
      samples: mergeSamples(this.#state.samples, more),
      connection: { kind: 'live' },
    });
  }

  #set(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    this.#onChange(this.#state);
  }
}
