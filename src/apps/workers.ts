/** What runs background work of apps. */
import type { Worker } from '../base/worker.ts';

/** Runs workers; `WorkerRunner` of base is one. */
export interface Workers {
  add(worker: Worker): void;
  wake(name: string): void;
}
