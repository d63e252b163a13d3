/** The cache of one gateway process, as its connections share it: the tiers, and what is on its way into them. */
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { sha256Hex } from '../base/ids.ts';
import { type CacheSettings, DEFAULT_SETTINGS, HttpCache, type Landing } from '../cache/cache.ts';
import type { CacheForward } from './cache-forward.ts';
import { CacheRefusals } from './cache-refusals.ts';
import type { GatewayCacheConfig } from './config.ts';
import { SHARING } from './limits.ts';
import type { Plane } from './plane.ts';
import type { CrowdAnswer } from './crowd-answer.ts';
import { ReadyAnswers } from './ready-answers.ts';
import type { Route } from './route-table.ts';
import type { Sharing } from './sharing.ts';

/** A body larger than this share of a tier is not stored: it would displace too much. */
const BODY_SHARE_MAX = 1 / 8;
/** What the disk refuses is said so often. */
const TROUBLE_EVERY_MS = 60_000;

/** Of one route. */
export interface RouteSettings extends CacheSettings {
  /** Begins its keys. */
  readonly space: string;
}

/** What was stored under other rules for keys is never found again: it may be the answer to another question. */
function rulesMark({ query, keyFields }: CacheSettings): string {
  if (query === 'whole' && keyFields.length === 0) return '';
  return `~${sha256Hex(JSON.stringify([query, keyFields])).slice(0, 16)}`;
}

export class CacheRoom implements AsyncDisposable {
  readonly plane: Plane;
  readonly cache: HttpCache;
  readonly #settings: CacheSettings;
  readonly #shares: boolean;
  readonly #ofRoutes = new WeakMap<Route, RouteSettings>();
  /** Requests to upstreams that are under way. */
  readonly forwards: Set<CacheForward> = new Set();
  /** To owners of keys, under way. */
  readonly notices: Set<{ sweep(horizonMs: number): void }> = new Set();
  readonly ready: ReadyAnswers = new ReadyAnswers();
  /** While those are woken who waited for one answer: what the first of them got. */
  crowd: CrowdAnswer | undefined;
  readonly refusals: CacheRefusals = new CacheRefusals();
  /** Of bodies on their way into the store. */
  fillBytes = 0;
  readonly fillBytesMax: number;

  private constructor(
    plane: Plane,
    cache: HttpCache,
    options: {
      readonly settings: CacheSettings;
      readonly share: boolean;
      readonly fillBytesMax: number;
    },
  ) {
    this.fillBytesMax = options.fillBytesMax;
    this.#shares = options.share;
    this.plane = plane;
    this.cache = cache;
    this.#settings = options.settings;
  }

  /** `name` tells this process from others that share the folder. Throws when the folder cannot be used. */
  static async open(
    plane: Plane,
    { memoryBytes, share = true, disk, mongodb }: GatewayCacheConfig,
    name: string,
  ): Promise<CacheRoom> {
    const bodyBytesMax = Math.floor((disk?.bytes ?? memoryBytes) * BODY_SHARE_MAX);
    let toldMs = -Infinity;
    const cache = await HttpCache.open({
      memoryBytesMax: memoryBytes,
      hotBytesMax: Math.floor(memoryBytes * SHARING.hotShare),
      ...(disk === undefined
        ? {}
        : { disk: { folder: join(disk.path, name), bytesMax: disk.bytes } }),
      ...(mongodb === undefined
        ? {}
        : {
            mongo: {
              url: mongodb.url,
              database: mongodb.database,
              name: `${mongodb.name}/${name}`,
              bytesMax: mongodb.bytes,
              clock: plane.clock,
            },
          }),
      bodyBytesMax,
      onTrouble: (error) => {
        if (plane.coarseMs - toldMs < TROUBLE_EVERY_MS) return;
        toldMs = plane.coarseMs;
        plane.log.warn('The disk or the database of the cache refuses: what it has is a miss', {
          reason: messageOf(error),
        });
      },
    });
    const settings = { ...DEFAULT_SETTINGS, bodyBytesMax };
    return new CacheRoom(plane, cache, { settings, share, fillBytesMax: memoryBytes });
  }

  /** With other processes; undefined when there are none. */
  get sharing(): Sharing | undefined {
    return this.#shares ? this.plane.sharing : undefined;
  }

  settingsFor(route: Route): RouteSettings {
    const known = this.#ofRoutes.get(route);
    if (known !== undefined) return known;
    const { generation = '', ...own } = route.config.cache ?? {};
    const settings = { ...this.#settings, ...own };
    const made = { space: `${route.id}@${generation}${rulesMark(settings)}`, ...settings };
    this.#ofRoutes.set(route, made);
    return made;
  }

  /** Until when a copy is kept of what another process owns; undefined for what is owned here. */
  hotUntilMs(key: string): number | undefined {
    const { sharing } = this;
    if (sharing === undefined || sharing.stepFor(key, undefined).isOwner) return undefined;
    return this.nowMs() + SHARING.hotMs;
  }

  /** Epoch milliseconds. */
  nowMs(): number {
    return this.plane.clock.now();
  }

  /** Wakes those who wait. A crowd, when other processes have what they are sent in the next turn of the event loop. */
  landed(flight: string, landing: Landing, isPassedOn: boolean): void {
    const { flights } = this.cache;
    const wakeCrowd = this.#together(() => flights.landed(flight, landing, isPassedOn));
    if (wakeCrowd === undefined) return;
    // This process may also be the one that leads it to them: it reads it in the turn after this one.
    setImmediate(() => setImmediate(() => this.#together(wakeCrowd)));
  }

  #together<T>(wake: () => T): T {
    this.crowd = undefined;
    const woken = wake();
    this.crowd = undefined;
    return woken;
  }

  sweep(horizonMs: number): void {
    this.ready.clear();
    this.cache.cool(this.nowMs(), SHARING.hotMs);
    for (const forward of this.forwards) forward.sweep(horizonMs);
    for (const notice of this.notices) notice.sweep(horizonMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const forward of this.forwards) forward.abandon();
    await this.cache[Symbol.asyncDispose]();
  }
}
