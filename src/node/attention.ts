/**
 * Lets a loop rest for long and still act at once: a rest ends early when something below one of the prefixes has changed, or
 * somebody said so. What changed while the loop was at work ends the next rest before it begins.
 */
import { followAgain } from '../base/again.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { RegistryReader } from '../registry/registry.ts';

export interface AttentionOptions {
  readonly registry: Pick<RegistryReader, 'list' | 'watch'>;
  readonly prefixes: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 1000;

export class Attention implements Disposable {
  readonly #options: AttentionOptions;
  readonly #stop = new AbortController();
  #isNews = false;
  #rest: AbortController | undefined;

  constructor(options: AttentionOptions) {
    this.#options = options;
  }

  start(): void {
    for (const prefix of this.#options.prefixes) void this.#follow(prefix);
  }

  /** Something has changed. */
  notice(): void {
    this.#isNews = true;
    this.#rest?.abort();
  }

  async rest(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isNews) {
      this.#rest = new AbortController();
      const until = AbortSignal.any([signal, this.#rest.signal]);
      await this.#options.clock.sleep(ms, until).catch(() => undefined);
    }
    this.#isNews = false;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  #follow(prefix: string): Promise<void> {
    const { registry, clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.debug('Cannot follow', { prefix, reason: messageOf(error) });
    const work = async (): Promise<void> => {
      const { revision } = await registry.list(prefix);
      this.notice();
      for await (const { changes } of registry.watch(prefix, revision + 1, signal)) {
        if (changes.length > 0) this.notice();
      }
    };
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }
}
