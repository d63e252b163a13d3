/** Keeps this node in touch with the registry when its managers change. */
import { followAgain } from '../base/again.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { ManagerRecords } from '../cluster/cluster.ts';
import type { NodeRegistry } from './node-registry.ts';

const RETRY_MS = 1000;

export class PlaceFollower implements AsyncDisposable {
  readonly #options: {
    readonly nodeRegistry: NodeRegistry;
    readonly records: ManagerRecords;
    readonly clock: Clock;
    readonly log: Logger;
  };
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: {
    readonly nodeRegistry: NodeRegistry;
    readonly records: ManagerRecords;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  #follow(): Promise<void> {
    const { nodeRegistry, records, clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.warn('Cannot follow the managers and will retry', { error });
    const work = async (): Promise<void> => {
      for await (const { epoch, endpoints } of records.watchState(signal)) {
        const { place } = nodeRegistry;
        if (place !== undefined) await nodeRegistry.follow({ ...place, epoch, endpoints });
      }
    };
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }
}
