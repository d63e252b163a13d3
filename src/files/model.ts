/**
 * The file store as its faces see it: buckets, objects, uploads, access keys, WebDAV's properties and locks. Faces
 * (`s3`, `webdav`, native HTTP) know these types and nothing below. Sizes are bytes, times are milliseconds since the epoch.
 */

/** Opaque to the file store: JSON that a face keeps with a bucket or an object. */
export type Json = unknown;

export type Versioning = 'off' | 'enabled' | 'suspended';

export interface BucketInfo {
  readonly name: string;
  /** Id of the access key or account that made it. */
  readonly owner: string;
  readonly createdAt: number;
  readonly versioning: Versioning;
  /** One line of the policy grammar, such as `2 copies`. */
  readonly policy: string;
  readonly quotaBytes: number | null;
  /** Logical: what quotas count. Old versions and open parts count, trash does not. */
  readonly bytes: number;
  readonly objects: number;
  /** By name: cors, lifecycle, website, policy, acl, tagging, encryption, ownership, lock, … */
  readonly settings: Readonly<Record<string, Json>>;
}

export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface ObjectInfo {
  readonly bucket: string;
  readonly key: string;
  /** `null` (the word) for what was written while versions were off or suspended. */
  readonly version: string;
  readonly size: number;
  /** Without quotes: MD5 in hex, or `md5-N` for what came in N parts. Empty for a delete marker. */
  readonly etag: string;
  readonly contentType: string | undefined;
  readonly modifiedAt: number;
  /** What S3 gives back as it came: cache-control, content-disposition, content-encoding, content-language, expires, x-amz-…; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata, without `x-amz-meta-`. */
  readonly meta: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Name (`crc32`, `crc64nvme`, `sha256`, …) → base64. */
  readonly checksums: Readonly<Record<string, string>>;
  readonly checksumType: ChecksumType | undefined;
  readonly isDeleteMarker: boolean;
  readonly isLatest: boolean;
  readonly owner: string | undefined;
  readonly acl: Json;
  readonly partChecksums: readonly string[] | undefined;
  /** Of what came in parts, in order. */
  readonly partSizes: readonly number[] | undefined;
  readonly lock: ObjectLock | undefined;
  readonly encryption: Encryption | undefined;
  /** As in `ObjectFields`. */
  readonly movedBy: string | undefined;
  /** Of the content; equal for copies that share their bytes. For people and for `why`. */
  readonly fid: string;
}

/** Judged inside the commit (RFC 9110 section 13). Entity tags without quotes. */
export interface Conditions {
  /** `*`: something is there. */
  readonly ifMatch?: string | readonly string[] | undefined;
  /** `*`: nothing is there. */
  readonly ifNoneMatch?: string | readonly string[] | undefined;
  readonly ifModifiedSince?: number | undefined;
  readonly ifUnmodifiedSince?: number | undefined;
  readonly ifSize?: number | undefined;
  /** Exactly that second. */
  readonly ifModifiedAt?: number | undefined;
}

/** A body as it was received. */
export interface Received {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  /** Hex. */
  readonly sha256: string;
}

/** How new bytes are to be encrypted: by a key of the cluster, by one that the cluster has for a name, or by the client's own (32 bytes), which is not kept. */
export type EncryptionWish =
  | { readonly by: 'cluster' }
  | { readonly by: 'named'; readonly name: string }
  | { readonly by: 'client'; readonly key: Uint8Array };

/** What is kept of it with an object. */
export interface Encryption {
  readonly by: EncryptionWish['by'];
  readonly name?: string;
  /** The object's data key, sealed; base64. Nobody but the store uses it. */
  readonly key: string;
}

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

/** Retention and legal hold of one version, which is not removed while they last (`FILES_HELD`). */
export interface ObjectLock {
  readonly mode?: LockMode | undefined;
  /** Milliseconds since the epoch. */
  readonly until?: number | undefined;
  readonly hold?: boolean | undefined;
}

/** What is kept with an object. */
export interface ObjectFields {
  readonly contentType?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly meta?: Readonly<Record<string, string>> | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly checksums?: Readonly<Record<string, string>> | undefined;
  readonly checksumType?: ChecksumType | undefined;
  readonly owner?: string | undefined;
  readonly acl?: Json;
  readonly lock?: ObjectLock | undefined;
  readonly encryption?: Encryption | undefined;
  /** Of what came in parts: each part's checksum, of the object's kind. */
  readonly partChecksums?: readonly string[] | undefined;
  /** The mark of the rename that gave it its name. */
  readonly movedBy?: string | undefined;
}

/**
 * Called with what was received before the commit. What it returns is kept with the object; a throw leaves nothing behind
 * and is what the caller gets.
 */
export type Accept = (received: Received) => void | Partial<ObjectFields>;

export interface PutOptions extends ObjectFields {
  readonly conditions?: Conditions | undefined;
  /** As announced; more or less is `FILES_SIZE`. Room and quota are judged by it before the body is read. */
  readonly size?: number | undefined;
  readonly accept?: Accept | undefined;
  /** Else as the bucket's setting `encryption` says. */
  readonly encrypt?: EncryptionWish | undefined;
}

export interface MoveOptions {
  /** Of what is at the new name. */
  readonly conditions?: Conditions | undefined;
  /** By it the same rename is known when it is asked for again. */
  readonly mark?: string | undefined;
}

export interface CopyOptions extends PutOptions {
  readonly range?: Range | undefined;
  /** As for `read`. */
  readonly sourceKey?: Uint8Array | undefined;
}

export interface Range {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface ListOptions {
  readonly prefix?: string | undefined;
  readonly delimiter?: string | undefined;
  /** Only keys behind it; a common prefix that equals it is left out, too. */
  readonly after?: string | undefined;
  readonly limit: number;
  /** Every version and delete marker; newest first within a key. */
  readonly versions?: boolean | undefined;
  /** With `after`: only versions of that key behind this one, then keys behind it. */
  readonly afterVersion?: string | undefined;
}

export interface ListPage {
  readonly objects: readonly ObjectInfo[];
  /** In order; each counts to `limit`. */
  readonly prefixes: readonly string[];
  /** Give these back as `after` and `afterVersion`; undefined at the end. */
  readonly next: { readonly key: string; readonly version?: string | undefined } | undefined;
}

export interface Deleted {
  /** Of what was removed, or of the delete marker that was made. */
  readonly version: string | undefined;
  /** A marker was made, or removed. */
  readonly deleteMarker: boolean;
  readonly existed: boolean;
}

export interface UploadInfo {
  readonly bucket: string;
  readonly key: string;
  readonly upload: string;
  readonly createdAt: number;
  readonly owner: string | undefined;
  readonly checksumAlgorithm: string | undefined;
  readonly fields: ObjectFields;
}

export interface PartInfo {
  readonly number: number;
  readonly etag: string;
  readonly size: number;
  readonly modifiedAt: number;
  readonly checksums: Readonly<Record<string, string>>;
}

export interface PartOptions {
  readonly size?: number | undefined;
  readonly checksums?: Readonly<Record<string, string>> | undefined;
  /** Of what it returns only `checksums` count. */
  readonly accept?: Accept | undefined;
  /** The client's, of an upload that is encrypted by it. */
  readonly key?: Uint8Array | undefined;
}

export interface UploadPage {
  readonly uploads: readonly UploadInfo[];
  readonly prefixes: readonly string[];
  readonly next: { readonly key: string; readonly upload: string } | undefined;
}

export interface PartPage {
  readonly parts: readonly PartInfo[];
  /** Number of the last part of this page; undefined at the end. */
  readonly next: number | undefined;
}

export interface WantedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums?: Readonly<Record<string, string>> | undefined;
}

/** What an access key may do. */
export type KeyGrant = 'all' | readonly { readonly bucket: string; readonly write: boolean }[];

export interface AccessKey {
  readonly id: string;
  readonly secret: string;
  readonly owner: string;
  readonly may: KeyGrant;
  /** A bucket that is made when it is first used: an app's. */
  readonly makes?: string | undefined;
}

/** WebDAV's dead properties; `path` is a key, a folder ends with `/`. */
export interface Properties {
  /** Name in Clark notation (`{namespace}local`) → XML of its content. */
  get(bucket: string, path: string): Promise<Readonly<Record<string, string>>>;
  /** All or nothing; null removes. */
  set(bucket: string, path: string, change: Readonly<Record<string, string | null>>): Promise<void>;
  /** Of the path and of all below it, if it ends with `/`. */
  delete(bucket: string, path: string): Promise<void>;
  /** As `delete`, then the properties of `from` and all below it are those of `to`. */
  copy(bucket: string, from: string, to: string): Promise<void>;
}

export interface FileLock {
  /** `urn:uuid:…` */
  readonly token: string;
  readonly path: string;
  readonly scope: 'exclusive' | 'shared';
  readonly depth: '0' | 'infinity';
  /** Of the access key or account. */
  readonly principal: string;
  /** XML of the client's `owner` element. */
  readonly owner: string | undefined;
  readonly timeoutMs: number;
  readonly expiresAt: number;
}

export interface Locks {
  /** `FILES_LOCKED` when another lock is in the way. */
  create(bucket: string, lock: Omit<FileLock, 'token' | 'expiresAt'>): Promise<FileLock>;
  /** Undefined when there is no such lock any more. */
  refresh(bucket: string, token: string, timeoutMs: number): Promise<FileLock | undefined>;
  unlock(bucket: string, token: string): Promise<boolean>;
  /** Those that concern the path: its own, those of folders above with depth infinity, and with `below` those of everything below it. */
  of(
    bucket: string,
    path: string,
    options?: { readonly below?: boolean },
  ): Promise<readonly FileLock[]>;
  /** Of the path and all below it: it was removed or moved. */
  clear(bucket: string, path: string): Promise<void>;
}

export type ObjectChange = Pick<ObjectFields, 'meta' | 'headers' | 'tags' | 'acl' | 'lock'>;

export interface FileStore {
  /** `FILES_BUCKET_EXISTS` with the owner in its details, `FILES_BUCKET_NAME`. */
  createBucket(
    name: string,
    options: {
      readonly owner: string;
      readonly settings?: Readonly<Record<string, Json>>;
      readonly versioning?: Versioning;
    },
  ): Promise<BucketInfo>;
  bucket(name: string): Promise<BucketInfo | undefined>;
  /** In order of names. */
  buckets(): Promise<readonly BucketInfo[]>;
  /** A setting that is null is removed. */
  changeBucket(
    name: string,
    change: {
      readonly settings?: Readonly<Record<string, Json>>;
      readonly policy?: string;
      readonly quotaBytes?: number | null;
      readonly versioning?: 'enabled' | 'suspended';
    },
  ): Promise<BucketInfo>;
  /** `FILES_BUCKET_NOT_EMPTY` while there are objects, versions or markers; open uploads are aborted. */
  deleteBucket(name: string): Promise<void>;

  /** The newest version, or one by its name; a delete marker is given with `isDeleteMarker`. */
  head(bucket: string, key: string, version?: string): Promise<ObjectInfo | undefined>;
  /** `key`: the client's, if the object is encrypted by it. Throws at once `FILES_ENCRYPTED` and `FILES_ENCRYPTION_KEY`. */
  read(info: ObjectInfo, range?: Range, key?: Uint8Array): AsyncIterable<Uint8Array>;
  /**
   * `FILES_CONDITION`, `FILES_QUOTA`, `FILES_FULL`, `FILES_SIZE`, `FILES_NO_BUCKET`. Pieces of the body, here and wherever there is one, are given
   * back (`base/piece-pool.ts`): whoever makes several of one shares it.
   */
  put(
    bucket: string,
    key: string,
    body: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<ObjectInfo>;
  /** Shares the bytes where it can. What is not given of the fields is as with `from`, but for its lock, which is that version's alone. */
  copy(
    from: ObjectInfo,
    to: { readonly bucket: string; readonly key: string },
    options: CopyOptions,
  ): Promise<ObjectInfo>;
  /**
   * Of that very version; its content and time stay. A function gets what is there in the transaction, which may have come after `info`:
   * a version named `null` is replaced by another of that name. `FILES_NO_OBJECT`.
   */
  changeObject(
    info: ObjectInfo,
    change: ObjectChange | ((now: ObjectInfo) => ObjectChange),
  ): Promise<ObjectInfo>;
  /** `FILES_OFFSET`, with `length` in its details, when the object is not that long. Offset 0 makes it. */
  append(
    bucket: string,
    key: string,
    offset: number,
    body: AsyncIterable<Uint8Array>,
    options?: PutOptions,
  ): Promise<ObjectInfo>;
  /** `FILES_HELD` while a lock is on what would go: judged in the transaction, so a hold that was set before it counts. */
  delete(
    bucket: string,
    key: string,
    options?: {
      readonly version?: string | undefined;
      readonly conditions?: Conditions | undefined;
      /** A retention of mode `GOVERNANCE` is passed over. */
      readonly bypassGovernance?: boolean | undefined;
    },
  ): Promise<Deleted>;
  /**
   * Rename within a bucket: one transaction, no bytes move. What is at `to` is replaced. While that is what a rename with the same mark
   * left there, it is given again and nothing changes. `FILES_NO_OBJECT`.
   */
  move(bucket: string, from: string, to: string, options?: MoveOptions): Promise<ObjectInfo>;
  /** Keys in the order of their UTF-8 bytes. */
  list(bucket: string, options: ListOptions): Promise<ListPage>;

  /** `size`: of all parts together, if it is known. `FILES_QUOTA`, `FILES_FULL`. */
  createUpload(
    bucket: string,
    key: string,
    options: PutOptions & { readonly checksumAlgorithm?: string | undefined },
  ): Promise<{ readonly upload: string; readonly encryption: Encryption | undefined }>;
  /** `FILES_NO_UPLOAD` here and below. */
  upload(bucket: string, key: string, upload: string): Promise<UploadInfo>;
  putPart(
    bucket: string,
    key: string,
    upload: string,
    number: number,
    body: AsyncIterable<Uint8Array>,
    options: PartOptions,
  ): Promise<PartInfo>;
  copyPart(
    from: ObjectInfo,
    range: Range | undefined,
    to: {
      readonly bucket: string;
      readonly key: string;
      readonly upload: string;
      readonly number: number;
    },
    options: PartOptions & { readonly sourceKey?: Uint8Array | undefined },
  ): Promise<PartInfo>;
  parts(
    bucket: string,
    key: string,
    upload: string,
    options: { readonly after?: number | undefined; readonly limit: number },
  ): Promise<PartPage>;
  uploads(
    bucket: string,
    options: {
      readonly prefix?: string | undefined;
      readonly delimiter?: string | undefined;
      readonly after?: { readonly key: string; readonly upload?: string | undefined } | undefined;
      readonly limit: number;
    },
  ): Promise<UploadPage>;
  /**
   * Repeatable: a second call with the same parts gives the same object. `FILES_PART` (a part is not there or another one),
   * `FILES_PART_ORDER`, `FILES_PART_SMALL`.
   */
  completeUpload(
    bucket: string,
    key: string,
    upload: string,
    parts: readonly WantedPart[],
    options: {
      readonly conditions?: Conditions | undefined;
      readonly checksums?: Readonly<Record<string, string>> | undefined;
      readonly checksumType?: ChecksumType | undefined;
      readonly partChecksums?: readonly string[] | undefined;
      readonly size?: number | undefined;
      /** The client's: held against the upload's, if it is given. */
      readonly key?: Uint8Array | undefined;
    },
  ): Promise<ObjectInfo>;
  abortUpload(bucket: string, key: string, upload: string): Promise<void>;

  accessKey(id: string): Promise<AccessKey | undefined>;
  readonly properties: Properties;
  readonly locks: Locks;
}
