/** Rows of the catalogue and what they mean. Pure. */
import type { Row, Statement, Value } from './catalogue-link.ts';
import type { BucketInfo, ObjectFields, ObjectInfo, Versioning } from './model.ts';

/** A version as it lies in `object`, `older` or `trash`. */
export interface VersionRow {
  readonly key: string;
  /** Grows within a bucket. */
  readonly ord: number;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly mtime: number;
  readonly marker: boolean;
  readonly fid: string | null;
  /** What is small lies here. */
  readonly data: Uint8Array | null;
  readonly info: ObjectFields;
}

export const VERSION_COLUMNS = 'key, ord, version, size, etag, mtime, marker, fid, data, info';
/** As `VERSION_COLUMNS`, without the bytes. */
export const LISTED_COLUMNS = 'key, ord, version, size, etag, mtime, marker, fid, NULL, info';

export function versionOf(row: Row): VersionRow {
  const [key, ord, version, size, etag, mtime, marker, fid, data, info] = row;
  return {
    key: text(key),
    ord: number(ord),
    version: text(version),
    size: number(size),
    etag: text(etag),
    mtime: number(mtime),
    marker: marker === 1,
    fid: typeof fid === 'string' ? fid : null,
    data: data instanceof Uint8Array ? data : null,
    info: JSON.parse(text(info)) as ObjectFields,
  };
}

/** In the order of `VERSION_COLUMNS`. */
export function versionValues(one: VersionRow): readonly Value[] {
  return [
    one.key,
    one.ord,
    one.version,
    one.size,
    one.etag,
    one.mtime,
    one.marker ? 1 : 0,
    one.fid,
    one.data,
    JSON.stringify(one.info),
  ];
}

export function objectOf(bucket: string, row: VersionRow, isLatest: boolean): ObjectInfo {
  const { info } = row;
  return {
    bucket,
    key: row.key,
    version: row.version,
    size: row.size,
    etag: row.etag,
    contentType: info.contentType,
    modifiedAt: row.mtime,
    headers: info.headers ?? {},
    meta: info.meta ?? {},
    tags: info.tags ?? {},
    checksums: info.checksums ?? {},
    checksumType: info.checksumType,
    isDeleteMarker: row.marker,
    isLatest,
    owner: info.owner,
    acl: info.acl,
    partSizes: undefined,
    lock: info.lock,
    encryption: info.encryption,
    partChecksums: info.partChecksums,
    movedBy: info.movedBy,
    fid: row.fid ?? '',
  };
}

/** What is kept of the fields; others that the object has, as `conditions`, are left out. */
export function fieldsOf(one: ObjectFields): ObjectFields {
  const { contentType, headers, meta, tags, checksums, checksumType, partChecksums } = one;
  const { owner, acl, lock, encryption, movedBy } = one;
  const told = { contentType, headers, meta, tags, checksums, checksumType, partChecksums };
  const all = { ...told, owner, acl, lock, encryption, movedBy };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** A bucket as it is while changes of it are decided. */
export interface BucketState {
  readonly owner: string;
  readonly created: number;
  readonly versioning: Versioning;
  readonly policy: string;
  readonly quota: number | null;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly bytes: number;
  readonly objects: number;
  readonly ord: number;
  readonly fence: number;
}

const BUCKET_COLUMNS = 'owner, created, versioning, policy, quota, settings';
export const USAGE_COLUMNS = 'bytes, objects, ord, fence';

/** Two statements; `bucketOf` reads what they give. */
export function bucketReads(bucket: string): readonly [Statement, Statement] {
  const args = [bucket];
  return [
    { sql: `SELECT ${BUCKET_COLUMNS} FROM bucket WHERE bucket = ?`, args },
    { sql: `SELECT ${USAGE_COLUMNS} FROM usage WHERE bucket = ?`, args },
  ];
}

export const ALL_BUCKETS: readonly [Statement, Statement] = [
  { sql: `SELECT ${BUCKET_COLUMNS}, bucket FROM bucket` },
  { sql: `SELECT ${USAGE_COLUMNS}, bucket FROM usage` },
];

export function bucketOf(row: Row | undefined, usage: Row | undefined): BucketState | undefined {
  if (row === undefined || usage === undefined) return undefined;
  const [owner, created, versioning, policy, quota, settings] = row;
  const [bytes, objects, ord, fence] = usage;
  return {
    owner: text(owner),
    created: number(created),
    versioning: text(versioning) as Versioning,
    policy: text(policy),
    quota: typeof quota === 'number' ? quota : null,
    settings: JSON.parse(text(settings)) as Record<string, unknown>,
    bytes: number(bytes),
    objects: number(objects),
    ord: number(ord),
    fence: number(fence),
  };
}

export function bucketInfo(name: string, state: BucketState): BucketInfo {
  return {
    name,
    owner: state.owner,
    createdAt: state.created,
    versioning: state.versioning,
    policy: state.policy,
    quotaBytes: state.quota,
    bytes: state.bytes,
    objects: state.objects,
    settings: state.settings,
  };
}

export function text(value: Value | undefined): string {
  if (typeof value !== 'string') throw new Error('The catalogue has no text where one belongs');
  return value;
}

export function number(value: Value | undefined): number {
  if (typeof value !== 'number') throw new Error('The catalogue has no number where one belongs');
  return value;
}
