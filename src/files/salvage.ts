/**
 * What only blocks tell of: contents that no catalogue names come back under the names that their first blocks carry. For the time between
 * the last copy of a catalogue and the end of a cluster, and for disks of which no catalogue is left at all.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { PlainFile } from '../sqlite/sqlite.ts';
import { decodeAbout } from './about.ts';
import type { CatalogueLink } from './catalogue-link.ts';
import type { Insert } from './changes.ts';
import { CHECKPOINT_MARK } from './checkpoint.ts';
import { blockId, segmentsFid } from './content.ts';
import type { Disks } from './disks.ts';
import { coderOf, type DataKey, etagOf, type Keyring } from './encryption.ts';
import { type FoundObject, objectOfContents } from './found-contents.ts';
import { CHUNK_BYTES, POLICY_DEFAULT, RECOVER_TOLD_MAX } from './limits.ts';
import type { ObjectFields } from './model.ts';
import type { Block } from './repair-plan.ts';
import { fieldsOf, text } from './rows.ts';
import { segmentRows } from './segments.ts';
import type { Store } from './store.ts';

export interface SalvageOptions {
  readonly link: CatalogueLink;
  readonly store: Store;
  readonly disks: Disks;
  /** Opens what the lost cluster has encrypted; undefined: it comes back as it lies there. */
  readonly old: Keyring | undefined;
  /** Writes a block to places of this cluster; its bytes, or undefined when no disk has it whole. */
  readonly place: (block: Block, policy: string) => Promise<Buffer | undefined>;
  /** A folder for its notes. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface Salvaged {
  readonly objects: number;
  /** Of them, those that came in parts. */
  readonly ofParts: number;
  /** Of what not all is there: `BUCKET/KEY: why`. */
  readonly incomplete: readonly string[];
}

/** Of a content's name in its blocks' ids. */
const FID_DIGITS = 24;
const PREFIXES = 256;
const OWNER = 'recovery';
/** Of uploads that were hardly completed, or of which another object is there. */
const ASIDE = 'uploads not completed/';

export class Salvage {
  readonly #options: SalvageOptions;
  readonly #incomplete: string[] = [];
  #objects = 0;
  #ofParts = 0;

  constructor(options: SalvageOptions) {
    this.#options = options;
  }

  /** By bucket, the first session that its catalogue may not know all of: what is older and not named there was removed. */
  async run(watermarks: ReadonlyMap<string, number>): Promise<Salvaged> {
    // On the disk, for there may be more than memory holds.
    using notes = PlainFile.create(join(this.#options.scratch, 'blocks.sqlite'));
    notes.exec(`CREATE TABLE block (fid TEXT, idx INTEGER, length INTEGER, sha256 TEXT, PRIMARY KEY (fid, idx)) WITHOUT ROWID;
      CREATE TABLE head (bucket TEXT, key TEXT, fid TEXT, created INTEGER, policy TEXT, about TEXT,
        PRIMARY KEY (bucket, key, fid)) WITHOUT ROWID`);
    await this.#note(notes, watermarks);
    const keys = notes.prepare('SELECT DISTINCT bucket, key FROM head ORDER BY bucket, key');
    for (const [bucket, key] of keys.all()) {
      this.#options.signal.throwIfAborted();
      await this.#bringBack(notes, String(bucket), String(key));
    }
    return { objects: this.#objects, ofParts: this.#ofParts, incomplete: this.#incomplete };
  }

  async #note(notes: PlainFile, watermarks: ReadonlyMap<string, number>): Promise<void> {
    const { disks, signal } = this.#options;
    const block = notes.prepare('INSERT OR IGNORE INTO block VALUES (?, ?, ?, ?)');
    const head = notes.prepare('INSERT OR IGNORE INTO head VALUES (?, ?, ?, ?, ?, ?)');
    for (let at = 0; at < PREFIXES; at += 1) {
      const prefix = at.toString(16).padStart(2, '0');
      const ids = prefix.startsWith(CHECKPOINT_MARK) ? new Set<string>() : await disks.ids(prefix);
      if (ids.size === 0) continue;
      const named = await this.#named(prefix);
      for (const id of ids) {
        const fid = id.slice(0, FID_DIGITS);
        if (named.has(fid)) continue;
        signal.throwIfAborted();
        const found = await disks.stat(id);
        if (found === undefined || found.meta.fid !== fid) continue;
        const { length, sha256, meta } = found;
        const slash = meta.name?.indexOf('/') ?? -1;
        const bucket = meta.name?.slice(0, slash) ?? '';
        // Without its first block the rest has no name; that there is a rest is told then.
        if (meta.allocSeq < (watermarks.get(bucket) ?? 0)) continue;
        block.run([fid, BigInt(meta.index), BigInt(length), sha256]);
        if (slash < 0) continue;
        const { name = '', policy = POLICY_DEFAULT, about = '' } = meta;
        head.run([bucket, name.slice(slash + 1), fid, BigInt(meta.createdAt), policy, about]);
      }
    }
    const [lost] = notes
      .prepare('SELECT count(DISTINCT fid) FROM block WHERE fid NOT IN (SELECT fid FROM head)')
      .all();
    if (Number(lost?.[0] ?? 0) > 0)
      this.#incomplete.push(
        `${Number(lost?.[0])} without a name: their first blocks are not there`,
      );
  }

  /** Contents that the catalogue here names. */
  async #named(prefix: string): Promise<ReadonlySet<string>> {
    const rows = await this.#options.link.all(
      'SELECT fid FROM content WHERE fid >= ? AND fid < ?',
      [prefix, `${prefix}g`],
    );
    return new Set(rows.map(([fid]) => text(fid)));
  }

  async #bringBack(notes: PlainFile, bucket: string, key: string): Promise<void> {
    const { log } = this.#options;
    try {
      const heads = notes
        .prepare('SELECT fid, created, policy, about FROM head WHERE bucket = ? AND key = ?')
        .all([bucket, key]);
      const contents = heads.flatMap(([fid, created, , about]) => {
        const { blocks, size, why } = this.#wholeOf(notes, String(fid), String(about));
        if (why !== undefined) this.#tell(`${bucket}/${key}: ${why}`);
        if (blocks === undefined) return [];
        return [
          { fid: String(fid), size, createdAt: Number(created), about: decodeAbout(String(about)) },
        ];
      });
      const { object, aside } = objectOfContents(contents);
      const policy = String(heads[0]?.[2]);
      if (object !== undefined) await this.#enter(notes, { bucket, key, policy }, object);
      for (const { upload, object: other } of aside)
        await this.#enter(notes, { bucket, key: `${ASIDE}${upload}/${key}`, policy }, other);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      log.warn('An object could not be brought back', { bucket, key, why: messageOf(error) });
      this.#tell(`${bucket}/${key}: ${messageOf(error)}`);
    }
  }

  /** All blocks from the first to the last; why they are not. */
  #wholeOf(
    notes: PlainFile,
    fid: string,
    about: string,
  ): { readonly blocks?: readonly Block[]; readonly size: number; readonly why?: string } {
    const blocks = blocksOf(notes, '', fid);
    const size = blocks.reduce((sum, { length }) => sum + length, 0);
    const gap = blocks.findIndex(({ index }, at) => index !== at);
    if (gap >= 0) return { size, why: `block ${gap} is not there` };
    const short = blocks.slice(0, -1).find(({ length }) => length !== CHUNK_BYTES);
    if (short !== undefined) return { size, why: `block ${short.index} is not whole` };
    const announced = decodeAbout(about).size;
    if (announced !== undefined && announced !== size)
      return { size, why: `${size} of its ${announced} bytes are there` };
    return { blocks, size };
  }

  async #enter(
    notes: PlainFile,
    {
      bucket,
      key,
      policy,
    }: { readonly bucket: string; readonly key: string; readonly policy: string },
    object: FoundObject,
  ): Promise<void> {
    const { store } = this.#options;
    await this.#needBucket(bucket, policy);
    const current = await store.head(bucket, key);
    if (current !== undefined && current.modifiedAt >= object.writtenAt) return;
    const dataKey = this.#keyOf(bucket, object.fields);
    const inserts: Insert[] = [];
    const tags: string[] = [];
    const whole = createHash('md5');
    for (const { source, length } of object.segments) {
      const { insert, md5 } = await this.#content(notes, {
        bucket,
        fid: source,
        policy,
        whole,
        length,
        secret: dataKey?.secret,
      });
      inserts.push(...insert);
      tags.push(md5);
    }
    const [only] = object.segments;
    const isPlain = object.segments.length === 1 && only !== undefined && !object.isOfParts;
    const fid = isPlain ? only.source : segmentsFid();
    const fresh = new Set(object.segments.map(({ source }) => source));
    const rows = isPlain
      ? { inserts: [], statements: [] }
      : segmentRows(bucket, fid, { segments: object.segments, size: object.size, policy, fresh });
    await store.objects.enter(bucket, key, {
      fresh: {
        fid,
        data: null,
        size: object.size,
        etag: object.isOfParts ? etagOfParts(tags) : etagOf(whole.digest('hex'), dataKey),
        info: fieldsOf(object.fields),
        mtime: object.writtenAt,
        session: undefined,
        inserts: [...inserts, ...rows.inserts],
        statements: rows.statements,
      },
      conditions: current === undefined ? undefined : { ifMatch: current.etag },
    });
    this.#objects += 1;
    if (object.isOfParts) this.#ofParts += 1;
  }

  #keyOf(bucket: string, { encryption }: ObjectFields): DataKey | undefined {
    const { old } = this.#options;
    const isOpen = encryption !== undefined && old?.canOpen(bucket, encryption) === true;
    return isOpen ? old.open(bucket, encryption) : undefined;
  }

  /** Its blocks are written to this cluster; the rows that name them. */
  async #content(
    notes: PlainFile,
    {
      bucket,
      fid,
      policy,
      whole,
      length,
      secret,
    }: {
      readonly bucket: string;
      readonly fid: string;
      readonly policy: string;
      readonly whole: ReturnType<typeof createHash>;
      /** Of it, in the object. */
      readonly length: number;
      readonly secret: Uint8Array | undefined;
    },
  ): Promise<{ readonly insert: readonly Insert[]; readonly md5: string }> {
    const blocks = blocksOf(notes, bucket, fid);
    const own = createHash('md5');
    // Entity tags are those of the plain bytes.
    const decode = secret === undefined ? (bytes: Uint8Array) => bytes : coderOf(secret, fid, 0);
    let left = length;
    for (const block of blocks) {
      const bytes = await this.#options.place(block, policy);
      if (bytes === undefined) throw new Error(`block ${block.index} is damaged on all disks`);
      const plain = decode(bytes);
      own.update(plain);
      whole.update(plain.subarray(0, left));
      left = Math.max(0, left - bytes.length);
    }
    const size = blocks.reduce((sum, one) => sum + one.length, 0);
    return {
      md5: own.digest('hex'),
      insert: [
        {
          table: 'content',
          columns: 'fid, refs, size, kind, policy',
          rows: [[fid, 1, size, 'blocks', policy]],
        },
        {
          table: 'chunk',
          columns: 'fid, idx, cid, length, sha256',
          rows: blocks.map((block) => [fid, block.index, block.cid, block.length, block.sha256]),
        },
      ],
    };
  }

  async #needBucket(bucket: string, policy: string): Promise<void> {
    const { store } = this.#options;
    if ((await store.bucket(bucket)) !== undefined) return;
    try {
      await store.createBucket(bucket, { owner: OWNER });
      await store.changeBucket(bucket, { policy });
    } catch (error) {
      if (!isMolnError(error, 'FILES_BUCKET_EXISTS')) throw error;
    }
  }

  #tell(what: string): void {
    if (this.#incomplete.length < RECOVER_TOLD_MAX) this.#incomplete.push(what);
  }
}

function blocksOf(notes: PlainFile, bucket: string, fid: string): readonly Block[] {
  return notes
    .prepare('SELECT idx, length, sha256 FROM block WHERE fid = ? ORDER BY idx')
    .all([fid])
    .map(([idx, length, sha256]) => ({
      bucket,
      fid,
      index: Number(idx),
      cid: blockId(fid, Number(idx)),
      length: Number(length),
      sha256: String(sha256),
    }));
}

function etagOfParts(md5s: readonly string[]): string {
  const all = createHash('md5');
  for (const one of md5s) all.update(Buffer.from(one, 'hex'));
  return `${all.digest('hex')}-${md5s.length}`;
}
