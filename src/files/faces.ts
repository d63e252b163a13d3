/** What a face of the file store gets. Faces live above and are handed in by the composition root. */
import type { Server } from 'node:http';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { bindTcp, listenUnix } from '../net/net.ts';
import type { FileStore, KeyGrant } from './model.ts';

/** Where a face listens: for everybody, or for the gateways of this machine. */
export type FacePlace =
  | { readonly address: string; readonly port: number }
  | { readonly socket: string };

export interface FaceContext {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly at: FacePlace;
  /** Whose token of the API this is; undefined when it is none. */
  readonly keyOfToken: (
    token: string,
  ) => Promise<
    { readonly owner: string; readonly may: KeyGrant; readonly readOnly: boolean } | undefined
  >;
  /** Who an owner is: an owner of access keys. */
  readonly people: (
    id: string,
  ) => Promise<{ readonly id: string; readonly name: string } | undefined>;
}

export interface FaceMaker {
  readonly name: 's3' | 'webdav' | 'website';
  /** Listens when it resolves. */
  readonly open: (context: FaceContext) => Promise<AsyncDisposable>;
}

/** Until it is disposed of, which ends what is under way. */
export async function listenAt(server: Server, at: FacePlace): Promise<Disposable> {
  await ('socket' in at ? listenUnix(server, at.socket) : bindTcp(server, at));
  return {
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
