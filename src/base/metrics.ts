/**
 * Counters, gauges and histograms, written as Prometheus text (exposition format 0.0.4). Families can be
 * taken as plain data, sent over IPC and merged, so that several gateway processes show as one.
 */

export type Labels = Readonly<Record<string, string>>;
export type MetricType = 'counter' | 'gauge' | 'histogram';

/** One family as plain data. Histogram samples carry cumulative buckets beside `sum` and `count`. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly labels: Labels;
  /** Value of a counter or gauge; the sum of a histogram. */
  readonly value: number;
  readonly count?: number;
  /** `[upper bound, cumulative count]`, ascending, without +Inf. */
  readonly buckets?: readonly (readonly [number, number])[];
}

interface Sample {
  readonly labels: Labels;
  value: number;
  count: number;
  readonly bucketCounts: number[];
}

/** The same text for the same labels in any order. */
function labelsKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A handle that costs one addition to use; keep it instead of looking it up. */
export interface Counter {
  add(amount?: number): void;
}
export interface Gauge {
  set(value: number): void;
}
export interface Histogram {
  observe(value: number): void;
}

/** Seconds; from a cache hit to a slow report. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Label sets one family may have; beyond it samples fall into `other="true"`, so memory stays bounded. */
export const SAMPLES_PER_FAMILY_MAX = 2000;

class Family {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly bounds: readonly number[];
  readonly #samples = new Map<string, Sample>();

  constructor(name: string, help: string, type: MetricType, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.bounds = bounds;
  }

  sample(labels: Labels): Sample {
    const key = labelsKey(labels);
    const known = this.#samples.get(key);
    if (known !== undefined) return known;
    if (this.#samples.size >= SAMPLES_PER_FAMILY_MAX && !('other' in labels)) {
      return this.sample({ other: 'true' });
    }
    const made = { labels, value: 0, count: 0, bucketCounts: this.bounds.map(() => 0) };
    this.#samples.set(key, made);
    return made;
  }

  remove(match: Labels): void {
    for (const [key, sample] of this.#samples) {
      if (Object.entries(match).every(([name, value]) => sample.labels[name] === value)) {
        this.#samples.delete(key);
      }
    }
  }

  snapshot(): MetricFamily {
    const samples = [...this.#samples.values()].map((sample): MetricSample => {
      if (this.type !== 'histogram') return { labels: sample.labels, value: sample.value };
      let cumulative = 0;
      const buckets = this.bounds.map((bound, index): [number, number] => {
        cumulative += sample.bucketCounts[index] ?? 0;
        return [bound, cumulative];
      });
      return { labels: sample.labels, value: sample.value, count: sample.count, buckets };
    });
    return { name: this.name, help: this.help, type: this.type, samples };
  }
}

/** All metrics of one process. */
export class Metrics {
  readonly #families = new Map<string, Family>();
  readonly #collectors: (() => void)[] = [];

  counter(name: string, help: string, labels: Labels = {}): Counter {
    const sample = this.#family(name, help, 'counter').sample(labels);
    return {
      add: (amount = 1) => {
        sample.value += amount;
      },
    };
  }

  gauge(name: string, help: string, labels: Labels = {}): Gauge {
    const sample = this.#family(name, help, 'gauge').sample(labels);
    return {
      set: (value) => {
        sample.value = value;
      },
    };
  }

  histogram(
    name: string,
    help: string,
    labels: Labels = {},
    bounds: readonly number[] = LATENCY_BUCKETS,
  ): Histogram {
    const sample = this.#family(name, help, 'histogram', bounds).sample(labels);
    return {
      observe: (value) => {
        sample.value += value;
        sample.count++;
        for (let index = 0; index < bounds.length; index++) {
          if (value <= (bounds[index] ?? 0)) {
            sample.bucketCounts[index] = (sample.bucketCounts[index] ?? 0) + 1;
            return;
          }
        }
      },
    };
  }

  /** Called before each snapshot; for gauges that are read, not kept. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** Forgets every sample of a family whose labels include `match` (an app was removed). */
  remove(name: string, match: Labels): void {
    this.#families.get(name)?.remove(match);
  }

  snapshot(): MetricFamily[] {
    for (const collect of this.#collectors) collect();
    return [...this.#families.values()].map((family) => family.snapshot());
  }

  #family(name: string, help: string, type: MetricType, bounds: readonly number[] = []): Family {
    const known = this.#families.get(name);
    if (known !== undefined) {
      if (known.type !== type) throw new Error(`Metric "${name}" is a ${known.type} already`);
      return known;
    }
    const family = new Family(name, help, type, bounds);
    this.#families.set(name, family);
    return family;
  }
}

/** Adds up samples with equal labels of families with equal names; gauges are added too. */
export function mergeFamilies(groups: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const merged = new Map<string, { family: MetricFamily; samples: Map<string, MetricSample> }>();
  for (const family of groups.flat()) {
    let target = merged.get(family.name);
    if (target === undefined) {
      target = { family, samples: new Map() };
      merged.set(family.name, target);
    }
    for (const sample of family.samples) {
      const key = labelsKey(sample.labels);
      const known = target.samples.get(key);
      target.samples.set(key, known === undefined ? sample : addSamples(known, sample));
    }
  }
  return [...merged.values()].map(({ family, samples }) => ({
    ...family,
    samples: [...samples.values()],
  }));
}

function addSamples(a: MetricSample, b: MetricSample): MetricSample {
  const value = a.value + b.value;
  if (a.buckets === undefined || b.buckets === undefined) return { labels: a.labels, value };
  const other = b.buckets;
  return {
    labels: a.labels,
    value,
    count: (a.count ?? 0) + (b.count ?? 0),
    buckets: a.buckets.map(([bound, count], index) => [bound, count + (other[index]?.[1] ?? 0)]),
  };
}

/** Prometheus text of the families. */
export function formatPrometheus(families: readonly MetricFamily[]): string {
  const lines: string[] = [];
  for (const family of families) {
    lines.push(
      `# HELP ${family.name} ${family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
    );
    lines.push(`# TYPE ${family.name} ${family.type}`);
    for (const sample of family.samples) {
      if (family.type !== 'histogram') {
        lines.push(`${family.name}${formatLabels(sample.labels)} ${sample.value}`);
        continue;
      }
      for (const [bound, count] of sample.buckets ?? []) {
        const labels = formatLabels({ ...sample.labels, le: String(bound) });
        lines.push(`${family.name}_bucket${labels} ${count}`);
      }
      const labels = formatLabels(sample.labels);
      const infinite = formatLabels({ ...sample.labels, le: '+Inf' });
      lines.push(`${family.name}_bucket${infinite} ${sample.count ?? 0}`);
      lines.push(`${family.name}_sum${labels} ${sample.value}`);
      lines.push(`${family.name}_count${labels} ${sample.count ?? 0}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function formatLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    return `${name}="${escaped}"`;
  });
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

/** The value at quantile `q` (0 to 1) of a histogram sample, interpolated inside its bucket. */
export function quantile(sample: MetricSample, q: number): number {
  const total = sample.count ?? 0;
  if (total === 0 || sample.buckets === undefined) return 0;
  const rank = q * total;
  let lowerBound = 0;
  let below = 0;
  for (const [bound, cumulative] of sample.buckets) {
    if (cumulative >= rank) {
      const inside = cumulative - below;
      return inside === 0 ? bound : lowerBound + (bound - lowerBound) * ((rank - below) / inside);
    }
    lowerBound = bound;
    below = cumulative;
  }
  return lowerBound;
}
