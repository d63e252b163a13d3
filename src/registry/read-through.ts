/**
 * Reads the registry, and the mirror on this node while no manager answers: for what has to go on then (routes, access,
 * lists). Whoever reads may get what was true when the managers were last heard.
 */
import { isMolnError } from '../base/errors.ts';
import type { Entry, ListResult, RegistryReader, Revision, WatchBatch } from './contract.ts';
import { compacted } from './errors.ts';

/** `RegistryMirror` is one. */
export interface ReadableMirror extends RegistryReader {
  status(): { readonly isLive: boolean; readonly isComplete: boolean };
  /** Calls whenever `isLive` has changed. */
  onLive(call: () => void): Disposable;
}

export class ReadThrough implements RegistryReader {
  readonly #registry: RegistryReader;
  readonly #mirror: () => ReadableMirror | undefined;

  constructor(options: {
    readonly registry: RegistryReader;
    /** Undefined while there is none, as with the embedded registry. */
    readonly mirror: () => ReadableMirror | undefined;
  }) {
    this.#registry = options.registry;
    this.#mirror = options.mirror;
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read((reader) => reader.get(key));
  }

  list(prefix: string): Promise<ListResult> {
    return this.#read((reader) => reader.list(prefix));
  }

  /** Ends with `REGISTRY_COMPACTED` whenever it has to be read elsewhere: list again. */
  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    const mirror = this.#mirror();
    if (mirror === undefined) {
      yield* this.#registry.watch(prefix, fromRevision, signal);
      return;
    }
    const { isLive } = mirror.status();
    const elsewhere = new AbortController();
    using _change = mirror.onLive(() => {
      if (mirror.status().isLive !== isLive) elsewhere.abort();
    });
    const both = AbortSignal.any([signal, elsewhere.signal]);
    const reader = isLive ? this.#registry : mirror;
    yield* reader.watch(prefix, fromRevision, both);
    if (elsewhere.signal.aborted && !signal.aborted)
      throw compacted(fromRevision, fromRevision + 1);
  }

  async #read<T>(ask: (reader: RegistryReader) => Promise<T>): Promise<T> {
    const mirror = this.#mirror();
    const status = mirror?.status();
    if (mirror === undefined || status?.isComplete !== true) return ask(this.#registry);
    if (!status.isLive) return ask(mirror);
    try {
      return await ask(this.#registry);
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_UNAVAILABLE')) throw error;
      return ask(mirror);
    }
  }
}
