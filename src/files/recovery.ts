/**
 * Brings files back from the disks of a cluster that is lost into this one: first the rows of its catalogue, bucket by bucket, then the
 * blocks that these name, then what only blocks tell of (`salvage.ts`). The disks are only read, so it can be done again, with more disks:
 * a bucket that is here keeps its rows, and gets the blocks that it lacks.
 */
import { mkdir } from 'node:fs/promises';
import { removeTree } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { type BlockMark, type BlockPage, FIRST_MARK, readBlocks } from './blocks.ts';
import { BlockWriter, type Places } from './block-writer.ts';
import type { CatalogueLink, Row, Statement } from './catalogue-link.ts';
import { insertsOf } from './changes.ts';
import { checkpointTables, NO_BUCKET } from './checkpoint.ts';
import { type CatalogueFile, Disks, rowFrom } from './disks.ts';
import { Keyring } from './encryption.ts';
import { recoveryRuns } from './errors.ts';
import { RECOVER_AT_A_TIME, RECOVER_PAGE, RECOVER_TOLD_MAX } from './limits.ts';
import { parsePolicy } from './policy.ts';
import { readRecoveryKey } from './recovery-key.ts';
import type { Block } from './repair-plan.ts';
import { resealAll } from './resealing.ts';
import { number, text } from './rows.ts';
import { Salvage } from './salvage.ts';
import type { Sessions } from './sessions.ts';
import type { Store } from './store.ts';

export interface RecoveryState {
  readonly isRunning: boolean;
  /** What it does, in words. */
  readonly doing: string;
  readonly disks: number;
  /** Where the rows came from. */
  readonly catalogues: readonly string[];
  /** Brought back with all their rows. */
  readonly buckets: readonly string[];
  /** Buckets that were here already. */
  readonly kept: readonly string[];
  readonly blocks: number;
  readonly bytes: number;
  /** Blocks of which no good copy is on the disks, and some of the objects that need them. */
  readonly missingBlocks: number;
  readonly missing: readonly string[];
  /** Objects that came from their blocks alone, and contents of which not all blocks were there. */
  readonly salvaged: number;
  /** Of them, those that came in parts: blocks do not tell whether the upload was completed. */
  readonly ofParts: number;
  /** Objects that were encrypted by the key of the lost cluster, which was not given: nobody can read them. */
  readonly sealed: number;
  readonly incomplete: readonly string[];
  /** Why it broke off. */
  readonly why: string | undefined;
}

export interface RecoveryOptions {
  readonly link: CatalogueLink;
  readonly store: Store;
  readonly places: Places;
  readonly sessions: Sessions;
  /** For what has to be opened: made and removed. */
  readonly scratch: string;
  readonly onBlocks: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RecoveryWish {
  /** Of this machine, absolute, or addresses of rented storages. */
  readonly folders: readonly string[];
  /** False: from bare blocks. */
  readonly withCatalogue: boolean;
  /** Of the lost cluster, as people keep it. */
  readonly key?: string | undefined;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

const NOTHING: RecoveryState = {
  isRunning: false,
  doing: 'nothing was brought back since this node was started',
  disks: 0,
  catalogues: [],
  buckets: [],
  kept: [],
  blocks: 0,
  bytes: 0,
  missingBlocks: 0,
  missing: [],
  salvaged: 0,
  ofParts: 0,
  sealed: 0,
  incomplete: [],
  why: undefined,
};
/** Told by the disks, or of no use here. */
const NOT_ROWS: ReadonlySet<string> = new Set(['bucket', 'usage', 'session', 'todo']);

export class Recovery implements AsyncDisposable {
  readonly #options: RecoveryOptions;
  readonly #stop = new AbortController();
  #state: Writable<RecoveryState> = fresh();
  #running: Promise<void> | undefined;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  state(): RecoveryState {
    return this.#state;
  }

  /** Throws `FILES_RECOVERY_RUNS`, `FILES_NO_DISK`, `FILES_RECOVERY_KEY`, `FILES_RECOVERY_KEY_MISSING`. */
  async start({ folders, withCatalogue, key }: RecoveryWish): Promise<RecoveryState> {
    if (this.#running !== undefined) throw recoveryRuns();
    const secret = key === undefined ? undefined : readRecoveryKey(key);
    const old = secret === undefined ? undefined : new Keyring(() => secret);
    const { scratch } = this.#options;
    this.#state = { ...fresh(), isRunning: true, doing: 'looking at the disks' };
    const opening = this.#open(folders, withCatalogue, secret);
    // Others that come meanwhile are refused.
    this.#running = opening.then(
      () => undefined,
      () => undefined,
    );
    let disks: Disks;
    try {
      disks = await opening;
    } catch (error) {
      this.#running = undefined;
      this.#state = { ...this.#state, isRunning: false, why: messageOf(error) };
      await removeTree(scratch);
      throw error;
    }
    this.#running = this.#runToEnd(disks, old);
    return this.#state;
  }

  /** Resolves when nothing is under way. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('The file process ends'));
    await this.ended();
  }

  async #open(
    folders: readonly string[],
    withCatalogue: boolean,
    secret: Uint8Array | undefined,
  ): Promise<Disks> {
    const { scratch, clock, log } = this.#options;
    await removeTree(scratch);
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    return await Disks.open(folders, { scratch, withCatalogue, secret, clock, log });
  }

  async #runToEnd(disks: Disks, old: Keyring | undefined): Promise<void> {
    const { scratch, log } = this.#options;
    try {
      using _disks = disks;
      await this.#run(disks, old);
    } catch (error) {
      this.#state.why = messageOf(error);
      log.error('The recovery broke off', { why: this.#state.why });
    }
    await removeTree(scratch);
    this.#state = { ...this.#state, isRunning: false, doing: 'done' };
    this.#running = undefined;
  }

  async #run(disks: Disks, old: Keyring | undefined): Promise<void> {
    const { link, store, log } = this.#options;
    this.#state.disks = disks.disks.length;
    this.#state.catalogues = disks.catalogues.map(({ name }) => name);
    const chosen = chooseSources(disks.catalogues);
    for (const [bucket, source] of chosen) {
      this.#stop.signal.throwIfAborted();
      this.#state.doing = `rows of bucket "${bucket}"`;
      if (await this.#rows(bucket, source)) this.#state.buckets.push(bucket);
      else this.#state.kept.push(bucket);
    }
    for (const [name, policy] of await link.all('SELECT bucket, policy FROM bucket', []))
      await this.#blocks(disks, text(name), text(policy));
    this.#state.doing = 'blocks that no catalogue names';
    const salvage = new Salvage({
      link,
      store,
      disks,
      old,
      place: (block, policy) => this.#place(disks, block, policy),
      scratch: this.#options.scratch,
      signal: this.#stop.signal,
      log,
    });
    const found = await salvage.run(watermarksOf(chosen));
    this.#state.salvaged = found.objects;
    this.#state.ofParts = found.ofParts;
    this.#state.incomplete = [...found.incomplete];
    await this.#reseal(old);
    this.#options.onBlocks();
    log.info('Files were brought back', { audit: true, ...this.#state });
  }

  /** Also what an earlier recovery brought back without the key. */
  async #reseal(old: Keyring | undefined): Promise<void> {
    const { link, store } = this.#options;
    const { signal } = this.#stop;
    for (const [name] of await link.all('SELECT bucket FROM bucket', [])) {
      const bucket = text(name);
      this.#state.doing = `keys of what is encrypted in "${bucket}"`;
      this.#state.sealed += await resealAll(link, { bucket, own: store.keyring, old, signal });
    }
  }

  /** All rows of one bucket but where its blocks are. False when there is such a bucket here. */
  async #rows(bucket: string, { file }: CatalogueFile): Promise<boolean> {
    const { link } = this.#options;
    const args = [bucket];
    if ((await link.one('SELECT 1 FROM bucket WHERE bucket = ?', args)) !== undefined) return false;
    for (const { name, columns } of checkpointTables()) {
      if (NOT_ROWS.has(name)) continue;
      // A try that broke off left some: the bucket's own row comes last.
      await link.run([{ sql: `DELETE FROM ${name} WHERE bucket = ?`, args }]);
      let page: Row[] = [];
      const flush = async (): Promise<void> => {
        if (page.length === 0) return;
        await link.run(
          insertsOf(bucket, [
            {
              table: name,
              columns: columns.slice(1).join(', '),
              rows: page.map((row) => row.slice(1)),
            },
          ]),
        );
        page = [];
      };
      const text = `SELECT ${columns.join(', ')} FROM ${name} WHERE bucket = ?`;
      for (const row of file.prepare(text).iterate([bucket])) {
        page.push(rowFrom(row));
        if (page.length === RECOVER_PAGE) await flush();
      }
      await flush();
    }
    const [own] = readAll(
      file,
      'SELECT owner, created, versioning, policy, quota, settings FROM bucket WHERE bucket = ?',
      args,
    );
    const [usage] = readAll(file, 'SELECT bytes, objects, ord FROM usage WHERE bucket = ?', args);
    const releases = readAll(
      file,
      "SELECT ref, place, due FROM todo WHERE bucket = ? AND kind = 'release'",
      args,
    );
    const [open] = await link.read([
      { sql: "SELECT min(seq) FROM session WHERE bucket = '' AND open = 1" },
    ]);
    const fence = Number(open?.[0]?.[0] ?? 0);
    await link.run([
      { sql: 'DELETE FROM usage WHERE bucket = ?', args },
      { sql: 'DELETE FROM todo WHERE bucket = ?', args },
      ...insertsOf(bucket, [
        {
          table: 'todo',
          columns: 'kind, ref, place, prio, due, fails',
          rows: releases.map(([ref, place, due]) => [
            'release',
            ref ?? '',
            place ?? '',
            0,
            due ?? 0,
            0,
          ]),
        },
        {
          table: 'usage',
          columns: 'bytes, objects, ord, fence',
          rows: [[...(usage ?? []), fence]],
        },
        {
          table: 'bucket',
          columns: 'owner, created, versioning, policy, quota, settings',
          rows: [own ?? []],
        },
      ]),
    ]);
    return true;
  }

  /** Blocks of which no copy is here. */
  async #blocks(disks: Disks, bucket: string, policy: string): Promise<void> {
    const { link, places } = this.#options;
    const here = new Set(places.all().flatMap(({ id, state }) => (state === 'lost' ? [] : [id])));
    for (let after: BlockMark | undefined = FIRST_MARK; after !== undefined;) {
      this.#stop.signal.throwIfAborted();
      this.#state.doing = `blocks of bucket "${bucket}"`;
      const { blocks, next }: BlockPage = await readBlocks(link, bucket, after);
      const isHere = (ids: readonly string[]): boolean => ids.some((id) => here.has(id));
      const waiting = blocks.filter(
        ({ places: ids, coded }) =>
          !isHere(ids) &&
          (coded === undefined || coded.places.filter(isHere).length < coded.code.data),
      );
      const worker = async (): Promise<void> => {
        for (let one = waiting.shift(); one !== undefined; one = waiting.shift())
          if ((await this.#place(disks, one.block, policy)) === undefined)
            await this.#miss(one.block);
      };
      await Promise.all(Array.from({ length: RECOVER_AT_A_TIME }, worker));
      after = next;
    }
  }

  /** Writes a block as it was to places of this cluster, and its copies down. Undefined when no disk has it whole. */
  async #place(disks: Disks, block: Block, policyText: string): Promise<Buffer | undefined> {
    const { link, places, sessions, log } = this.#options;
    const found = await disks.read(block.cid, block.sha256);
    if (found === undefined || found.bytes.length !== block.length) return undefined;
    await using session = await sessions.take();
    const { meta } = found.stat;
    const policy = parsePolicy(policyText);
    const writer = new BlockWriter({
      places,
      log,
      wish: {
        cid: block.cid,
        policy: { ...policy, isMust: false },
        put: {
          ...meta,
          allocSeq: session.seq,
          maxBytes: block.length,
          length: block.length,
          sha256: block.sha256,
        },
      },
    });
    await writer.push(found.bytes);
    const stored = await writer.finish();
    const args = [block.bucket, block.cid];
    await link.run([
      { sql: 'DELETE FROM copy WHERE bucket = ? AND cid = ?', args },
      ...stored.places.map((place): Statement => ({
        sql: 'INSERT INTO copy (bucket, cid, place) VALUES (?, ?, ?)',
        args: [...args, place],
      })),
    ]);
    this.#state.blocks += 1;
    this.#state.bytes += block.length;
    return found.bytes;
  }

  async #miss({ bucket, fid }: Block): Promise<void> {
    this.#state.missingBlocks += 1;
    if (this.#state.missing.length >= RECOVER_TOLD_MAX) return;
    const [objects = [], made = []] = await this.#options.link.read([
      { sql: 'SELECT key FROM object WHERE bucket = ? AND fid = ?', args: [bucket, fid] },
      {
        sql: `SELECT o.key FROM segment s JOIN object o ON o.bucket = s.bucket AND o.fid = s.fid
          WHERE s.bucket = ? AND o.bucket = ? AND s.source = ?`,
        args: [bucket, bucket, fid],
      },
    ]);
    for (const [key] of [...objects, ...made]) {
      const name = `${bucket}/${text(key)}`;
      if (!this.#state.missing.includes(name)) this.#state.missing.push(name);
    }
  }
}

/** Which file has the newest rows of each bucket: a copy before a checkpoint that knows no more. */
function chooseSources(catalogues: readonly CatalogueFile[]): ReadonlyMap<string, CatalogueFile> {
  const best = new Map<string, { readonly source: CatalogueFile; readonly ord: number }>();
  for (const source of catalogues)
    for (const [name, ord] of readAll(
      source.file,
      'SELECT b.bucket, u.ord FROM bucket b JOIN usage u ON u.bucket = b.bucket ORDER BY b.bucket',
      [],
    )) {
      const bucket = text(name);
      if (bucket === NO_BUCKET) continue;
      const known = best.get(bucket);
      const isNewer =
        known === undefined ||
        number(ord) > known.ord ||
        (number(ord) === known.ord && source.applied > known.source.applied);
      if (isNewer) best.set(bucket, { source, ord: number(ord) });
    }
  return new Map([...best].map(([bucket, { source }]) => [bucket, source]));
}

/**
 * Blocks of sessions before the lowest open one that a catalogue does not name are garbage; those of that one or later ones may be newer
 * than the catalogue. A file of one stripe may not have the sessions: then the most careful of the others tells.
 */
function watermarksOf(chosen: ReadonlyMap<string, CatalogueFile>): ReadonlyMap<string, number> {
  const markOf = new Map<CatalogueFile, number>();
  for (const source of new Set(chosen.values())) {
    const [counter] = readAll(source.file, "SELECT ord FROM usage WHERE bucket = ''", []);
    const lowest = "SELECT min(seq) FROM session WHERE bucket = '' AND open = 1";
    const [open] = readAll(source.file, lowest, []);
    if (counter !== undefined) markOf.set(source, Number(open?.[0] ?? number(counter[0]) + 1));
  }
  const least = markOf.size === 0 ? 0 : Math.min(...markOf.values());
  return new Map([...chosen].map(([bucket, source]) => [bucket, markOf.get(source) ?? least]));
}

function readAll(
  file: CatalogueFile['file'],
  sql: string,
  args: readonly string[],
): readonly Row[] {
  return file.prepare(sql).all(args).map(rowFrom);
}

function fresh(): Writable<RecoveryState> {
  return {
    ...NOTHING,
    catalogues: [],
    buckets: [],
    kept: [],
    missing: [],
    incomplete: [],
  };
}
