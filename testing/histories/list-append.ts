/**
 * Finds anomalies in a history of transactions that append unique numbers to lists and read them (Kingsbury and Alvaro: "Elle",
 * 2020; the names are Adya's). The longest read of a list tells the order of its versions; from that follow edges between
 * transactions, and a cycle of edges is an anomaly, named by what it is made of. Pure.
 */
import { type Edge, type EdgeKind, Graph } from './graph.ts';
import type { Transaction } from './history.ts';

export type AnomalyName =
  | 'G0'
  | 'G1a'
  | 'G1b'
  | 'G1c'
  | 'G-single'
  | 'G2'
  | 'internal'
  | 'duplicate'
  | 'incompatible-order';

export interface Anomaly {
  readonly name: AnomalyName;
  /** Whether the cycle needs the order of one process, or of real time. */
  readonly needs?: 'process' | 'realtime';
  readonly what: string;
}

export function checkListAppend(history: readonly Transaction[]): readonly Anomaly[] {
  const facts = new Facts(history);
  return [
    ...facts.duplicates(),
    ...facts.internal(),
    ...facts.aborted(),
    ...facts.intermediate(),
    ...facts.incompatible(),
    ...cycles(facts.graph()),
  ];
}

interface Read {
  readonly reader: number;
  readonly key: number;
  readonly list: readonly number[];
}

class Facts {
  readonly #history: readonly Transaction[];
  /** By key and value; values are unique. */
  readonly #writers = new Map<number, Map<number, number>>();
  /** Of transactions that have happened, without what they appended themselves. */
  readonly #reads: readonly Read[];
  /** By key: the longest. */
  readonly #orders = new Map<number, readonly number[]>();

  constructor(history: readonly Transaction[]) {
    this.#history = history;
    for (const [at, { steps }] of history.entries()) {
      for (const step of steps) {
        if (step[0] !== 'append') continue;
        const ofKey = this.#writers.get(step[1]) ?? new Map<number, number>();
        this.#writers.set(step[1], ofKey.set(step[2], at));
      }
    }
    this.#reads = history.flatMap((one, at) => (one.type === 'ok' ? readsOf(one, at) : []));
    for (const { key, list } of this.#reads) {
      if (list.length > (this.#orders.get(key)?.length ?? -1)) this.#orders.set(key, list);
    }
  }

  duplicates(): readonly Anomaly[] {
    return this.#reads
      .filter(({ list }) => new Set(list).size < list.length)
      .map((read) => ({ name: 'duplicate', what: this.#say(read) }));
  }

  /** A transaction disagrees with itself: it sees what it appended, after what it read before. */
  internal(): readonly Anomaly[] {
    return this.#history.flatMap((one, at): readonly Anomaly[] => {
      if (one.type !== 'ok') return [];
      const known = new Map<number, { list: number[]; isWhole: boolean }>();
      for (const step of one.steps) {
        const [kind, key, value] = step;
        const so = known.get(key) ?? { list: [], isWhole: false };
        if (kind === 'append') so.list.push(value);
        else if (value !== null) {
          const end = so.isWhole ? value : value.slice(value.length - so.list.length);
          if (!isEqual(end, so.list))
            return [
              { name: 'internal', what: `${this.#name(at)}: list ${key} is ${value.join(' ')}` },
            ];
          Object.assign(so, { list: [...value], isWhole: true });
        }
        known.set(key, so);
      }
      return [];
    });
  }

  /** Reads of what was never committed. */
  aborted(): readonly Anomaly[] {
    return this.#reads.flatMap((read) =>
      read.list
        .filter((value) => {
          const writer = this.#writer(read.key, value);
          return writer === undefined || this.#history[writer]?.type === 'fail';
        })
        .map((value): Anomaly => ({
          name: 'G1a',
          what: `${this.#say(read)}, ${value} never happened`,
        })),
    );
  }

  /** Reads of a state in the middle of another transaction. */
  intermediate(): readonly Anomaly[] {
    return this.#reads.flatMap((read): readonly Anomaly[] => {
      const last = read.list.at(-1);
      const writer = last === undefined ? undefined : this.#writer(read.key, last);
      if (writer === undefined || writer === read.reader) return [];
      const own = this.#history[writer]?.steps.filter(
        ([kind, key]) => kind === 'append' && key === read.key,
      );
      if (own?.at(-1)?.[2] === last) return [];
      return [{ name: 'G1b', what: `${this.#say(read)}, in the middle of ${this.#name(writer)}` }];
    });
  }

  /** Two reads of one list of which neither begins with the other. */
  incompatible(): readonly Anomaly[] {
    return this.#reads
      .filter(({ key, list }) => !isEqual(this.#orders.get(key)?.slice(0, list.length) ?? [], list))
      .map((read) => ({
        name: 'incompatible-order',
        what: `${this.#say(read)}, another one ${this.#orders.get(read.key)?.join(' ') ?? ''}`,
      }));
  }

  graph(): Graph {
    const graph = new Graph(this.#history.length);
    for (const [key, order] of this.#orders) {
      for (let at = 1; at < order.length; at++)
        graph.add('ww', this.#writer(key, order[at - 1]), this.#writer(key, order[at]));
    }
    const unread = this.#unread();
    for (const { reader, key, list } of this.#reads) {
      const last = list.at(-1);
      if (last !== undefined) graph.add('wr', this.#writer(key, last), reader);
      const order = this.#orders.get(key) ?? [];
      if (list.length < order.length)
        graph.add('rw', reader, this.#writer(key, order[list.length]));
      // Appends go to the end, so what no read shows came after all of them.
      else for (const writer of unread.get(key) ?? []) graph.add('rw', reader, writer);
    }
    this.#addProcesses(graph);
    this.#addTime(graph);
    return graph;
  }

  #unread(): ReadonlyMap<number, readonly number[]> {
    const unread = new Map<number, number[]>();
    const shown = new Map([...this.#orders].map(([key, order]) => [key, new Set(order)]));
    for (const [at, { type, steps }] of this.#history.entries()) {
      if (type !== 'ok') continue;
      for (const [kind, key, value] of steps) {
        if (kind !== 'append' || shown.get(key)?.has(value) === true) continue;
        unread.set(key, [...(unread.get(key) ?? []), at]);
      }
    }
    return unread;
  }

  #addProcesses(graph: Graph): void {
    const last = new Map<number, number>();
    for (const at of this.#byBeginning()) {
      const { process } = this.#history[at] as Transaction;
      graph.add('process', last.get(process), at);
      last.set(process, at);
    }
  }

  /** Edges to what began next after each end; the others follow from those. */
  #addTime(graph: Graph): void {
    const ended = this.#byBeginning()
      .filter((at) => this.#history[at]?.type === 'ok')
      .toSorted((a, b) => this.#endOf(a) - this.#endOf(b));
    let frontier: number[] = [];
    let next = 0;
    for (const at of this.#byBeginning()) {
      const { began } = this.#history[at] as Transaction;
      for (
        let one = ended[next];
        one !== undefined && this.#endOf(one) < began;
        one = ended[++next]
      ) {
        const from = (this.#history[one] as Transaction).began;
        // Whoever ended before it began is before it already.
        frontier = frontier.filter((other) => this.#endOf(other) >= from);
        frontier.push(one);
      }
      for (const before of frontier) graph.add('realtime', before, at);
    }
  }

  #byBeginning(): readonly number[] {
    return [...this.#history.keys()]
      .filter((at) => this.#history[at]?.type !== 'fail')
      .toSorted((a, b) => (this.#history[a]?.began ?? 0) - (this.#history[b]?.began ?? 0));
  }

  #endOf(at: number): number {
    return this.#history[at]?.ended ?? 0;
  }

  #writer(key: number, value: number | undefined): number | undefined {
    return value === undefined ? undefined : this.#writers.get(key)?.get(value);
  }

  #say({ reader, key, list }: Read): string {
    return `${this.#name(reader)} reads list ${key} as ${list.join(' ')}`;
  }

  #name(at: number): string {
    return `T${at} of process ${this.#history[at]?.process}`;
  }
}

/** What a transaction saw of others: its own appends are taken from the end. */
function readsOf({ steps }: Transaction, reader: number): readonly Read[] {
  const own = new Map<number, Set<number>>();
  return steps.flatMap((step): readonly Read[] => {
    const [kind, key, value] = step;
    if (kind === 'append') {
      own.set(key, new Set([...(own.get(key) ?? []), value]));
      return [];
    }
    if (value === null) return [];
    return [{ reader, key, list: value.filter((one) => own.get(key)?.has(one) !== true) }];
  });
}

function isEqual(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

const TIMES: readonly {
  readonly needs?: 'process' | 'realtime';
  readonly kinds: readonly EdgeKind[];
}[] = [
  { kinds: [] },
  { needs: 'process', kinds: ['process'] },
  { needs: 'realtime', kinds: ['process', 'realtime'] },
];

/** One cycle of each name, the one that needs least. */
function cycles(graph: Graph): readonly Anomaly[] {
  const found = new Map<AnomalyName, Anomaly>();
  const note = (
    name: AnomalyName,
    needs: 'process' | 'realtime' | undefined,
    cycle: readonly Edge[] | undefined,
  ): void => {
    if (cycle === undefined || found.has(name)) return;
    found.set(name, { name, ...(needs === undefined ? {} : { needs }), what: sayCycle(cycle) });
  };
  for (const { needs, kinds } of TIMES) {
    note('G0', needs, graph.cycle(['ww', ...kinds]));
    note('G1c', needs, graph.cycle(['ww', 'wr', ...kinds], 'wr'));
    note('G-single', needs, graph.cycleWithOne('rw', ['ww', 'wr', ...kinds]));
    if (!found.has('G-single')) note('G2', needs, graph.cycle(['ww', 'wr', 'rw', ...kinds], 'rw'));
  }
  return [...found.values()];
}

function sayCycle(cycle: readonly Edge[]): string {
  return cycle.map(({ kind, from, to }) => `T${from} -${kind}-> T${to}`).join(', ');
}
