/** Buckets in the catalogue: making, changing, removing, their usage. */
import { isMolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import { bucketExists, bucketName, bucketNotEmpty, bucketsMany, noBucket } from './errors.ts';
import { BUCKET_KNOWN_MS, BUCKETS_KNOWN_MAX, BUCKETS_MAX, POLICY_DEFAULT } from './limits.ts';
import type { BucketInfo, FileStore, Versioning } from './model.ts';
import { parsePolicy } from './policy.ts';
import {
  ALL_BUCKETS,
  bucketInfo,
  bucketOf,
  bucketReads,
  type BucketState,
  number,
  text,
} from './rows.ts';
import { isSystemBucket } from './system-bucket.ts';

type Wish = Parameters<FileStore['createBucket']>[1];
type BucketChange = Parameters<FileStore['changeBucket']>[1];

/** As S3 has it, so that each bucket can be a host name. */
const NAME = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;
const ADDRESS = /^\d+\.\d+\.\d+\.\d+$/;

export function isBucketName(name: string): boolean {
  return NAME.test(name) && !ADDRESS.test(name);
}

export class Buckets {
  readonly #link: CatalogueLink;
  readonly #clock: Clock;
  readonly #known = new Map<
    string,
    { readonly state: Promise<BucketState>; readonly atMs: number }
  >();

  constructor(options: { readonly link: CatalogueLink; readonly clock: Clock }) {
    this.#link = options.link;
    this.#clock = options.clock;
  }

  async create(name: string, wish: Wish): Promise<BucketInfo> {
    if (!isBucketName(name) && !isSystemBucket(name)) throw bucketName(name);
    const created = this.#clock.now();
    const settings = wish.settings ?? {};
    // A write that was under way before it was made must not be taken in with garbage: the oldest open session fences it.
    const reads = [
      ...bucketReads(name),
      { sql: 'SELECT count(*) FROM bucket' },
      { sql: "SELECT min(seq) FROM session WHERE bucket = '' AND open = 1" },
    ];
    return await this.#link.transaction(reads, (rows) => {
      const known = bucketOf(rows[0]?.[0], rows[1]?.[0]);
      if (known !== undefined) {
        // After a try whose end is unknown.
        if (known.created === created && known.owner === wish.owner)
          return { writes: [], result: bucketInfo(name, known) };
        throw bucketExists(name, known.owner);
      }
      if (number(rows[2]?.[0]?.[0] ?? 0) >= BUCKETS_MAX) throw bucketsMany(BUCKETS_MAX);
      const state: BucketState = {
        owner: wish.owner,
        created,
        versioning: wish.versioning ?? 'off',
        policy: POLICY_DEFAULT,
        quota: null,
        settings,
        bytes: 0,
        objects: 0,
        ord: 0,
        fence: Number(rows[3]?.[0]?.[0] ?? 0),
      };
      return { writes: insertOf(name, state), result: bucketInfo(name, state) };
    });
  }

  async get(name: string): Promise<BucketState | undefined> {
    const [rows, usage] = await this.#link.read(bucketReads(name));
    return bucketOf(rows?.[0], usage?.[0]);
  }

  /** As it was not long ago; what this process did to it is in it. */
  async info(name: string): Promise<BucketInfo | undefined> {
    try {
      return bucketInfo(name, await this.need(name));
    } catch (error) {
      if (isMolnError(error, 'FILES_NO_BUCKET')) return undefined;
      throw error;
    }
  }

  /**
   * As it was not long ago: for what is decided again when it is committed. Throws `FILES_NO_BUCKET`.
   */
  async need(name: string): Promise<BucketState> {
    const now = this.#clock.monotonicMs();
    const known = this.#known.get(name);
    if (known !== undefined && now - known.atMs < BUCKET_KNOWN_MS) return await known.state;
    const state = this.get(name).then((found) => {
      if (found === undefined) throw noBucket(name);
      return found;
    });
    if (this.#known.size >= BUCKETS_KNOWN_MAX) this.#known.clear();
    this.#known.set(name, { state, atMs: now });
    state.catch(() => this.#known.delete(name));
    return await state;
  }

  /** It was just read so. */
  know(name: string, state: BucketState): void {
    this.#known.set(name, { state: Promise.resolve(state), atMs: this.#clock.monotonicMs() });
  }

  /** It is another one than was thought. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  async list(): Promise<readonly BucketInfo[]> {
    const [rows = [], usages = []] = await this.#link.read(ALL_BUCKETS);
    const usageOf = new Map(usages.map((row) => [row.at(-1), row]));
    const found = rows.flatMap((row: Row) => {
      const name = text(row.at(-1));
      const state = bucketOf(row, usageOf.get(name));
      return state === undefined ? [] : [bucketInfo(name, state)];
    });
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async change(name: string, change: BucketChange): Promise<BucketInfo> {
    const policy = change.policy === undefined ? undefined : parsePolicy(change.policy).text;
    const changed = await this.#link.transaction(bucketReads(name), (rows) => {
      const before = bucketOf(rows[0]?.[0], rows[1]?.[0]);
      if (before === undefined) throw noBucket(name);
      const settings = Object.entries({ ...before.settings, ...change.settings });
      const state: BucketState = {
        ...before,
        policy: policy ?? before.policy,
        quota: change.quotaBytes === undefined ? before.quota : change.quotaBytes,
        versioning: (change.versioning ?? before.versioning) satisfies Versioning,
        settings: Object.fromEntries(settings.filter(([, value]) => value !== null)),
      };
      const update = {
        sql: 'UPDATE bucket SET versioning = ?, policy = ?, quota = ?, settings = ? WHERE bucket = ?',
        args: [state.versioning, state.policy, state.quota, JSON.stringify(state.settings), name],
      };
      return { writes: [update], result: bucketInfo(name, state) };
    });
    this.forget(name);
    return changed;
  }

  async delete(name: string): Promise<void> {
    const args = [name];
    const reads: Statement[] = [
      ...bucketReads(name),
      { sql: 'SELECT 1 FROM object WHERE bucket = ? LIMIT 1', args },
      { sql: 'SELECT 1 FROM older WHERE bucket = ? LIMIT 1', args },
      { sql: 'SELECT fid FROM part WHERE bucket = ?', args },
      { sql: 'SELECT id, fid FROM trash WHERE bucket = ?', args },
    ];
    const now = this.#clock.now();
    let isTried = false;
    await this.#link.transaction(reads, (rows) => {
      if (bucketOf(rows[0]?.[0], rows[1]?.[0]) === undefined) {
        // It is gone, as it was asked to be, by a try whose end is unknown or by somebody else.
        if (isTried) return { writes: [], result: undefined };
        throw noBucket(name);
      }
      if ((rows[2] ?? []).length > 0 || (rows[3] ?? []).length > 0) throw bucketNotEmpty(name);
      // What was in it is given up by the collector, which asks for no bucket.
      const parts = (rows[4] ?? []).map(([fid]) => text(fid));
      const gone = (rows[5] ?? []).flatMap(([, fid]) => (typeof fid === 'string' ? [fid] : []));
      const releases = [...parts, ...gone].map((fid, at) => ({
        sql: `INSERT INTO todo (bucket, kind, ref, place, prio, due, fails) VALUES (?, 'release', ?, ?, 0, ?, 0)`,
        args: [name, fid, String(at), now],
      }));
      const tables = [
        'bucket',
        'usage',
        'upload',
        'part',
        'trash',
        'property',
        'lock',
        'lastchange',
      ];
      const deletes = tables.map((table) => ({
        sql: `DELETE FROM ${table} WHERE bucket = ?`,
        args,
      }));
      isTried = true;
      return { writes: [...releases, ...deletes], result: undefined };
    });
    this.forget(name);
  }
}

function insertOf(name: string, state: BucketState): readonly Statement[] {
  const { owner, created, versioning, policy, quota, settings, fence } = state;
  return [
    {
      sql: `INSERT INTO bucket (bucket, owner, created, versioning, policy, quota, settings)
        VALUES (?, ?, ?, ?, ?, ?, ?)`,
      args: [name, owner, created, versioning, policy, quota, JSON.stringify(settings)],
    },
    {
      sql: 'INSERT INTO usage (bucket, bytes, objects, ord, fence) VALUES (?, 0, 0, 0, ?)',
      args: [name, fence],
    },
  ];
}
