/** The file store as the CLI asks for it: native HTTP below `/files/`. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RecoveryState, RecoveryWish, RepairState, ScrubState } from '../files/files.ts';
import type { Body, PiecesAnswer, Transport } from './transport.ts';

export interface Bucket {
  readonly name: string;
  readonly owner: string;
  readonly createdAt: number;
  readonly versioning: string;
  readonly policy: string;
  readonly quotaBytes: number | null;
  readonly bytes: number;
  readonly objects: number;
  /** Copies that no storage is there for now. An agent of the program before does not tell it of all buckets. */
  readonly policyLacks?: readonly string[];
  readonly settings: {
    readonly website?: { readonly index?: string; readonly error?: string };
    readonly policy?: string;
  };
}

export interface FileInfo {
  readonly bucket: string;
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: number;
}

export interface FileUpload {
  readonly upload: string;
  readonly createdAt: number;
}

export interface FilePart {
  readonly number: number;
  readonly etag: string;
  readonly size: number;
  /** Base64, of what it was given: `sha256` of parts that came over native HTTP. */
  readonly checksums: Readonly<Record<string, string>>;
}

export interface FilePage {
  readonly bucket: Bucket;
  readonly objects: readonly FileInfo[];
  readonly prefixes: readonly string[];
  readonly next?: { readonly key: string };
}

export interface Storage {
  readonly id: string;
  readonly nodeName: string;
  readonly name: string;
  readonly path: string;
  readonly limitBytes: number | null;
  readonly keepFree: number | string;
  readonly state: string;
  readonly usage?: {
    readonly usedBytes: number;
    readonly limitBytes: number;
    readonly freeBytes: number;
    readonly blobs: number;
    readonly reason?: string;
  };
}

export interface DiskFree {
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly bytes: number;
  readonly objects: number;
  readonly buckets: readonly Pick<Bucket, 'name' | 'bytes' | 'objects' | 'quotaBytes' | 'policy'>[];
  readonly storages: readonly Storage[];
  readonly repair: { readonly isRunning: boolean; readonly missing: number; readonly why?: string };
  readonly copies?: {
    readonly counts: readonly {
      /** `4+2`: shares are counted. */
      readonly code?: string;
      readonly wanted: number;
      readonly valid: number;
      readonly blocks: number;
      readonly bytes: number;
    }[];
    readonly lacking: { readonly blocks: number; readonly bytes: number };
  };
}

export interface Work {
  readonly repair: RepairState;
  readonly scrub: ScrubState;
  readonly workers: readonly {
    readonly name: string;
    readonly state: string;
    readonly status: string;
    readonly lastError?: string;
  }[];
}

export interface FileWhy {
  readonly size: number;
  readonly policy: string;
  readonly isInline: boolean;
  readonly isSatisfied: boolean;
  readonly copies: number;
  readonly survives: number;
  readonly sentence: string;
  readonly blocks: readonly {
    readonly cid: string;
    readonly copies: readonly { readonly place: string; readonly state: string }[];
    readonly code?: string;
    readonly shares: readonly { readonly place: string; readonly state: string }[];
    readonly missing: readonly string[];
  }[];
}

export interface FileKey {
  readonly accessKeyId: string;
  readonly owner: string;
  readonly may: 'all' | readonly { readonly bucket: string; readonly write: boolean }[];
  readonly createdAt: number;
}

export interface NewFileKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export class FilesClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async buckets(): Promise<readonly Bucket[]> {
    const { buckets } = await this.#transport.json<{ readonly buckets: readonly Bucket[] }>({
      method: 'GET',
      path: '/files/',
    });
    return buckets;
  }

  createBucket(bucket: string): Promise<Bucket> {
    return this.#transport.json({ method: 'PUT', path: pathOf(bucket) });
  }

  changeBucket(bucket: string, change: object): Promise<Bucket> {
    return this.#transport.json({ method: 'PATCH', path: pathOf(bucket), json: change });
  }

  deleteBucket(bucket: string): Promise<void> {
    return this.#transport.json({ method: 'DELETE', path: pathOf(bucket) });
  }

  list(bucket: string, query: Readonly<Record<string, string>>): Promise<FilePage> {
    const path = `${pathOf(bucket)}?${new URLSearchParams(query).toString()}`;
    return this.#transport.json({ method: 'GET', path });
  }

  put(bucket: string, key: string, body: Body): Promise<FileInfo> {
    return this.#transport.json({ method: 'PUT', path: pathOf(bucket, key), body });
  }

  append(bucket: string, key: string, stream: Body['stream']): Promise<FileInfo> {
    const body = { type: 'application/octet-stream', stream };
    return this.#transport.json({ method: 'POST', path: `${pathOf(bucket, key)}?append`, body });
  }

  get(bucket: string, key: string): Promise<IncomingMessage> {
    return this.#transport.bytes({ method: 'GET', path: pathOf(bucket, key) });
  }

  /** For whoever gives the pieces back. */
  pieces(bucket: string, key: string): Promise<PiecesAnswer> {
    return this.#transport.pieces(pathOf(bucket, key));
  }

  /** Begun for that very key and not completed. */
  async uploads(bucket: string, key: string): Promise<readonly FileUpload[]> {
    const path = `${pathOf(bucket, key)}?uploads`;
    const { uploads } = await this.#transport.json<{ readonly uploads: readonly FileUpload[] }>({
      method: 'GET',
      path,
    });
    return uploads;
  }

  /** `size`: of all parts together. */
  createUpload(
    to: { readonly bucket: string; readonly key: string },
    type: string,
    size: number,
  ): Promise<{ readonly upload: string }> {
    const path = `${pathOf(to.bucket, to.key)}?uploads&size=${size}`;
    const body = { type, stream: nothing(), length: 0 };
    return this.#transport.json({ method: 'POST', path, body });
  }

  async parts(bucket: string, key: string, upload: string): Promise<readonly FilePart[]> {
    const path = `${pathOf(bucket, key)}?upload=${encodeURIComponent(upload)}`;
    const { parts } = await this.#transport.json<{ readonly parts: readonly FilePart[] }>({
      method: 'GET',
      path,
    });
    return parts;
  }

  putPart(
    to: { readonly bucket: string; readonly key: string },
    { upload, number }: { readonly upload: string; readonly number: number },
    body: Body,
  ): Promise<FilePart> {
    const query = `upload=${encodeURIComponent(upload)}&part=${number}`;
    return this.#transport.json({
      method: 'PUT',
      path: `${pathOf(to.bucket, to.key)}?${query}`,
      body,
    });
  }

  completeUpload(
    to: { readonly bucket: string; readonly key: string },
    upload: string,
    parts: readonly FilePart[],
  ): Promise<FileInfo> {
    const path = `${pathOf(to.bucket, to.key)}?upload=${encodeURIComponent(upload)}`;
    const json = { parts: parts.map(({ number, etag }) => ({ number, etag })) };
    return this.#transport.json({ method: 'POST', path, json });
  }

  remove(bucket: string, key: string): Promise<unknown> {
    return this.#transport.json({ method: 'DELETE', path: pathOf(bucket, key) });
  }

  undelete(bucket: string, key: string): Promise<FileInfo> {
    return this.#transport.json({ method: 'POST', path: `${pathOf(bucket, key)}?undelete` });
  }

  move(bucket: string, key: string, to: string): Promise<FileInfo> {
    const path = `${pathOf(bucket, key)}?move=${encodeURIComponent(to)}`;
    return this.#transport.json({ method: 'POST', path, idempotencyKey: randomUUID() });
  }

  copy(bucket: string, key: string, to: string): Promise<FileInfo> {
    const path = `${pathOf(bucket, key)}?copy=${encodeURIComponent(to)}`;
    return this.#transport.json({ method: 'POST', path });
  }

  why(bucket: string, key: string): Promise<FileWhy> {
    return this.#transport.json({ method: 'GET', path: `${pathOf(bucket, key)}?why` });
  }

  /** Where faces are reached from this machine, those that listen: `http://HOST:PORT`. */
  faces(): Promise<Readonly<Partial<Record<'s3' | 'webdav', string>>>> {
    return this.#transport.json({ method: 'GET', path: '/files/-/faces' });
  }

  df(): Promise<DiskFree> {
    return this.#transport.json({ method: 'GET', path: '/files/-/df' });
  }

  async keys(): Promise<readonly FileKey[]> {
    const { keys } = await this.#transport.json<{ readonly keys: readonly FileKey[] }>({
      method: 'GET',
      path: '/files/-/keys',
    });
    return keys;
  }

  createKey(wish: object): Promise<NewFileKey> {
    return this.#transport.json({ method: 'POST', path: '/files/-/keys', json: wish });
  }

  removeKey(id: string): Promise<unknown> {
    return this.#transport.json({
      method: 'DELETE',
      path: `/files/-/keys/${encodeURIComponent(id)}`,
    });
  }

  work(): Promise<Work> {
    return this.#transport.json({ method: 'GET', path: '/files/-/repair' });
  }

  /** Null: no limit. */
  setRepairRate(rate: number | null): Promise<Work> {
    return this.#transport.json({ method: 'PATCH', path: '/files/-/repair', json: { rate } });
  }

  scrub(): Promise<Work> {
    return this.#transport.json({ method: 'POST', path: '/files/-/scrub' });
  }

  repairNow(): Promise<Work> {
    return this.#transport.json({ method: 'POST', path: '/files/-/repair' });
  }

  recover(wish: RecoveryWish): Promise<RecoveryState> {
    return this.#transport.json({ method: 'POST', path: '/files/-/recovery', json: wish });
  }

  async recoveryKey(): Promise<string> {
    const path = '/files/-/recovery-key';
    return (await this.#transport.json<{ readonly key: string }>({ method: 'POST', path })).key;
  }

  recovery(): Promise<RecoveryState> {
    return this.#transport.json({ method: 'GET', path: '/files/-/recovery' });
  }

  checkpoint(): Promise<{
    readonly madeAt: number;
    readonly rows: number;
    readonly bytes: number;
  }> {
    return this.#transport.json({ method: 'POST', path: '/files/-/checkpoint' });
  }

  async storages(): Promise<readonly Storage[]> {
    const { storages } = await this.#transport.json<{ readonly storages: readonly Storage[] }>({
      method: 'GET',
      path: '/files/-/storage',
    });
    return storages;
  }

  addStorage(wish: object): Promise<Storage> {
    return this.#transport.json({ method: 'POST', path: '/files/-/storage', json: wish });
  }

  limitStorage(name: string, limits: object): Promise<Storage> {
    const path = `/files/-/storage/${encodeURIComponent(name)}`;
    return this.#transport.json({ method: 'PATCH', path, json: limits });
  }

  removeStorage(name: string): Promise<unknown> {
    const path = `/files/-/storage/${encodeURIComponent(name)}`;
    return this.#transport.json({ method: 'DELETE', path });
  }
}

function pathOf(bucket: string, key?: string): string {
  const path = `/files/${encodeURIComponent(bucket)}`;
  return key === undefined ? path : `${path}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
