/** Storage nodes for tests: real folders, in a temporary place. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../src/base/log.ts';
import { type Clock, systemClock } from '../src/base/time.ts';
import { type BackendOptions, LocalBlobs } from '../src/blobs/blobs.ts';

export const GIB: number = 1024 ** 3;

export interface BlobNodeOptions {
  /** Default: one, with a limit of 10 GiB. */
  readonly backends?: readonly Omit<BackendOptions, 'path'>[];
  /** Used and not removed; default: one for each back end, removed in the end. */
  readonly folders?: readonly string[];
  readonly clock?: Clock;
}

export class BlobNode implements AsyncDisposable {
  readonly folders: readonly string[];
  readonly #options: BlobNodeOptions;
  readonly #root: string;
  #store: LocalBlobs | undefined;

  private constructor(options: BlobNodeOptions) {
    this.#options = options;
    this.#root = mkdtempSync(join(tmpdir(), 'moln-blobs-'));
    const count = options.backends?.length ?? 1;
    this.folders =
      options.folders ?? Array.from({ length: count }, (_, i) => join(this.#root, `disk${i}`));
  }

  static async start(options: BlobNodeOptions = {}): Promise<BlobNode> {
    const node = new BlobNode(options);
    await node.open();
    return node;
  }

  get store(): LocalBlobs {
    if (this.#store === undefined) throw new Error('The storage node is closed');
    return this.#store;
  }

  get folder(): string {
    return this.folders[0] ?? '';
  }

  /** Again, as after a restart. */
  async open(changes: Omit<BackendOptions, 'path'> = { create: true }): Promise<LocalBlobs> {
    const settings = this.#options.backends ?? [{ limitBytes: 10 * GIB }];
    const clock = this.#options.clock ?? systemClock;
    this.#store = await LocalBlobs.open({
      backends: this.folders.map((path, i) => ({ ...settings[i], ...changes, path })),
      nodeId: 'n1',
      clock,
      log: createLogger({ part: 'blobs', sinks: [], now: () => clock.now() }),
    });
    return this.#store;
  }

  async close(): Promise<void> {
    await this.#store?.[Symbol.asyncDispose]();
    this.#store = undefined;
  }

  async reopen(changes: Omit<BackendOptions, 'path'> = {}): Promise<LocalBlobs> {
    await this.close();
    return await this.open(changes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    rmSync(this.#root, { recursive: true, force: true });
  }
}
