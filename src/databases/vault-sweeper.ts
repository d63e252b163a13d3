/**
 * Takes what is left of dropped databases out of the file store. As with their folders, it goes because the id is among the dropped ones, which the managers
 * themselves are asked; never because a record is missing.
 */
import { isMolnError } from '../base/errors.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { ObjectSocket } from '../net/net.ts';
import type { Registry } from '../registry/registry.ts';
import { VAULT_AGAIN_MS, VAULT_SWEEP_MS, VAULT_THERE_MS } from './limits.ts';
import { droppedRecords } from './records.ts';

export interface VaultSweeperOptions {
  /** Where snapshots lie: `ID/…`. */
  readonly objects: Pick<ObjectSocket, 'list' | 'remove'> & { isThere(): boolean };
  readonly registry: Registry;
}

export class VaultSweeper implements Worker {
  readonly name = 'snapshots';
  readonly #options: VaultSweeperOptions;
  #why: string | undefined;

  constructor(options: VaultSweeperOptions) {
    this.#options = options;
  }

  status(): string {
    if (!this.#options.objects.isThere())
      return 'There is no file store: snapshots of databases are on nodes only';
    return this.#why === undefined
      ? 'Nothing of dropped databases is in the file store'
      : `Snapshots of dropped databases cannot be removed yet: ${this.#why}`;
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const { objects } = this.#options;
    if (!objects.isThere()) return { kind: 'idle', retryInMs: VAULT_THERE_MS };
    try {
      await this.#sweep(signal);
      this.#why = undefined;
      return { kind: 'idle', retryInMs: VAULT_SWEEP_MS };
    } catch (error) {
      if (!isMolnError(error)) throw error;
      this.#why = error.message;
      return { kind: 'idle', retryInMs: VAULT_AGAIN_MS };
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { objects, registry } = this.#options;
    // Before the records: one that is being restored counts as dropped, and has nothing there before it is not any more.
    const { folders } = await objects.list('', true);
    const dropped = droppedRecords(registry);
    for (const { id, revision } of await dropped.list()) {
      if (signal.aborted) return;
      if (!folders.includes(`${id}/`)) continue;
      // What was read may be an old copy.
      const isSo = await registry.commit([{ key: dropped.keyOf(id), revision }], []);
      if (isSo.kind !== 'committed') continue;
      const { keys } = await objects.list(`${id}/`);
      for (const key of keys) await objects.remove(key);
    }
  }
}
