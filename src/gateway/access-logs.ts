/** The access logs of one process: a file for each format, opened with its first line. */
import type { Clock } from '../base/time.ts';
import { AccessLog, type AccessEntry } from './access-log.ts';
import type { WorkerPaths } from './worker-record.ts';

export class AccessLogs implements AsyncDisposable {
  readonly #json: AccessLog;
  readonly #combined: AccessLog;

  constructor(
    paths: Pick<WorkerPaths, 'accessLog' | 'combinedLog'>,
    options: { readonly clock: Clock; readonly onRefused: (error: unknown) => void },
  ) {
    this.#json = new AccessLog({ ...options, path: paths.accessLog });
    this.#combined = new AccessLog({ ...options, path: paths.combinedLog, format: 'combined' });
  }

  record(entry: AccessEntry): void {
    (entry.format === 'combined' ? this.#combined : this.#json).record(entry);
  }

  get dropped(): number {
    return this.#json.dropped + this.#combined.dropped;
  }

  /** See `AccessLog.reopen`. */
  reopen(): void {
    this.#json.reopen();
    this.#combined.reopen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#json[Symbol.asyncDispose]();
    await this.#combined[Symbol.asyncDispose]();
  }
}
