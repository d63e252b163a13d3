/**
 * The places where blocks lie: rows of the catalogue, opened here when they are this node's, called over the wire when they are another's.
 * What is known of their space is some seconds old; a place that failed is asked again before it is given more.
 */
import { basename } from 'node:path';
import { randomId } from '../base/ids.ts';
import { isMolnError, messageOf, systemCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type BackendUsage,
  type BlobStore,
  copyBlob,
  FarBlobs,
  isRented,
  type KeepFree,
  LocalBlobs,
  Pace,
  type PullSource,
  RentedBlobs,
  type Written,
} from '../blobs/blobs.ts';
import type { CatalogueLink, Row } from './catalogue-link.ts';
import type { FilesConfig } from './control.ts';
import type { CopyPlaces } from './copies.ts';
import { storageExists, storageNotFound } from './errors.ts';
import { PLACE_LOST_MS, PLACES_EVERY_MS } from './limits.ts';
import type { Transfers } from './peer-blobs.ts';
import type { Place } from './placement.ts';
import { encryptionKey, rentedKey } from './recovery-key.ts';
import { number, text } from './rows.ts';

/** A row of `place`. */
export interface PlaceRow {
  readonly id: string;
  readonly node: string;
  /** Of the node: `main`. */
  readonly name: string;
  readonly path: string;
  /** Of the folder, so that another one is not taken for it. */
  readonly backend: string | null;
  readonly limitBytes: number | null;
  readonly keepFree: KeepFree;
  readonly state: 'used' | 'drain' | 'removed';
}

/** A place as people see it. */
export interface PlaceView extends Omit<PlaceRow, 'backend' | 'state'> {
  readonly nodeName: string;
  readonly state: Place['state'];
  /** It was asked to be emptied, and is removed then. */
  readonly isLeaving: boolean;
  /** Its node is none of the cluster any more. */
  readonly isForgotten: boolean;
  readonly usage: BackendUsage | undefined;
}

/** A folder here, or one of another machine that is rented. */
type OwnBlobs = BlobStore & AsyncDisposable;

interface Known {
  row: PlaceRow;
  readonly blobs: Readonly<Record<Transfers, BlobStore>>;
  /** When it is this node's. */
  readonly own: OwnBlobs | undefined;
  usage: BackendUsage | undefined;
  /** Since when it does not answer, or says that it is away. */
  awaySinceMs: number | undefined;
}

export interface PlaceTableOptions {
  readonly link: CatalogueLink;
  /** To the storage of another node. */
  readonly far: (node: string, place: string, transfers: Transfers) => FarBlobs;
  /** What lets another node read one blob of a place. */
  readonly source: (place: string, cid: string) => PullSource;
  readonly clock: Clock;
  readonly log: Logger;
}

const COLUMNS = 'id, node, name, path, backend, bytes, keep, state';
const KEEP_FREE_OWN: KeepFree = '10%';

export class PlaceTable implements CopyPlaces, AsyncDisposable {
  readonly #options: PlaceTableOptions;
  readonly #known = new Map<string, Known>();
  /** All its own ones share this process and often a disk. */
  readonly #pace: Pace;
  #config: FilesConfig | undefined;
  #looking: Promise<void> | undefined;
  #lookedMs = -Infinity;
  /** All places and how they are, as `onChange` was told last. */
  #seen = '';
  /** Called when what there is has changed: a place more, or one less. */
  onChange: () => void = () => undefined;

  constructor(options: PlaceTableOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock);
  }

  get self(): string {
    return this.#config?.node ?? '';
  }

  configure(config: FilesConfig): void {
    const isFirst = this.#config === undefined;
    this.#config = config;
    if (!isFirst) this.#lookSoon();
  }

  /** Makes this node's own one, unless it was told otherwise. */
  async open(): Promise<void> {
    const rows = await this.#rows();
    const config = this.#config;
    const isNew = config !== undefined && !rows.some(({ node }) => node === config.node);
    if (isNew) await this.add({ path: config.ownStorage, keepFree: KEEP_FREE_OWN, name: 'main' });
    await this.look();
  }

  all(): readonly Place[] {
    if (this.#options.clock.monotonicMs() - this.#lookedMs > PLACES_EVERY_MS) this.#lookSoon();
    return [...this.#known.values()].flatMap((known) => this.#placeOf(known) ?? []);
  }

  blobs(place: string): BlobStore | undefined {
    return this.#known.get(place)?.blobs.clients;
  }

  background(place: string): BlobStore | undefined {
    return this.#known.get(place)?.blobs.background;
  }

  async copy(cid: string, way: Parameters<CopyPlaces['copy']>[1]): Promise<Written> {
    const { from, to, maxBytes, allocSeq } = way;
    const [source, target] = [from, to].map((place) => this.background(place));
    if (source === undefined || target === undefined) throw storageNotFound(to, []);
    if (target instanceof FarBlobs)
      return await target.pull(cid, this.#options.source(from, cid), { maxBytes, allocSeq });
    return await copyBlob(cid, { from: source, to: target, maxBytes });
  }

  /** Only those of this node: what other nodes may ask for. */
  own(place: string, transfers: Transfers): BlobStore | undefined {
    const known = this.#known.get(place);
    return known?.own === undefined ? undefined : known.blobs[transfers];
  }

  suspect(place: string): void {
    const known = this.#known.get(place);
    if (known === undefined || known.row.node === this.self) return;
    known.awaySinceMs ??= this.#options.clock.monotonicMs();
    this.#lookSoon();
  }

  views(): readonly PlaceView[] {
    return [...this.#known.values()].flatMap(({ row, usage, ...rest }) => {
      const place = this.#placeOf({ row, usage, ...rest });
      if (place === undefined) return [];
      const { backend: _backend, ...shown } = row;
      const nodeName = this.#nodeName(row.node);
      const isLeaving = row.state === 'drain';
      const isForgotten = this.#config?.nodes.every(({ id }) => id !== row.node) === true;
      return [{ ...shown, nodeName, state: place.state, isLeaving, isForgotten, usage }];
    });
  }

  /** A folder of this node's more. Throws `FILES_STORAGE_EXISTS`, and what is wrong with the folder. */
  async add(wish: {
    readonly path: string;
    readonly limitBytes?: number;
    readonly keepFree: KeepFree;
    readonly name?: string;
  }): Promise<PlaceView> {
    const rows = (await this.#rows()).filter(({ state }) => state !== 'removed');
    const own = rows.filter(({ node }) => node === this.self);
    if (own.some(({ path }) => path === wish.path)) throw storageExists(wish.path);
    const name = freeName(wish.name ?? basename(wish.path), own);
    const before: PlaceRow = {
      id: `${this.self}/${randomId(6)}`,
      node: this.self,
      name,
      path: wish.path,
      backend: null,
      limitBytes: wish.limitBytes ?? null,
      keepFree: wish.keepFree,
      state: 'used',
    };
    const opened = await this.#openOwn(before, true);
    const [usage] = (await opened.usage()).backends;
    const row = { ...before, backend: usage?.id ?? null };
    this.#known.set(row.id, { row, ...this.#paced(opened), usage, awaySinceMs: undefined });
    await this.#options.link.run([
      {
        sql: `INSERT INTO place (bucket, ${COLUMNS}) VALUES ('', ?, ?, ?, ?, ?, ?, ?, ?)`,
        args: [
          row.id,
          row.node,
          row.name,
          row.path,
          row.backend,
          row.limitBytes,
          String(row.keepFree),
          row.state,
        ],
      },
    ]);
    this.onChange();
    return this.find(row.id);
  }

  /** By id, `NODE/NAME`, or NAME of this node. Throws `FILES_STORAGE_NOT_FOUND`. */
  find(words: string): PlaceView {
    const found = this.views().find(
      (one) =>
        one.id === words ||
        `${one.nodeName}/${one.name}` === words ||
        (one.node === this.self && (one.name === words || one.path === words)),
    );
    if (found === undefined)
      throw storageNotFound(
        words,
        this.views().map(({ nodeName, name }) => `${nodeName}/${name}`),
      );
    return found;
  }

  /** What is given changes. */
  async change(
    id: string,
    change: {
      readonly limitBytes?: number | null;
      readonly keepFree?: KeepFree;
      readonly state?: PlaceRow['state'];
    },
  ): Promise<void> {
    const row = (await this.#rows()).find((one) => one.id === id);
    if (row === undefined) throw storageNotFound(id, []);
    const after = { ...row, ...change };
    await this.#options.link.run([
      {
        sql: "UPDATE place SET bytes = ?, keep = ?, state = ? WHERE bucket = '' AND id = ?",
        args: [after.limitBytes, String(after.keepFree), after.state, id],
      },
    ]);
    await this.look();
    this.onChange();
  }

  /** Reads the rows and asks each place how it is. */
  async look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#looking?.catch(() => undefined);
    for (const { own } of this.#known.values()) await own?.[Symbol.asyncDispose]();
    this.#known.clear();
  }

  #lookSoon(): void {
    this.#lookedMs = this.#options.clock.monotonicMs();
    this.look().catch((error: unknown) => {
      this.#options.log.warn('The storages could not be looked at', { why: messageOf(error) });
    });
  }

  async #look(): Promise<void> {
    this.#lookedMs = this.#options.clock.monotonicMs();
    const rows = await this.#rows();
    const wanted = new Map(
      rows.filter(({ state }) => state !== 'removed').map((row) => [row.id, row]),
    );
    let isChanged = false;
    for (const [id, { own }] of this.#known) {
      if (wanted.has(id)) continue;
      this.#known.delete(id);
      isChanged = true;
      await own?.[Symbol.asyncDispose]();
    }
    for (const row of wanted.values()) isChanged = (await this.#adopt(row)) || isChanged;
    await Promise.all([...this.#known.values()].map((known) => this.#ask(known)));
    const seen = this.all()
      .map(({ id, state }) => `${id} ${state}`)
      .join();
    if (!isChanged && seen === this.#seen) return;
    this.#seen = seen;
    this.onChange();
  }

  async #adopt(row: PlaceRow): Promise<boolean> {
    const known = this.#known.get(row.id);
    const isSame = known?.row.limitBytes === row.limitBytes && known.row.keepFree === row.keepFree;
    if (known !== undefined && (row.node !== this.self || isSame)) {
      const isChanged = known.row.state !== row.state;
      known.row = row;
      return isChanged;
    }
    if (known?.own !== undefined) {
      this.#known.delete(row.id);
      await known.own[Symbol.asyncDispose]();
    }
    const { far } = this.#options;
    const stores =
      row.node === this.self
        ? this.#paced(await this.#openOwn(row, false))
        : {
            own: undefined,
            blobs: {
              clients: far(row.node, row.id, 'clients'),
              background: far(row.node, row.id, 'background'),
            },
          };
    this.#known.set(row.id, { row, ...stores, usage: undefined, awaySinceMs: undefined });
    return true;
  }

  #paced(own: OwnBlobs): Pick<Known, 'own' | 'blobs'> {
    const blobs = { clients: this.#pace.clients(own), background: this.#pace.background(own) };
    return { own, blobs };
  }

  async #openOwn(row: PlaceRow, isNew: boolean): Promise<OwnBlobs> {
    const { clock, log } = this.#options;
    if (isRented(row.path))
      return await RentedBlobs.open({
        url: row.path,
        nodeId: this.self,
        id: row.backend ?? undefined,
        create: isNew,
        limitBytes: row.limitBytes ?? undefined,
        keepFree: row.keepFree,
        key: rentedKey(encryptionKey(Buffer.from(this.#config?.key ?? '', 'base64'))),
        clock,
        log,
      });
    return await LocalBlobs.open({
      backends: [
        {
          path: row.path,
          keepFree: row.keepFree,
          ...(isNew ? { create: true } : {}),
          ...(row.backend === null ? {} : { id: row.backend }),
          ...(row.limitBytes === null ? {} : { limitBytes: row.limitBytes }),
        },
      ],
      nodeId: this.self,
      clock,
      log,
    });
  }

  async #ask(known: Known): Promise<void> {
    try {
      const [usage] = (await known.blobs.clients.usage()).backends;
      known.usage = usage;
      // Its node answers, its disk or the machine that it is rented on does not: that is no better.
      const isAway = usage?.state === 'away';
      known.awaySinceMs = isAway
        ? (known.awaySinceMs ?? this.#options.clock.monotonicMs())
        : undefined;
    } catch (error) {
      const { id } = known.row;
      if (known.awaySinceMs === undefined)
        this.#options.log.warn('A storage does not answer', { place: id, why: messageOf(error) });
      known.awaySinceMs ??= this.#options.clock.monotonicMs();
      // What a disk says that is gone is no fault of ours.
      if (!isMolnError(error) && systemCode(error) === undefined) throw error;
    }
  }

  #placeOf({ row, usage, awaySinceMs }: Known): Place | undefined {
    if (row.state === 'removed') return undefined;
    const node = this.#config?.nodes.find(({ id }) => id === row.node);
    const base = {
      id: row.id,
      node: row.node,
      name: node?.name ?? row.node,
      zone: node?.zone ?? '',
      region: node?.region ?? '',
      labels: new Set([...(node?.labels ?? []), row.name]),
      freeBytes: usage?.freeBytes ?? 0,
      ...(isRented(row.path) ? { isRented: true } : {}),
    };
    return { ...base, state: this.#stateOf({ row, usage, awaySinceMs }, node?.state) };
  }

  #stateOf(
    { row, usage, awaySinceMs }: Pick<Known, 'row' | 'usage' | 'awaySinceMs'>,
    node: FilesConfig['nodes'][number]['state'] | undefined,
  ): Place['state'] {
    const now = this.#options.clock.monotonicMs();
    if (node === undefined) return 'lost';
    if (awaySinceMs !== undefined && now - awaySinceMs > PLACE_LOST_MS) return 'lost';
    if (awaySinceMs !== undefined || usage === undefined || usage.state === 'away') return 'away';
    if (row.state === 'drain' || node === 'draining') return 'drain';
    return usage.state === 'good' ? 'good' : 'full';
  }

  #nodeName(id: string): string {
    return this.#config?.nodes.find((node) => node.id === id)?.name ?? id;
  }

  async #rows(): Promise<readonly PlaceRow[]> {
    const rows = await this.#options.link.all(
      `SELECT ${COLUMNS} FROM place WHERE bucket = '' ORDER BY id`,
      [],
    );
    return rows.map(rowOf);
  }
}

function rowOf([id, node, name, path, backend, bytes, keep, state]: Row): PlaceRow {
  const kept = text(keep);
  return {
    id: text(id),
    node: text(node),
    name: text(name),
    path: text(path),
    backend: typeof backend === 'string' ? backend : null,
    limitBytes: bytes === null ? null : number(bytes),
    keepFree: kept.endsWith('%') ? (kept as KeepFree) : Number(kept),
    state: text(state) as PlaceRow['state'],
  };
}

function freeName(wanted: string, own: readonly PlaceRow[]): string {
  const taken = new Set(own.map(({ name }) => name));
  const base = wanted.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-') || 'storage';
  let name = base;
  for (let at = 2; taken.has(name); at += 1) name = `${base}-${at}`;
  return name;
}
