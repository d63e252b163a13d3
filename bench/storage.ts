/**
 * `npm run bench -- storage`: how the file store's deciders do with more than one machine has: 1,000 nodes of unequal room in four regions and
 * 100 million objects, without disks or sockets. Balance, repair after a node or a region is lost, and what is lost for good, for
 * some policies. The same seed gives the same figures on every machine. `--plots DIR` draws them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Place, Policy } from '../src/files/files.ts';
import { choose } from '../src/files/placement.ts';
import { parsePolicy } from '../src/files/policy.ts';
import { type Seeded, seeded } from '../testing/seeded.ts';
import { plotSvg } from './plot.ts';

const REGIONS = 4;
const ZONES = 10;
const HOSTS = 25;
const TB: number = 1e12;
const ROOM_TB = [0.5, 1, 2, 4, 8] as const;
const OBJECTS = 100_000_000;
const OBJECT_BYTES = 8e6;
/** Objects that go the same way, so that they can be gone through. It makes balance look worse than it is. */
const TOGETHER = 2000;
/** What a disk that serves clients besides gives to repair. */
const REPAIR_BYTES_PER_SECOND = 40e6;
/** Before a node that is silent counts as lost. */
const WAIT_HOURS = 0.5;
const FAILURES_PER_YEAR = 0.04;
const HOURS_PER_YEAR = 8766;
/** The check by lottery: nodes fail so many times as often, for so many years. */
const LOTTERY_FASTER = 100;
const LOTTERY_YEARS = 20;

const POLICIES = ['2 copies', '2 copies across region', '3 copies across zone'] as const;

/** Groups of objects, and by node the groups that it has. */
interface Site {
  readonly policy: Policy;
  readonly places: readonly Place[];
  readonly roomBytes: ReadonlyMap<string, number>;
  readonly groups: readonly (readonly Place[])[];
}

interface Repair {
  readonly bytes: number;
  readonly nodes: number;
  readonly hours: number;
  /** Objects of which no copy is left. */
  readonly lost: number;
}

export async function benchStorage(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: { seed: { type: 'string', default: '1' }, plots: { type: 'string' } },
  });
  const seed = Number(values.seed);
  const fills: (readonly number[])[] = [];
  const repairs: Repair[] = [];
  for (const text of POLICIES) {
    const random = seeded(seed);
    const site = filled(parsePolicy(text), random);
    const fill = fillsOf(site);
    fills.push(fill);
    console.log(`\n${text}`);
    console.log(`  filled                 ${percents(fill)}`);
    const node = repairOf(site, ({ node }) => node === largest(site), random);
    repairs.push(node);
    console.log(`  the largest node lost  ${sentence(node)}`);
    const region = repairOf(site, ({ region }) => region === 'region-0', random);
    console.log(`  a region lost          ${sentence(region)}`);
    const copies = site.policy.slots.length;
    const hours = WAIT_HOURS + node.hours;
    console.log(
      `  lost for good a year   ${lossPerYear(copies, hours).toExponential(1)} of ${OBJECTS} objects`,
    );
    const drawn = lottery(site, hours, random);
    const computed = lossPerYear(copies, hours, LOTTERY_FASTER);
    console.log(
      `  if nodes failed ${LOTTERY_FASTER} times as often: drawn ${drawn.toPrecision(2)}, computed ${computed.toPrecision(2)} a year`,
    );
  }
  if (values.plots !== undefined) await draw(values.plots, fills);
}

function filled(policy: Policy, random: Seeded): Site {
  const places: Place[] = [];
  const roomBytes = new Map<string, number>();
  const at = new Map<string, number>();
  for (let node = 0; node < REGIONS * ZONES * HOSTS; node++) {
    const region = node % REGIONS;
    const zone = Math.floor(node / REGIONS) % ZONES;
    const room = random.pick(ROOM_TB) * TB;
    const id = `n${node}/main`;
    roomBytes.set(id, room);
    at.set(id, node);
    places.push({
      id,
      node: `n${node}`,
      name: `n${node}`,
      zone: `zone-${zone}`,
      region: `region-${region}`,
      labels: new Set(),
      freeBytes: room,
      state: 'good',
    });
  }
  const groups: (readonly Place[])[] = [];
  for (let group = 0; group < OBJECTS / TOGETHER; group++) {
    const chosen = choose(policy, { cid: `g${group}`, places, have: [] });
    groups.push(chosen);
    for (const place of chosen) {
      const index = at.get(place.id) ?? 0;
      places[index] = { ...place, freeBytes: place.freeBytes - TOGETHER * OBJECT_BYTES };
    }
  }
  return { policy, places, roomBytes, groups };
}

/** Shares of their room that nodes have given away, ascending. */
function fillsOf({ places, roomBytes }: Site): readonly number[] {
  return places
    .map(({ id, freeBytes }) => 1 - freeBytes / (roomBytes.get(id) ?? 1))
    .toSorted((one, other) => one - other);
}

function percents(fill: readonly number[]): string {
  const at = (share: number): string =>
    `${(100 * (fill[Math.floor(share * (fill.length - 1))] ?? 0)).toFixed(1)} %`;
  return `least ${at(0)}, p1 ${at(0.01)}, median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
}

function largest({ places, roomBytes }: Site): string {
  const [first] = places.toSorted(
    (one, other) => (roomBytes.get(other.id) ?? 0) - (roomBytes.get(one.id) ?? 0),
  );
  return first?.node ?? '';
}

/** Everything on the places that are gone gets new copies from those that are left; the busiest node decides when it is over. */
function repairOf(site: Site, isGone: (place: Place) => boolean, random: Seeded): Repair {
  const places = site.places.map((place) =>
    isGone(place) ? { ...place, state: 'lost' as const } : place,
  );
  const bytesOf = new Map<string, number>();
  const busy = (node: string, bytes: number): void => {
    bytesOf.set(node, (bytesOf.get(node) ?? 0) + bytes);
  };
  let bytes = 0;
  let lost = 0;
  for (const [group, copies] of site.groups.entries()) {
    const left = copies.filter((place) => !isGone(place));
    if (left.length === copies.length) continue;
    if (left.length === 0) {
      lost += TOGETHER;
      continue;
    }
    for (const target of choose(site.policy, { cid: `g${group}`, places, have: left })) {
      busy(random.pick(left).node, TOGETHER * OBJECT_BYTES);
      busy(target.node, TOGETHER * OBJECT_BYTES);
      bytes += TOGETHER * OBJECT_BYTES;
    }
  }
  const most = Math.max(0, ...bytesOf.values());
  return { bytes, nodes: bytesOf.size, hours: most / REPAIR_BYTES_PER_SECOND / 3600, lost };
}

function sentence({ bytes, nodes, hours, lost }: Repair): string {
  const gone = lost === 0 ? 'nothing is lost' : `${lost} objects are lost`;
  return `${(bytes / TB).toFixed(1)} TB copied by ${nodes} nodes in ${hours.toFixed(1)} h, ${gone}`;
}

/**
 * Objects lost a year when nodes fail by themselves: the first copy at n times the rate of a node, and each further one while those before
 * are not made anew.
 */
function lossPerYear(copies: number, hours: number, faster = 1): number {
  const rate = (faster * FAILURES_PER_YEAR) / HOURS_PER_YEAR;
  let perHour = copies * rate;
  for (let left = copies - 1; left > 0; left--) perHour *= left * rate * hours;
  return OBJECTS * perHour * HOURS_PER_YEAR;
}

/** The same, drawn: nodes fail at random, and what is on nothing but failed ones is lost. */
function lottery({ places, groups }: Site, hours: number, random: Seeded): number {
  const on = new Map<string, number[]>(places.map(({ node }) => [node, []]));
  for (const [group, copies] of groups.entries()) {
    for (const { node } of copies) on.get(node)?.push(group);
  }
  const nodes = places.map(({ node }) => node);
  const perHour = (nodes.length * LOTTERY_FASTER * FAILURES_PER_YEAR) / HOURS_PER_YEAR;
  const backAt = new Map<string, number>();
  let lost = 0;
  for (let now = 0; ;) {
    now -= Math.log(1 - random.next()) / perHour;
    if (now > LOTTERY_YEARS * HOURS_PER_YEAR) return lost / LOTTERY_YEARS;
    const failed = random.pick(nodes);
    const isDown = (node: string): boolean => (backAt.get(node) ?? 0) > now;
    if (isDown(failed)) continue;
    for (const group of on.get(failed) ?? []) {
      const others = groups[group]?.filter(({ node }) => node !== failed) ?? [];
      if (others.every(({ node }) => isDown(node))) lost += TOGETHER;
    }
    backAt.set(failed, now + hours);
  }
}

async function draw(folder: string, fills: readonly (readonly number[])[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const balance = plotSvg({
    title: 'How full 1,000 nodes of 0.5 to 8 TB are, the emptiest first',
    x: {
      title: 'nodes',
      min: 0,
      max: 1000,
      ticks: [0, 250, 500, 750, 1000].map((value) => [value, String(value)]),
    },
    y: {
      title: 'share of the room that is taken',
      min: 0,
      max: 1,
      ticks: [0, 0.25, 0.5, 0.75, 1].map((value) => [value, `${100 * value} %`]),
    },
    lines: POLICIES.map((name, at) => ({
      name,
      points: (fills[at] ?? []).map((fill, node) => [node, fill]),
    })),
  });
  await writeFile(join(folder, 'storage-balance.svg'), balance);
  const hours = Array.from({ length: 60 }, (_, at) => 0.1 * 1.12 ** at);
  const loss = plotSvg({
    title: 'Objects lost for good a year, of 100 million, if 4 % of the nodes fail a year',
    x: {
      title: 'hours until what was on a lost node has its copies again',
      min: 0.1,
      max: 100,
      isLogarithmic: true,
      ticks: [0.1, 1, 10, 100].map((value) => [value, String(value)]),
    },
    y: {
      title: 'objects a year',
      min: 1e-9,
      max: 1e6,
      isLogarithmic: true,
      ticks: [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6].map((value) => [value, value.toExponential(0)]),
    },
    lines: [2, 3, 4].map((copies) => ({
      name: `${copies} copies`,
      points: hours.map((time) => [time, lossPerYear(copies, time)]),
    })),
  });
  await writeFile(join(folder, 'storage-loss.svg'), loss);
}
