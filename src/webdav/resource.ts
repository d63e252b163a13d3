/** Paths of requests, and what is there: the buckets, a collection, or a file. */
import type { BucketInfo, FileStore, ObjectInfo } from '../files/files.ts';
import { DavError } from './dav-error.ts';

/** `path` is a key; that of a collection ends with `/`, that of a bucket itself is empty. */
export interface Place {
  /** Empty: the list of buckets. */
  readonly bucket: string;
  readonly path: string;
}

export type Resource =
  | { readonly kind: 'root'; readonly place: Place }
  | {
      readonly kind: 'collection';
      readonly place: Place;
      readonly bucket: BucketInfo;
      /** The empty object that stands for it, if it has one. */
      readonly marker: ObjectInfo | undefined;
    }
  | {
      readonly kind: 'file';
      readonly place: Place;
      readonly bucket: BucketInfo;
      readonly info: ObjectInfo;
    }
  | { readonly kind: 'none'; readonly place: Place; readonly bucket: BucketInfo | undefined };

const KEY_BYTES_MAX = 1024;

/** Of a request's target or of a Destination. Throws 400. */
export function placeOf(target: string): Place {
  const raw = target.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/\?.*$/, '');
  if (raw.includes('#'))
    throw new DavError(400, 'A fragment has no place in the address of a request');
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch (cause) {
    throw new DavError(400, 'The address is not UTF-8, percent-encoded', { cause });
  }
  if (!path.startsWith('/') || /(?:^|\/)\.\.?(?:\/|$)|\/\/|\0/.test(path)) {
    throw new DavError(400, 'The address has empty, "." or ".." segments');
  }
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : path.slice(slash + 1);
  if (Buffer.byteLength(key) > KEY_BYTES_MAX)
    throw new DavError(414, 'The path is longer than 1024 bytes');
  return { bucket, path: key };
}

export function hrefOf({ bucket, path }: Place): string {
  if (bucket === '') return '/';
  const encoded = path.split('/').map(encodeSegment).join('/');
  return `/${encodeSegment(bucket)}/${encoded}`;
}

function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export async function find(store: FileStore, place: Place): Promise<Resource> {
  if (place.bucket === '') return { kind: 'root', place };
  const bucket = await store.bucket(place.bucket);
  if (bucket === undefined) return { kind: 'none', place, bucket };
  if (place.path === '') return { kind: 'collection', place, bucket, marker: undefined };
  const name = place.path.replace(/\/$/, '');
  const file = await present(store, place.bucket, name);
  if (file !== undefined)
    return { kind: 'file', place: { ...place, path: name }, bucket, info: file };
  const path = `${name}/`;
  const { objects } = await store.list(place.bucket, { prefix: path, limit: 1 });
  const [first] = objects;
  if (first === undefined) return { kind: 'none', place, bucket };
  const marker = first.key === path ? first : undefined;
  return { kind: 'collection', place: { ...place, path }, bucket, marker };
}

async function present(
  store: FileStore,
  bucket: string,
  key: string,
): Promise<ObjectInfo | undefined> {
  const info = await store.head(bucket, key);
  return info?.isDeleteMarker === true ? undefined : info;
}

/** The collection that it is in; undefined for a bucket. */
export function parentOf({ bucket, path }: Place): Place | undefined {
  if (path === '') return bucket === '' ? undefined : { bucket: '', path: '' };
  const name = path.replace(/\/$/, '');
  return { bucket, path: name.slice(0, name.lastIndexOf('/') + 1) };
}

/** RFC 4918, 9.3.1, 9.7.1, 9.8.5: nothing is made where there is no collection. */
export async function checkParent(store: FileStore, place: Place): Promise<void> {
  const parent = parentOf(place);
  if (parent === undefined) return;
  const found = await find(store, parent);
  if (found.kind === 'root' || found.kind === 'collection') return;
  throw new DavError(409, `There is no collection ${hrefOf(parent)}`);
}

/** Every object of a collection, its marker first. */
export async function* below(
  store: FileStore,
  place: Place,
): AsyncGenerator<ObjectInfo, void, undefined> {
  let after: string | undefined;
  do {
    const page = await store.list(place.bucket, { prefix: place.path, after, limit: 1000 });
    yield* page.objects;
    after = page.next?.key;
  } while (after !== undefined);
}

export interface Members {
  readonly files: readonly ObjectInfo[];
  /** Paths, with their slash. */
  readonly folders: readonly string[];
}

export async function membersOf(store: FileStore, place: Place, most: number): Promise<Members> {
  const files: ObjectInfo[] = [];
  const folders: string[] = [];
  let after: string | undefined;
  do {
    const page = await store.list(place.bucket, {
      prefix: place.path,
      delimiter: '/',
      after,
      limit: 1000,
    });
    files.push(...page.objects.filter(({ key }) => key !== place.path));
    folders.push(...page.prefixes);
    if (files.length + folders.length > most) throw new DavError(507, `More than ${most} members`);
    after = page.next?.key;
  } while (after !== undefined);
  return { files, folders };
}
