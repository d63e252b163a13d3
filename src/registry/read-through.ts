/**
 * Reads the registry, and the mirror on this node while no manager answers: for what has to go on then (routes, access,
 * lists). Whoever reads may get what was true when the managers were last heard. What hangs on a lease is not in the mirror.
 */
import { isMolnError } from '../base/errors.ts';
import type { Entry, ListResult, RegistryReader, Revision, WatchBatch } from './contract.ts';
import { moved } from './errors.ts';

/** `RegistryMirror` is one. */
export interface ReadableMirror extends RegistryReader {
  status(): { readonly isLive: boolean; readonly isComplete: boolean };
  /** Calls whenever `isLive` has changed, and when the mirror is closed. */
  onLive(call: () => void): Disposable;
  /** Resolves as soon as it is known whether the registry answers; at once when it is known, or there is a first answer. */
  probed(): Promise<void>;
}

export class ReadThrough implements RegistryReader {
  readonly #registry: RegistryReader;
  readonly #mirror: () => ReadableMirror | undefined;
  /** Watches that have to look again at where they read. */
  readonly #watching = new Set<() => void>();

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
    await mirror?.probed();
    const status = mirror?.status();
    const isLive = status?.isLive ?? true;
    const isMirrored = mirror !== undefined && !isLive && status?.isComplete === true;
    const elsewhere = new AbortController();
    const look = (): void => {
      const now = this.#mirror();
      if (now !== mirror || (now?.status().isLive ?? true) !== isLive) elsewhere.abort();
    };
    this.#watching.add(look);
    using _change = mirror?.onLive(look);
    try {
      look();
      const reader = isMirrored ? mirror : this.#registry;
      yield* reader.watch(prefix, fromRevision, AbortSignal.any([signal, elsewhere.signal]));
    } finally {
      this.#watching.delete(look);
    }
    if (signal.aborted) return;
    // A mirror that was closed ends its watches without a word; so does a closed registry, and that is the end.
    if (elsewhere.signal.aborted || this.#mirror() !== mirror || isMirrored) throw moved();
  }

  /** To be called when `mirror` gives another one, or none: watches that know the former look again. */
  mirrorChanged(): void {
    for (const look of this.#watching) look();
  }

  async #read<T>(ask: (reader: RegistryReader) => Promise<T>): Promise<T> {
    const mirror = this.#mirror();
    if (mirror === undefined) return ask(this.#registry);
    await mirror.probed();
    const { isLive, isComplete } = mirror.status();
    if (!isComplete) return ask(this.#registry);
    if (!isLive) return this.#ask(mirror, ask);
    const gone = Promise.withResolvers<'gone'>();
    using _change = mirror.onLive(() => {
      if (!mirror.status().isLive) gone.resolve('gone');
    });
    try {
      // It would be tried for much longer than it takes the mirror to notice.
      const answer = await Promise.race([
        ask(this.#registry).then((value) => ({ value })),
        gone.promise,
      ]);
      if (answer !== 'gone') return answer.value;
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_UNAVAILABLE')) throw error;
    }
    return this.#ask(this.#mirror(), ask);
  }

  /** A mirror that is being replaced is closed for a moment. */
  async #ask<T>(
    mirror: ReadableMirror | undefined,
    ask: (reader: RegistryReader) => Promise<T>,
  ): Promise<T> {
    if (mirror === undefined) return ask(this.#registry);
    try {
      return await ask(mirror);
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_CLOSED')) throw error;
      return ask(this.#registry);
    }
  }
}
