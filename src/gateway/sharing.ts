/**
 * Which process owns a key of the cache, of all that share: those of this machine over unix sockets, those of other nodes over
 * their doors. Who did not take a question is passed over for a moment.
 */
import type { RouteLimits, SharingConfig, UpstreamAddress } from './config.ts';
import {
  type KeyMember,
  nextStep,
  ownersOf,
  type Owners,
  type Step,
  type Tier,
} from './key-owner.ts';
import { DEFAULT_ROUTE_LIMITS, SHARING } from './limits.ts';
import type { NodeClient } from './node-client.ts';
import type { Plane } from './plane.ts';
import type { ObeyedPurges } from './purge-orders.ts';
import { textHash } from './text-hash.ts';
import { Upstream } from './upstream.ts';
import type { AskedRoute } from './upstream-exchange.ts';

/** Names a gateway process to the door of its node; no instance is called so. */
const NAME = /^@cache\/(\d{1,4})$/;

/** The number of the process that is named, from 1 on; undefined for names of instances. */
export function sharerNumber(name: string): number | undefined {
  const found = NAME.exec(name)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** One process that shares. */
export class Sharer implements KeyMember {
  readonly id: string;
  readonly hash: number;
  readonly node: string;
  readonly region: string;
  /** Of its node's, from 1 on. */
  readonly worker: number;
  /** Undefined for this process itself. */
  readonly upstream: Upstream | undefined;
  readonly #plane: Plane;
  /** Monotonic; 0: nothing is known against it. */
  #awayUntilMs = 0;
  #checkedMs = -Infinity;

  constructor(
    plane: Plane,
    of: {
      readonly node: string;
      readonly name: string;
      readonly region: string;
      readonly worker: number;
      readonly upstream: Upstream | undefined;
    },
  ) {
    this.#plane = plane;
    this.id = `${of.node}/${of.worker}`;
    this.hash = textHash(this.id);
    this.node = of.name;
    this.region = of.region;
    this.worker = of.worker;
    this.upstream = of.upstream;
  }

  get isUsable(): boolean {
    return this.#awayUntilMs === 0 || this.#plane.coarseMs >= this.#awayUntilMs;
  }

  get isFull(): boolean {
    return (this.upstream?.requests ?? 0) >= SHARING.questionsMax;
  }

  /** A question goes there: when something is known against it, it is the only one for a moment. */
  tried(): void {
    if (this.#awayUntilMs > 0) this.missed();
  }

  heard(): void {
    this.#awayUntilMs = 0;
  }

  missed(): void {
    this.#awayUntilMs = this.#plane.coarseMs + SHARING.awayMs;
  }

  /** Whether it is time to ask if it still turns; counts as asked then. */
  mayCheck(): boolean {
    const { coarseMs } = this.#plane;
    if (coarseMs - this.#checkedMs < SHARING.silentMs) return false;
    this.#checkedMs = coarseMs;
    return true;
  }

  /** Somebody waits there for long: it was asked in this round of questions or the last one. */
  get isSlow(): boolean {
    return this.#plane.coarseMs - this.#checkedMs < 2 * SHARING.silentMs;
  }

  /** For one question. */
  route(times: Pick<RouteLimits, 'responseTimeoutMs' | 'idleTimeoutMs'>): AskedRoute {
    const { connectTimeoutMs } = SHARING;
    return {
      upstreams: this.upstream === undefined ? [] : [this.upstream],
      backups: undefined,
      balancer: undefined,
      regions: undefined,
      limits: { ...DEFAULT_ROUTE_LIMITS, ...times, connectTimeoutMs },
    };
  }
}

export interface SharingOptions {
  readonly plane: Plane;
  readonly nodes: NodeClient;
  readonly purges: ObeyedPurges;
  /** Where a process of this machine takes questions. */
  readonly socketOf: (slot: number) => string;
}

/** What one process shares with whom, as one config has it. */
export class Sharing {
  readonly purges: ObeyedPurges;
  readonly self: Sharer;
  readonly members: readonly Sharer[];
  /** Since this process started. */
  readonly counts: SharingCounts;

  private constructor(
    purges: ObeyedPurges,
    self: Sharer,
    members: readonly Sharer[],
    counts: SharingCounts,
  ) {
    this.purges = purges;
    this.self = self;
    this.members = members;
    this.counts = counts;
  }

  /** Undefined when there is nobody to share with. What `before` knows of others goes on. */
  static of(
    options: SharingOptions,
    config: {
      readonly slots: readonly number[];
      /** Of this process. */
      readonly slot: number;
      readonly sharing: SharingConfig | undefined;
    },
    before: Sharing | undefined,
  ): Sharing | undefined {
    const { slots, slot, sharing } = config;
    const own = sharing?.self ?? { node: 'self', name: '', region: 'local' };
    const places = [
      ...slots.map((one, index) => ({
        ...own,
        worker: index + 1,
        isSelf: one === slot,
        address: { kind: 'socket', path: options.socketOf(one) } as const,
      })),
      ...(sharing?.nodes ?? []).flatMap(({ workers, host, port, ...node }) =>
        Array.from({ length: workers }, (_, index) => ({
          ...node,
          worker: index + 1,
          isSelf: false,
          address: { kind: 'node', node: node.node, host, port } as const,
        })),
      ),
    ];
    const hasSelf = places.some(({ isSelf }) => isSelf);
    if (!hasSelf || places.length < 2) {
      before?.retire();
      return undefined;
    }
    const known = new Map(before?.members.map((member) => [placeOf(member), member]));
    const members = places.map((place) => {
      const upstream = place.isSelf ? undefined : upstreamFor(options.nodes, place);
      const made = new Sharer(options.plane, { ...place, upstream });
      const same = known.get(placeOf(made));
      if (same === undefined) return made;
      known.delete(placeOf(made));
      return same;
    });
    for (const gone of known.values()) gone.upstream?.retire();
    const self = members.find(({ upstream }) => upstream === undefined);
    if (self === undefined) return undefined;
    return new Sharing(options.purges, self, members, before?.counts ?? new SharingCounts());
  }

  /** Whom to ask for the key, if not the origin; `asked` is as what this process was asked itself. */
  stepFor(
    key: string,
    asked: Tier | undefined,
  ): { readonly step: Step<Sharer> | undefined; readonly isOwner: boolean } {
    const owners = this.ownersFor(key);
    const step = nextStep(owners, this.self, asked);
    const isOwner = owners.region === this.self || owners.cluster === this.self;
    return { step: step?.member.isFull === true ? undefined : step, isOwner };
  }

  ownersFor(key: string): Owners<Sharer> {
    const { self, members } = this;
    return ownersOf(key, members, { region: self.region, isUsable });
  }

  /** Every process that owns the key for somebody, the first of all first; without this one. */
  allOwnersOf(key: string): readonly Sharer[] {
    const regions = new Set(this.members.map(({ region }) => region));
    const found = new Set<Sharer>();
    const { cluster } = this.ownersFor(key);
    if (cluster !== undefined) found.add(cluster);
    for (const region of regions) {
      const owner = ownersOf(key, this.members, { region, isUsable }).region;
      if (owner !== undefined) found.add(owner);
    }
    found.delete(this.self);
    return [...found];
  }

  sweep(nowMs: number): void {
    for (const { upstream } of this.members) upstream?.sweep(nowMs);
  }

  retire(): void {
    for (const { upstream } of this.members) upstream?.retire();
  }
}

/** What became of questions to owners. */
export class SharingCounts {
  asked = 0;
  answered = 0;
  /** The owner would not; the origin was asked. */
  refused = 0;
  /** The owner could not be reached, or went away; the origin was asked. */
  missed = 0;
}

function isUsable(member: Sharer): boolean {
  return member.isUsable;
}

function upstreamFor(
  nodes: NodeClient,
  place: { readonly worker: number; readonly address: UpstreamAddress },
): Upstream {
  return new Upstream({ id: `@cache/${place.worker}`, address: place.address }, nodes);
}

function placeOf({ id, region, node, upstream }: Sharer): string {
  return JSON.stringify([id, region, node, upstream?.config.address]);
}
