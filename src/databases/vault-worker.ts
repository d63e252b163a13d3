/** Has the snapshots of all databases put into the file store: one file at a time, so that clients of a node notice little of it. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { VAULT_AGAIN_MS, VAULT_LOOK_MS } from './limits.ts';

/** As `OpenDatabase` has it. */
export interface Tended {
  readonly name: string;
  /** Of the stripes that are led here. */
  tendVault(signal: AbortSignal): Promise<void>;
}

export class VaultWorker implements Worker {
  readonly name = 'snapshots';
  readonly #databases: () => readonly Tended[];
  readonly #log: Logger;
  #why: string | undefined;

  constructor(databases: () => readonly Tended[], log: Logger) {
    this.#databases = databases;
    this.#log = log;
  }

  status(): string {
    return this.#why ?? 'Snapshots that are named are in the file store';
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    let why: string | undefined;
    for (const database of this.#databases()) {
      try {
        await database.tendVault(signal);
      } catch (error) {
        if (signal.aborted) break;
        why ??= `${database.name}: ${messageOf(error)}`;
      }
    }
    if (why !== undefined && why !== this.#why)
      this.#log.warn('Snapshots cannot be put into the file store yet', { why });
    this.#why = why;
    return { kind: 'idle', retryInMs: why === undefined ? VAULT_LOOK_MS : VAULT_AGAIN_MS };
  }
}
