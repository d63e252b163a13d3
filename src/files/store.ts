/** The file store over catalogue and storages: what the faces use. */
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Places } from './block-writer.ts';
import { Buckets } from './buckets.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import { Changes } from './changes.ts';
import { Contents } from './content.ts';
import { readPage } from './listing.ts';
import { NEAR_PLACES_MAX } from './limits.ts';
import { StoredLocks } from './locks.ts';
import { Lookups } from './lookups.ts';
import { DerivedObjects } from './derived.ts';
import { Keyring } from './encryption.ts';
import { encryptionKey } from './recovery-key.ts';
import type {
  AccessKey,
  BucketInfo,
  FileStore,
  ListOptions,
  ListPage,
  ObjectInfo,
} from './model.ts';
import { nearestIds } from './nearest.ts';
import { Objects } from './objects.ts';
import { StoredProperties } from './properties.ts';
import { objectOf } from './rows.ts';
import type { Sessions } from './sessions.ts';
import { firstVersion, readCurrent, readOlder } from './versions.ts';
import { Uploads } from './uploads.ts';

export interface StoreOptions {
  readonly link: CatalogueLink;
  readonly places: Places;
  readonly sessions: Sessions;
  readonly accessKey: (id: string) => Promise<AccessKey | undefined>;
  readonly onBadCopy?: (bucket: string, cid: string, place: string) => void;
  /** The cluster's key of files. */
  readonly key: () => Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Store implements FileStore {
  readonly contents: Contents;
  readonly objects: Objects;
  readonly keyring: Keyring;
  readonly #derived: DerivedObjects;
  readonly properties: StoredProperties;
  readonly locks: StoredLocks;
  readonly #options: StoreOptions;
  readonly #buckets: Buckets;
  readonly #uploads: Uploads;

  constructor(options: StoreOptions) {
    const { link, clock, sessions } = options;
    this.#options = options;
    this.keyring = new Keyring(() => encryptionKey(options.key()));
    const changes = new Changes({
      link,
      node: () => options.places.self,
      onState: (bucket, state) => this.#buckets.know(bucket, state),
    });
    const lookups = new Lookups(link, () => nearestIds(options.places, NEAR_PLACES_MAX));
    this.contents = new Contents({ ...options, lookups });
    this.#buckets = new Buckets(options);
    const parts = {
      link,
      lookups,
      changes,
      buckets: this.#buckets,
      contents: this.contents,
      sessions,
      keyring: this.keyring,
      clock,
    };
    this.objects = new Objects(parts);
    this.#derived = new DerivedObjects({ ...parts, objects: this.objects });
    this.#uploads = new Uploads({ ...parts, objects: this.objects });
    this.properties = new StoredProperties(link);
    this.locks = new StoredLocks(options);
  }

  createBucket: FileStore['createBucket'] = (name, options) => this.#buckets.create(name, options);
  buckets: FileStore['buckets'] = () => this.#buckets.list();
  changeBucket: FileStore['changeBucket'] = (name, change) => this.#buckets.change(name, change);
  deleteBucket: FileStore['deleteBucket'] = (name) => this.#buckets.delete(name);

  head: FileStore['head'] = (...asked) => this.objects.head(...asked);
  read: FileStore['read'] = (...asked) => this.objects.read(...asked);
  put: FileStore['put'] = (...asked) => this.objects.put(...asked);
  copy: FileStore['copy'] = (...asked) => this.#derived.copy(...asked);
  changeObject: FileStore['changeObject'] = (info, change) => this.objects.change(info, change);
  append: FileStore['append'] = (...asked) => this.#derived.append(...asked);
  delete: FileStore['delete'] = (...asked) => this.objects.delete(...asked);
  move: FileStore['move'] = (...asked) => this.#derived.move(...asked);
  undelete = (bucket: string, key: string): Promise<ObjectInfo> =>
    this.objects.undelete(bucket, key);

  createUpload: FileStore['createUpload'] = (...asked) => this.#uploads.create(...asked);
  upload: FileStore['upload'] = (...asked) => this.#uploads.get(...asked);
  putPart: FileStore['putPart'] = (bucket, key, upload, number, body, options) =>
    this.#uploads.putPart({ bucket, key, upload, number }, body, options);
  copyPart: FileStore['copyPart'] = (...asked) => this.#uploads.copyPart(...asked);
  parts: FileStore['parts'] = (...asked) => this.#uploads.parts(...asked);
  uploads: FileStore['uploads'] = (...asked) => this.#uploads.list(...asked);
  completeUpload: FileStore['completeUpload'] = (bucket, key, upload, parts, options) =>
    this.#uploads.complete({ bucket, key, upload }, parts, options);
  abortUpload: FileStore['abortUpload'] = (...asked) => this.#uploads.abort(...asked);

  async bucket(name: string): Promise<BucketInfo | undefined> {
    return await this.#buckets.info(name);
  }

  async list(bucket: string, options: ListOptions): Promise<ListPage> {
    await this.#buckets.need(bucket);
    const { prefix = '', delimiter, after, limit, versions = false, afterVersion } = options;
    const ord =
      after === undefined || afterVersion === undefined
        ? undefined
        : await this.#ordOf(bucket, after, afterVersion);
    const page = await readPage(this.#options.link, bucket, {
      prefix,
      delimiter,
      after: after === undefined ? undefined : { key: after, ord },
      limit,
      versions,
    });
    return {
      objects: page.entries.map(({ row, isLatest }) => objectOf(bucket, row, isLatest)),
      prefixes: page.prefixes,
      next: page.last,
    };
  }

  accessKey(id: string): Promise<AccessKey | undefined> {
    return this.#options.accessKey(id);
  }

  /** Undefined when that version is gone: then all of that key has been seen. */
  async #ordOf(bucket: string, key: string, version: string): Promise<number | undefined> {
    const [first, second] = await this.#options.link.read([
      readCurrent(bucket, key),
      readOlder(bucket, key, version),
    ]);
    const current = firstVersion(first);
    return (current?.version === version ? current : firstVersion(second))?.ord;
  }
}
