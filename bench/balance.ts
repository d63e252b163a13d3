/**
 * `npm run bench -- balance`: the balancing algorithms in a simulated site, without sockets or clocks. Prints p50 and p99 of the
 * time from arrival to answer. The same seed gives the same figures on every machine.
 */
import { parseArgs } from 'node:util';
import { createRandom } from '../src/gateway/balance.ts';
import {
  chooseInTurn,
  chooseLeast,
  chooseOfTwo,
  drawByShare,
} from '../src/gateway/balancing/algorithms.ts';
import type { Algorithm } from '../src/gateway/balancing/balance-config.ts';
import { ALGORITHMS } from '../src/gateway/balancing/balance-config.ts';
import { chooseByHash } from '../src/gateway/balancing/bounded-hash.ts';
import { PeakEwma } from '../src/gateway/balancing/peak-ewma.ts';
import { textHash } from '../src/gateway/text-hash.ts';

const BACKENDS = 10;
/** Requests that one back end works on at once. */
const SLOTS = 4;
/** Of an ordinary back end. */
const SERVICE_MS = 10;
/** Processes that each know only of their own requests. */
const GATEWAYS = 4;
/** Share of what all can do together. */
const USE = 0.7;
const KEYS = 10_000;
const BOUND = 1.25;
const USUAL_REQUESTS = 200_000;

interface Site {
  readonly name: string;
  /** How many times as long it takes as an ordinary one; on average for `weighted`, and at a moment. */
  slowness(backend: number): number;
  slownessAt(backend: number, nowMs: number): number;
}

const SITES: readonly Site[] = [
  { name: 'ten alike', slowness: () => 1, slownessAt: () => 1 },
  {
    name: 'three of ten three times slower',
    slowness: (backend) => (backend < 3 ? 3 : 1),
    slownessAt: (backend) => (backend < 3 ? 3 : 1),
  },
  {
    name: 'one of ten twenty times slower for 1 s of 10 s',
    slowness: () => 1,
    slownessAt: (backend, nowMs) => (backend === 0 && nowMs % 10_000 < 1000 ? 20 : 1),
  },
];

/** A back end as one gateway sees it. */
interface View {
  load: number;
  readonly share: number;
  readonly weight: number;
  readonly hash: number;
  turn: number;
  readonly latency: PeakEwma;
}

interface Answer {
  readonly atMs: number;
  readonly view: View;
  readonly latencyMs: number;
}

/** Answers in the order of their time. */
class Answers {
  readonly #heap: Answer[] = [];

  push(answer: Answer): void {
    const heap = this.#heap;
    let at = heap.push(answer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.atMs <= answer.atMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = answer;
  }

  /** The next one up to `nowMs`. */
  take(nowMs: number): Answer | undefined {
    const heap = this.#heap;
    const [first] = heap;
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if ((heap[child + 1]?.atMs ?? Infinity) < (heap[child]?.atMs ?? Infinity)) child++;
      const below = heap[child];
      if (below === undefined || below.atMs >= last.atMs) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function choose(
  algorithm: Algorithm,
  views: readonly View[],
  { key, nowMs, random }: { key: number; nowMs: number; random: () => number },
): number {
  switch (algorithm) {
    case 'p2c':
      return chooseOfTwo(views, random);
    case 'least':
      return chooseLeast(views, random);
    case 'round-robin':
    case 'weighted':
      return chooseInTurn(views, (view) => view.share);
    case 'random':
      return drawByShare(views, random);
    case 'ewma':
      return chooseOfTwo(views, random, (_choice, index) => {
        const view = views[index];
        return view?.latency.cost(view.load, view.share, nowMs) ?? Infinity;
      });
    case 'hash':
      return chooseByHash(views, key, BOUND);
  }
}

/** Latencies, sorted. */
function simulate(algorithm: Algorithm, site: Site, requests: number): Float64Array {
  const random = createRandom(42);
  const capacity = Array.from({ length: BACKENDS }, (_value, at) => SLOTS / site.slowness(at));
  const perMs = (USE * capacity.reduce((sum, one) => sum + one, 0)) / SERVICE_MS;
  const freeAtMs = Array.from({ length: BACKENDS }, () => new Float64Array(SLOTS));
  const gateways = Array.from({ length: GATEWAYS }, () =>
    Array.from({ length: BACKENDS }, (_value, at): View => {
      const weight = algorithm === 'weighted' ? 1 / site.slowness(at) : 1;
      const hash = textHash(`backend ${at}`);
      return { load: 0, share: weight, weight, hash, turn: 0, latency: new PeakEwma() };
    }),
  );
  const answers = new Answers();
  const latencies = new Float64Array(requests);
  let nowMs = 0;
  for (let request = 0; request < requests; request++) {
    nowMs += exponential(1 / perMs, random);
    for (let done = answers.take(nowMs); done !== undefined; done = answers.take(nowMs)) {
      done.view.load--;
      done.view.latency.observe(done.latencyMs, done.atMs);
    }
    const views = gateways[Math.floor(random() * GATEWAYS)] ?? [];
    // Some keys are asked for far more often than others.
    const key = textHash(`key ${Math.floor(KEYS * random() ** 3)}`);
    const backend = choose(algorithm, views, { key, nowMs, random });
    const view = views[backend];
    const free = freeAtMs[backend];
    if (view === undefined || free === undefined) throw new Error('Nobody was chosen');
    const slot = free.indexOf(Math.min(...free));
    const startMs = Math.max(nowMs, free[slot] ?? 0);
    const slowness = site.slownessAt(backend, startMs);
    const endMs = startMs + exponential(SERVICE_MS * slowness, random);
    free[slot] = endMs;
    view.load++;
    latencies[request] = endMs - nowMs;
    answers.push({ atMs: endMs, view, latencyMs: endMs - nowMs });
  }
  return latencies.sort();
}

function exponential(mean: number, random: () => number): number {
  return -mean * Math.log(1 - random());
}

function quantile(sorted: Float64Array, share: number): string {
  return (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0);
}

export async function benchBalance(options: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...options],
    options: { requests: { type: 'string', default: String(USUAL_REQUESTS) } },
  });
  const requests = Number(values.requests);
  if (!Number.isSafeInteger(requests) || requests < 1) {
    throw new Error(`--requests is "${values.requests}", want a whole number`);
  }
  for (const site of SITES) {
    console.log(`\n| ${site.name} | p50 | p99 | p99.9 |\n|---|--:|--:|--:|`);
    for (const algorithm of ALGORITHMS) {
      const sorted = simulate(algorithm, site, requests);
      const [half, most, nearlyAll] = [0.5, 0.99, 0.999].map((share) => quantile(sorted, share));
      console.log(`| ${algorithm} | ${half} ms | ${most} ms | ${nearlyAll} ms |`);
    }
  }
}
