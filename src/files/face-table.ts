/**
 * The faces of this process, each on its port. A port that another program has is tried again, and until it is ours nobody is sent there:
 * apps and mounts would give it their files and their tokens.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { FaceContext, FaceMaker } from './faces.ts';
import { FACE_AGAIN_MS } from './limits.ts';

const WORDS: Readonly<Record<FaceMaker['name'], string>> = {
  s3: 'served over S3 here',
  webdav: 'served over WebDAV here',
  website: 'shown as websites by this node',
};

export interface FaceTableOptions {
  readonly makers: readonly FaceMaker[];
  /** Undefined for a face that is not wanted. */
  readonly contextOf: (face: FaceMaker['name']) => FaceContext | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export class FaceTable implements AsyncDisposable {
  readonly #options: FaceTableOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #stop = new AbortController();
  /** By face: `http://HOST:PORT`; undefined where only gateways come. */
  readonly #listening = new Map<FaceMaker['name'], string | undefined>();
  /** By face: why it does not listen. */
  readonly #silent = new Map<FaceMaker['name'], string>();
  #trying: Promise<void> | undefined;

  constructor(options: FaceTableOptions) {
    this.#options = options;
  }

  /** Resolves when each was tried once. */
  async open(): Promise<void> {
    await this.#tryAll();
    this.#trying = this.#tryOn();
  }

  /** Where this machine reaches those whose ports are this process's: `http://HOST:PORT`. */
  listening(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.#listening].flatMap(([face, url]) => (url === undefined ? [] : [[face, url]])),
    );
  }

  /** Sentences. */
  warnings(): readonly string[] {
    return [...this.#silent].map(
      ([face, why]) =>
        `Files are not ${WORDS[face]}: ${why}` +
        (face === 'website' ? '' : `; "moln up --${face}-port PORT" takes another one`),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The file process ends'));
    await this.#trying;
    await this.#stack.disposeAsync();
  }

  async #tryAll(): Promise<void> {
    for (const maker of this.#options.makers)
      if (!this.#listening.has(maker.name)) await this.#try(maker);
  }

  async #tryOn(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    while (this.#silent.size > 0) {
      await clock.sleep(FACE_AGAIN_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.#tryAll();
    }
  }

  async #try({ name, open }: FaceMaker): Promise<void> {
    const { log, contextOf } = this.#options;
    const context = contextOf(name);
    if (context === undefined) return;
    const { at } = context;
    try {
      this.#stack.use(await open(context));
      this.#listening.set(
        name,
        'port' in at ? `http://${hostOf(at.address)}:${at.port}` : undefined,
      );
      this.#silent.delete(name);
      log.info('A face of files listens', { face: name, ...at });
    } catch (error) {
      // The others are served all the same.
      const why = messageOf(error);
      if (this.#silent.get(name) !== why)
        log.error('A face of files does not listen', { face: name, ...at, why });
      this.#silent.set(name, why);
    }
  }
}

/** Where this machine reaches a face that listens on `address`. */
function hostOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return address.includes(':') ? `[${address}]` : address;
}
