/** What the file store keeps for Moln itself: the real store (`file-kit.ts`) behind the socket that agents and database processes ask. */
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { sendError } from '../src/files/http-words.ts';
import { KeptObjects } from '../src/files/kept-objects.ts';
import { SystemObjects } from '../src/files/system-objects.ts';
import { listenUnix } from '../src/net/net.ts';
import { FileKit } from './file-kit.ts';

export class KeptKit {
  readonly files: FileKit;
  /** Releases. */
  readonly kept: KeptObjects;
  readonly socket: string;
  #isMade: boolean;
  #server: Server | undefined;

  private constructor(files: FileKit, isMade: boolean) {
    this.files = files;
    this.#isMade = isMade;
    this.socket = join(files.folder, 'kept.sock');
    this.kept = new KeptObjects({
      socket: this.socket,
      bucket: 'releases',
      isThere: () => this.#isMade,
    });
  }

  /** `isMade`: default true; else nobody has stored anything until `make`. */
  static async start(t: TestContext, isMade = true): Promise<KeptKit> {
    const files = await FileKit.start({ places: 2 });
    const kit = new KeptKit(files, isMade);
    t.after(async () => {
      await kit.away();
      await files[Symbol.asyncDispose]();
    });
    await kit.back();
    return kit;
  }

  make(): void {
    this.#isMade = true;
  }

  /** Its process is gone. */
  async away(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** And is there again. */
  async back(): Promise<void> {
    const objects = new SystemObjects(this.files.store);
    const server = createServer((request, response) => {
      objects.answer(request, response).catch((error: unknown) => {
        sendError(request, response, error);
      });
    });
    await listenUnix(server, this.socket);
    this.#server = server;
  }
}

/** As of a node on which nobody has stored anything. */
export const nothingKept: KeptObjects = new KeptObjects({
  socket: '/nonexistent',
  bucket: 'releases',
  isThere: () => false,
});
