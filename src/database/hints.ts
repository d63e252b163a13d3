/**
 * What the log tells a copy by itself: that its primary may have changed, and while it follows, that there is more. A primary is not told of
 * what it appends: that would cost it, and the log, with each group.
 */
import type { CommitLog, Watched } from './commit-log.ts';
import type { KnownPrimary } from './known-primary.ts';

export interface HintsOptions {
  readonly name: string;
  readonly log: Pick<CommitLog, 'watch'>;
  readonly leader: Pick<KnownPrimary, 'mayHaveChanged'>;
}

export class Hints {
  readonly #options: HintsOptions;
  readonly #ended: AbortSignal;
  readonly #onHead: () => void;
  readonly #running = new Set<Promise<void>>();
  #following: AbortController | undefined;

  /** `ended` ends all of it. */
  constructor(options: HintsOptions, ended: AbortSignal, onHead: () => void) {
    this.#options = options;
    this.#ended = ended;
    this.#onHead = onHead;
  }

  begin(): void {
    this.#watch('primary', () => this.#options.leader.mayHaveChanged(), this.#ended);
  }

  /** Whether this copy wants to know of what others append. */
  follow(isFollower: boolean): void {
    if (isFollower === (this.#following !== undefined)) return;
    this.#following?.abort();
    this.#following = isFollower ? new AbortController() : undefined;
    if (this.#following === undefined) return;
    const signal = AbortSignal.any([this.#ended, this.#following.signal]);
    this.#watch('head', this.#onHead, signal);
  }

  /** Resolves once all watches have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  #watch(what: Watched, onHint: () => void, signal: AbortSignal): void {
    const watching = this.#run(what, onHint, signal);
    this.#running.add(watching);
    void watching.then(() => this.#running.delete(watching));
  }

  async #run(what: Watched, onHint: () => void, signal: AbortSignal): Promise<void> {
    const { name, log } = this.#options;
    for await (const _ of log.watch(name, what, signal)) onHint();
  }
}
