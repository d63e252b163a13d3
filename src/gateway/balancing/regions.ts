/**
 * The regions that one route's upstreams are in, as the gateway of one of them sees them: draws the region of each request, so that
 * the upstreams of that one alone are chosen from. A new config takes over what is known.
 */
import { NO_SPILL, nextSpill, type RegionState, type Spill } from './spill.ts';

const EVERY_MS = 1000;

/** How a route's upstreams are looked at. */
export interface RegionView<T> {
  /** 0 to 1; undefined while it is not to be asked. */
  readonly useOf: (one: T, nowMs: number) => number | undefined;
  /** Only its answers say how busy it is. */
  readonly isProbed: (one: T) => boolean;
}

export interface RegionsOptions<T> extends RegionView<T> {
  /** The gateway's region. */
  readonly own: string | undefined;
  readonly all: readonly T[];
  /** Of each of them; the gateway's own unless said. */
  readonly configs: readonly { readonly region?: string }[];
  readonly before: Regions<T> | undefined;
}

export class Regions<T> {
  readonly #own: string;
  readonly #view: RegionView<T>;
  readonly #regionOf: ReadonlyMap<T, string>;
  /** Times that a region was chosen, since this process has the route. */
  readonly chosen: Map<string, number>;
  #spill: Spill = NO_SPILL;
  #atMs: number | undefined;

  private constructor(own: string, regionOf: ReadonlyMap<T, string>, options: RegionsOptions<T>) {
    this.#own = own;
    this.#view = options;
    this.#regionOf = regionOf;
    const { before } = options;
    this.chosen = before?.chosen ?? new Map<string, number>();
    if (before === undefined || before.#own !== own) return;
    this.#spill = before.#spill;
    this.#atMs = before.#atMs;
  }

  /** Undefined when there is nothing to choose: all upstreams are in one region. */
  static of<T>(options: RegionsOptions<T>): Regions<T> | undefined {
    const { own, all, configs } = options;
    if (own === undefined) return undefined;
    const regionOf = new Map(all.map((one, index) => [one, configs[index]?.region ?? own]));
    return new Set(regionOf.values()).size < 2 ? undefined : new Regions(own, regionOf, options);
  }

  /** The gateway's. */
  get own(): string {
    return this.#own;
  }

  /** Shares as of the last look, by region. */
  get spill(): Spill {
    return this.#spill;
  }

  /**
   * Those of the region that is drawn. `usable`: may be asked now; a region without any of them is passed over.
   * `draw` is in 0..1; the same one stays in its region while the shares do.
   */
  narrow(usable: readonly T[], nowMs: number, draw: number): readonly T[] {
    this.#look(nowMs);
    const regions = new Map<string, T[]>();
    for (const one of usable) {
      const name = this.#regionOf.get(one) ?? this.#own;
      const list = regions.get(name);
      if (list === undefined) regions.set(name, [one]);
      else list.push(one);
    }
    if (regions.size === 0) return usable;
    const name = this.#drawn([...regions.keys()].toSorted(), draw);
    this.chosen.set(name, (this.chosen.get(name) ?? 0) + 1);
    return regions.get(name) ?? usable;
  }

  /** The own region when none has a share: those that had are gone since the last look. */
  #drawn(names: readonly string[], draw: number): string {
    const shareOf = (name: string): number => this.#spill.regions.get(name)?.share ?? 0;
    let rest = draw * names.reduce((sum, name) => sum + shareOf(name), 0);
    for (const name of names) {
      rest -= shareOf(name);
      if (rest < 0) return name;
    }
    return names.includes(this.#own) ? this.#own : (names[Math.floor(draw * names.length)] ?? '');
  }

  #look(nowMs: number): void {
    const elapsedMs = this.#atMs === undefined ? EVERY_MS : nowMs - this.#atMs;
    if (elapsedMs < EVERY_MS) return;
    this.#atMs = nowMs;
    this.#spill = nextSpill(this.#spill, this.#states(nowMs), this.#own, elapsedMs);
  }

  #states(nowMs: number): ReadonlyMap<string, RegionState> {
    const sums = new Map<string, { hosts: number; used: number; isProbed: boolean }>();
    for (const [one, name] of this.#regionOf) {
      const sum = sums.get(name) ?? { hosts: 0, used: 0, isProbed: false };
      sums.set(name, sum);
      const use = this.#view.useOf(one, nowMs);
      if (use === undefined) continue;
      sum.hosts++;
      sum.used += use;
      sum.isProbed ||= this.#view.isProbed(one);
    }
    return new Map(
      [...sums].map(([name, { hosts, used, isProbed }]) => [
        name,
        { hosts, use: hosts === 0 ? undefined : used / hosts, isProbed },
      ]),
    );
  }
}
