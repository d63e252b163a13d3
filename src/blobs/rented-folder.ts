/** What a rented storage asks of the folder of another machine, however that is reached. Paths begin with the folder of its address. */

export interface RentedFolder extends Disposable {
  /** It does not answer any more: another one is begun. */
  readonly isOver: boolean;
  /** Nothing is asked before. Throws why it cannot be reached, or lets nobody in. */
  greeted(): Promise<void>;
  /** It may be there. */
  makeFolder(path: string): Promise<void>;
  /** Bytes of a file; undefined when it is not there. */
  size(path: string): Promise<number | undefined>;
  /** Files and folders of a folder, in no order, with sizes. */
  list(folder: string): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /**
   * A new file, durable when it resolves, and not there under `path()` before; that is asked when the pieces have come. `temporary` is what
   * it may be called until then.
   */
  write(
    temporary: string,
    pieces: AsyncIterable<Uint8Array>,
    how: { readonly path: () => string; readonly atOnce: number },
  ): Promise<void>;
  /** A small file, whole and durable. False when its name is taken: of two who claim it at the same moment one gets it. */
  claim(path: string, bytes: Uint8Array): Promise<boolean>;
  /** From `start` to `end`, in pieces of that size but for the last; ends early where the file does. */
  read(
    path: string,
    range: { readonly start: number; readonly end: number },
    how: { readonly pieceBytes: number; readonly atOnce: number },
  ): AsyncGenerator<Buffer>;
  rename(from: string, to: string): Promise<void>;
  /** False when it is known that it was not there. */
  remove(path: string): Promise<boolean>;
  room(folder: string): Promise<{ readonly freeBytes: number; readonly sizeBytes: number }>;
}

/** It answered, and it was no. */
export class FolderRefused extends Error {}

/** It does not answer; whoever asks again meanwhile may have another session by now. */
export class FolderOver extends Error {}
