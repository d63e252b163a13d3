/**
 * What lies on the disks of a cluster that is lost: the blobs of its storages, and what is left of its catalogue, as copies of the
 * catalogue's database or as checkpoints among the blobs. A folder is the data folder of a node, a storage, or a place in which such are; or
 * it is the address of a rented storage.
 * Nothing is written to them.
 */
import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMolnError, messageOf, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { blockOf, SHARES_MAX } from '../erasure/erasure.ts';
import { BareDisk, BareRented, type BlobStat, isRented } from '../blobs/blobs.ts';
import { PlainFile } from '../sqlite/sqlite.ts';
import { decodeAbout, encodeAbout, type ShareAbout } from './about.ts';
import type { Row, Value } from './catalogue-link.ts';
import { CHECKPOINT_MARK, checkpointTables, readCheckpoint } from './checkpoint.ts';
import { blockId } from './content.ts';
import { noDisk, rentedKeyMissing } from './errors.ts';
import { rentedKey } from './recovery-key.ts';
import { catalogueTables } from './schema.ts';
import { sumOf } from './share-reader.ts';
import { blockOfBlob, shareId } from './shares.ts';

/** Rows of a catalogue as one file has them. */
export interface CatalogueFile {
  /** For people. */
  readonly name: string;
  /** A database's copy: the last entry of its log that it has; 0 for a checkpoint. */
  readonly applied: number;
  readonly file: PlainFile;
}

type FoundDisk = BareDisk | BareRented;

interface FoundDisks {
  readonly disks: readonly FoundDisk[];
  /** SQLite files below data folders. */
  readonly databases: readonly string[];
}

export interface DisksOptions {
  /** An empty folder for what has to be opened. */
  readonly scratch: string;
  readonly withCatalogue: boolean;
  /** The lost cluster's key, which rented storages need. */
  readonly secret: Uint8Array | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Below a folder that was given: `DATA/files/main`, and one level for those who keep disks side by side. */
const DEPTH_MAX = 4;
const COPY_NAME = /^s\d+\.sqlite$/;

export class Disks implements Disposable {
  readonly disks: readonly FoundDisk[];
  readonly catalogues: readonly CatalogueFile[];

  /** Connections, and files of catalogues. */
  readonly #opened: DisposableStack;

  private constructor(
    disks: readonly FoundDisk[],
    catalogues: readonly CatalogueFile[],
    opened: DisposableStack,
  ) {
    this.disks = disks;
    this.catalogues = catalogues;
    this.#opened = opened;
  }

  /** Throws `FILES_NO_DISK`, `FILES_RECOVERY_KEY_MISSING`, and why a rented one cannot be read. */
  static async open(folders: readonly string[], options: DisksOptions): Promise<Disks> {
    const found: FoundDisks[] = [];
    using opened = new DisposableStack();
    for (const folder of folders) {
      const here = isRented(folder)
        ? await lookAt(folder, options)
        : await lookIn(folder, DEPTH_MAX);
      if (here.disks.length + here.databases.length === 0) throw noDisk(folder);
      for (const disk of here.disks) if (disk instanceof BareRented) opened.use(disk);
      found.push(here);
    }
    const disks = found.flatMap((one) => one.disks);
    if (!options.withCatalogue) return new Disks(disks, [], opened.move());
    const catalogues: CatalogueFile[] = [];
    for (const [at, path] of found.flatMap(({ databases }) => databases).entries()) {
      const copy = join(options.scratch, `copy-${at}.sqlite`);
      const catalogue = await openCopy(path, copy, options.log);
      if (catalogue === undefined) continue;
      opened.use(catalogue.file);
      catalogues.push(catalogue);
    }
    const bare = new Disks(disks, [], new DisposableStack());
    const checkpoint = await bare.#checkpoint(options);
    for (const { file } of checkpoint) opened.use(file);
    catalogues.push(...checkpoint);
    return new Disks(disks, catalogues, opened.move());
  }

  /** The first good copy, or what shares make. `sha256`: what it has to be. */
  async read(cid: string, sha256?: string): Promise<{ bytes: Buffer; stat: BlobStat } | undefined> {
    const whole = await this.#copy(cid, sha256);
    return whole ?? (await this.#ofShares(cid, sha256));
  }

  async #copy(
    cid: string,
    sha256?: string,
  ): Promise<{ bytes: Buffer; stat: BlobStat } | undefined> {
    for (const disk of this.disks) {
      const known = await disk.stat(cid);
      if (known === undefined || (sha256 !== undefined && known.sha256 !== sha256)) continue;
      const bytes = await disk.read(cid);
      if (bytes !== undefined) return { bytes, stat: known };
    }
    return undefined;
  }

  /** Of blocks, also of those of which only shares are there. */
  async ids(prefix: string): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    for (const disk of this.disks)
      for (const id of await disk.ids(prefix)) ids.add(blockOfBlob(id));
    return ids;
  }

  /** Of a block, also when only shares of it are there. */
  async stat(cid: string): Promise<BlobStat | undefined> {
    for (const disk of this.disks) {
      const found = await disk.stat(cid);
      if (found !== undefined) return found;
    }
    for await (const { stat: found } of this.#shares(cid)) return found;
    return undefined;
  }

  /** Undefined when there are too few, or what they make is damaged. */
  async #ofShares(
    cid: string,
    sha256: string | undefined,
  ): Promise<{ bytes: Buffer; stat: BlobStat } | undefined> {
    const have = new Map<number, Uint8Array>();
    for await (const { share, stat: found, read } of this.#shares(cid)) {
      if (sha256 !== undefined && share.sha256 !== sha256) continue;
      const bytes = have.has(share.number) ? undefined : await read();
      if (bytes === undefined) continue;
      have.set(share.number, bytes);
      if (have.size < share.code.data) continue;
      const whole = blockOf(share.code, have, share.length);
      return sumOf(whole) === share.sha256 ? { bytes: whole, stat: found } : undefined;
    }
    return undefined;
  }

  /** `stat`: as that of the block. */
  async *#shares(cid: string): AsyncGenerator<{
    readonly share: ShareAbout;
    readonly stat: BlobStat;
    readonly read: () => Promise<Buffer | undefined>;
  }> {
    for (let number = 0; number < SHARES_MAX; number += 1)
      for (const disk of this.disks) {
        const id = shareId(cid, number);
        const found = await disk.stat(id);
        const { share, ...about } = decodeAbout(found?.meta.about);
        if (found === undefined || share === undefined) continue;
        const { length, sha256 } = share;
        const meta = { ...found.meta, about: encodeAbout(about) };
        yield { share, stat: { ...found, length, sha256, meta }, read: () => disk.read(id) };
      }
  }

  [Symbol.dispose](): void {
    this.#opened.dispose();
  }

  /** The newest that is whole. */
  async #checkpoint({
    scratch,
    log,
  }: {
    readonly scratch: string;
    readonly log: Logger;
  }): Promise<readonly CatalogueFile[]> {
    const fids = new Set<string>();
    for (let digit = 0; digit < 16; digit += 1)
      for (const id of await this.ids(`${CHECKPOINT_MARK}${digit.toString(16)}`))
        fids.add(id.slice(0, FID_DIGITS));
    for (const [at, fid] of [...fids].toSorted().toReversed().entries()) {
      const file = PlainFile.create(join(scratch, `checkpoint-${at}.sqlite`));
      try {
        for (const sql of catalogueTables()) file.exec(sql);
        const inserts = new Map(
          checkpointTables().map(({ name, columns }) => [
            name,
            file.prepare(`INSERT INTO ${name} VALUES (${columns.map(() => '?').join(', ')})`),
          ]),
        );
        file.exec('BEGIN');
        const { madeAt } = await readCheckpoint(this.#blocks(fid), (table, row) =>
          inserts
            .get(table)
            ?.run(row.map((value) => (typeof value === 'number' ? BigInt(value) : value))),
        );
        file.exec('COMMIT');
        return [{ name: `checkpoint of ${new Date(madeAt).toISOString()}`, applied: 0, file }];
      } catch (error) {
        file[Symbol.dispose]();
        // An older one would bring back less, and what it brings back stays.
        if (isMolnError(error, 'BLOBS_AWAY')) throw error;
        log.warn('A checkpoint cannot be read', { fid, why: messageOf(error) });
      }
    }
    return [];
  }

  async *#blocks(fid: string): AsyncGenerator<Uint8Array> {
    for (let index = 0; ; index += 1) {
      const found = await this.read(blockId(fid, index));
      if (found === undefined) return;
      yield found.bytes;
    }
  }
}

const FID_DIGITS = 24;

async function lookAt(url: string, { secret, clock }: DisksOptions): Promise<FoundDisks> {
  if (secret === undefined) throw rentedKeyMissing();
  return { disks: [await BareRented.open({ url, key: rentedKey(secret), clock })], databases: [] };
}

async function lookIn(folder: string, depth: number): Promise<FoundDisks> {
  const disk = await BareDisk.open(folder);
  if (disk !== undefined) return { disks: [disk], databases: [] };
  if (depth === 0) return { disks: [], databases: [] };
  const found: FoundDisks[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw noDisk(folder, messageOf(error));
  });
  const databases = entries.flatMap(({ name }) =>
    COPY_NAME.test(name) ? [join(folder, name)] : [],
  );
  for (const entry of entries)
    if (entry.isDirectory()) found.push(await lookIn(join(folder, entry.name), depth - 1));
  return {
    disks: found.flatMap((one) => one.disks),
    databases: [...databases, ...found.flatMap((one) => one.databases)],
  };
}

/** Undefined for a database that is not the catalogue, or is damaged: another one tells. It is copied first, for SQLite writes beside what it reads. */
async function openCopy(
  path: string,
  copy: string,
  log: Logger,
): Promise<CatalogueFile | undefined> {
  let file: PlainFile | undefined;
  try {
    await copyFile(path, copy);
    if (await exists(`${path}-wal`)) await copyFile(`${path}-wal`, `${copy}-wal`);
    file = PlainFile.create(copy);
    const tables = file.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    const names = new Set(tables.map(([name]) => String(name)));
    if (['_moln_applied', 'bucket', 'usage', 'object', 'chunk'].every((name) => names.has(name))) {
      const [[verdict] = []] = file.prepare('PRAGMA integrity_check(1)').all();
      if (verdict !== 'ok') throw new Error(`It is damaged: ${String(verdict)}`);
      const [row] = file.prepare('SELECT idx FROM _moln_applied').all();
      return { name: path, applied: Number(row?.[0] ?? 0), file };
    }
  } catch (error) {
    // That is no fault of the disk that is read.
    if (systemCode(error) === 'ENOSPC' || isMolnError(error, 'SQLITE_FULL')) throw error;
    log.warn('A copy of a database cannot be read', { path, why: messageOf(error) });
  }
  file?.[Symbol.dispose]();
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** As the catalogue's own link gives it. */
export function rowFrom(row: readonly unknown[]): Row {
  return row.map((value): Value => {
    if (typeof value === 'bigint') return Number(value);
    return value as Value;
  });
}
