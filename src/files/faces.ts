/** What a face of the file store gets. Faces live above and are handed in by the composition root. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { FileStore, KeyGrant } from './model.ts';

export interface FaceContext {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly address: string;
  readonly port: number;
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
  /** In `FilesConfig.ports`. */
  readonly name: 's3' | 'webdav';
  /** Listens when it resolves. */
  readonly open: (context: FaceContext) => Promise<AsyncDisposable>;
}
