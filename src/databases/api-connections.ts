/** Connections to the API over which statements come; see `ApiConnection`. */
import type { Clock } from '../base/time.ts';
import { ApiConnection, type ApiConnectionOptions } from './api-connection.ts';
import { API_SWEEP_MS } from './limits.ts';

export class ApiConnections implements Disposable {
  readonly #process: string;
  readonly #open = new Set<ApiConnection>();
  readonly #sweeps: Disposable;
  #drained: PromiseWithResolvers<void> | undefined;

  /** `process`: the socket where the database process lets in whoever shows a token. */
  constructor({ process, clock }: { readonly process: string; readonly clock: Clock }) {
    this.#process = process;
    this.#sweeps = clock.every(API_SWEEP_MS, () => {
      for (const connection of this.#open) connection.sweep();
    });
  }

  /** Takes a connection of the API's port, whatever may come over it. */
  take(options: Pick<ApiConnectionOptions, 'socket' | 'isMeant' | 'handOver'>): void {
    const connection = new ApiConnection({
      ...options,
      process: this.#process,
      onGone: () => {
        this.#open.delete(connection);
        if (this.#open.size === 0) this.#drained?.resolve();
      },
    });
    this.#open.add(connection);
    connection.start();
  }

  /** The API closes: resolves when what it was asked over such connections is answered. */
  async drain(): Promise<void> {
    this.#drained ??= Promise.withResolvers();
    for (const connection of this.#open) connection.end();
    if (this.#open.size > 0) await this.#drained.promise;
  }

  [Symbol.dispose](): void {
    this.#sweeps[Symbol.dispose]();
  }
}
