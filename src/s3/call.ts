/** One request on its way through the S3 face, and what it is answered with. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { AccessKey, BucketInfo, FileStore, Json, Received } from '../files/files.ts';
import type { Answer } from '../http/answer.ts';
import type { Acl, FindPerson } from './acl.ts';
import type { Sender } from './authenticate.ts';
import { type CheckedBody, checkedBody, readDocument } from './body.ts';
import type { ChecksumName } from './checksums.ts';
import { DOCUMENT_BYTES_MAX } from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import type { Target } from './uri.ts';

export type { Answer };

export interface CallParts {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly people: FindPerson;
  readonly id: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly target: Target;
  readonly bucketName: string;
  readonly key: string;
  readonly sender: Sender;
  readonly source: AsyncIterable<Uint8Array>;
  readonly clientAddress: string;
  readonly isSecure: boolean;
}

/** No id of ours, nor of AWS, is shorter. */
const VERSION_ID = /^(?:null|[\x21-\x7e]{16,1024})$/;

/** Throws InvalidArgument for what is the id of no version anywhere; `name` is that of the argument. */
export function checkVersion(version: string, name: string): void {
  if (version === '') throw invalidArgument('Version id cannot be the empty string', name, '');
  if (!VERSION_ID.test(version))
    throw invalidArgument('Invalid version id specified', name, version);
}

/** Its parts are its fields. */
const WithParts = class {
  constructor(parts: CallParts) {
    Object.assign(this, parts);
  }
} as new (parts: CallParts) => CallParts;

export class Call extends WithParts {
  readonly query: ReadonlyMap<string, string>;
  readonly nowMs: number;
  readonly #parts: CallParts;
  #bucket: BucketInfo | undefined;
  /** What a form has made of it: only its fields say who sends it. */
  posted: Call | undefined;

  constructor(parts: CallParts) {
    super(parts);
    this.#parts = parts;
    this.query = new Map(parts.target.query);
    this.nowMs = parts.clock.now();
  }

  /** The same request, but for what is given. */
  but(change: Partial<CallParts>): Call {
    return new Call({ ...this.#parts, ...change });
  }

  get accessKey(): AccessKey | undefined {
    return this.sender.key;
  }

  /** Who it is; undefined for nobody in particular. */
  get caller(): string | undefined {
    return this.sender.key?.owner;
  }

  /** It takes the costs, as buckets may ask for. */
  get offersToPay(): boolean {
    const said = this.header('x-amz-request-payer') ?? this.query.get('x-amz-request-payer');
    return said?.toLowerCase() === 'requester';
  }

  header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === 'object' ? value.join(',') : value;
  }

  /** The bucket, if the operation has come so far as to look. */
  get seenBucket(): BucketInfo | undefined {
    return this.#bucket;
  }

  async bucket(): Promise<BucketInfo> {
    this.#bucket ??= (await this.store.bucket(this.bucketName)) ?? (await this.#made());
    if (this.#bucket !== undefined) {
      expectOwner(this.#bucket, this.header('x-amz-expected-bucket-owner'));
      return this.#bucket;
    }
    throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: this.bucketName } });
  }

  /** An app's bucket, which nobody has used yet. */
  async #made(): Promise<BucketInfo | undefined> {
    const { owner, makes } = this.accessKey ?? {};
    if (owner === undefined || makes !== this.bucketName) return undefined;
    try {
      return await this.store.createBucket(makes, { owner });
    } catch (error) {
      if (!isMolnError(error, 'FILES_BUCKET_EXISTS')) throw error;
      return await this.store.bucket(makes);
    }
  }

  /** Of the address; one that none can have is refused: answers name it in a field. */
  get version(): string | undefined {
    const version = this.query.get('versionId');
    if (version !== undefined) checkVersion(version, 'versionId');
    return version;
  }

  body(algorithm?: ChecksumName): CheckedBody {
    return checkedBody(this.source, {
      headers: this.headers,
      payload: this.sender.payload,
      algorithm,
    });
  }

  document(bytesMax: number = DOCUMENT_BYTES_MAX): Promise<Buffer> {
    const rules = { headers: this.headers, payload: this.sender.payload, bytesMax };
    return readDocument(this.source, rules, digests);
  }

  /** Whole, not negative; undefined when it is not there. */
  number(name: string): number | undefined {
    const text = this.query.get(name);
    if (text === undefined || text === '') return undefined;
    if (/^\d{1,10}$/.test(text) && Number(text) <= 2_147_483_647) return Number(text);
    throw invalidArgument(
      `Argument ${name} must be an integer between 0 and 2147483647`,
      name,
      text,
    );
  }
}

/** A client may say whose bucket it means: somebody else's of that name is refused. */
export function expectOwner(bucket: BucketInfo, owner: string | undefined): void {
  if (owner !== undefined && owner !== bucket.owner) throw new S3Error('AccessDenied');
}

function digests(bytes: Buffer): Pick<Received, 'md5' | 'sha256'> {
  const hex = (name: string): string => createHash(name).update(bytes).digest('hex');
  return { md5: hex('md5'), sha256: hex('sha256') };
}

export type Handler = (call: Call) => Promise<Answer>;

export function xmlAnswer(body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body };
}

export const EMPTY: Answer = { status: 200 };
export const NO_CONTENT: Answer = { status: 204 };

/** Settings and object fields are kept as JSON of the shapes that this face wrote. */
export function setting<T>(bucket: BucketInfo, name: string): T | undefined {
  return (bucket.settings[name] ?? undefined) as T | undefined;
}

export function aclOf(value: Json): Acl | undefined {
  return (value ?? undefined) as Acl | undefined;
}

export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** Of what was just written: only while versions are kept (AWS, PutObject). */
export function newVersionHeader(
  bucket: BucketInfo,
  version: string,
): Readonly<Record<string, string>> {
  return bucket.versioning === 'enabled' ? { 'x-amz-version-id': version } : {};
}

/** Of what is read or removed: once versions were on, every answer names one. */
export function versionHeader(
  bucket: BucketInfo,
  version: string | undefined,
): Readonly<Record<string, string>> {
  return bucket.versioning === 'off' || version === undefined
    ? {}
    : { 'x-amz-version-id': version };
}
