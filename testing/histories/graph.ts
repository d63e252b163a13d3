/** Edges between transactions, and cycles of them. Pure. */

export type EdgeKind =
  /** Wrote the version before. */
  | 'ww'
  /** Wrote what the other one read. */
  | 'wr'
  /** Read the version before what the other one wrote. */
  | 'rw'
  /** Of one process, one after the other. */
  | 'process'
  /** Ended before the other one began. */
  | 'realtime';

export interface Edge {
  readonly kind: EdgeKind;
  readonly from: number;
  readonly to: number;
}

export class Graph {
  readonly #out: Edge[][];

  constructor(size: number) {
    this.#out = Array.from({ length: size }, () => []);
  }

  add(kind: EdgeKind, from: number | undefined, to: number | undefined): void {
    if (from === undefined || to === undefined || from === to) return;
    this.#out[from]?.push({ kind, from, to });
  }

  /** A cycle of these kinds, with at least one edge of kind `through`, if that is wanted. */
  cycle(kinds: readonly EdgeKind[], through?: EdgeKind): readonly Edge[] | undefined {
    const component = this.#components(kinds);
    for (const edges of this.#out) {
      for (const edge of edges) {
        if (through === undefined ? !kinds.includes(edge.kind) : edge.kind !== through) continue;
        // Within a component there is a way back.
        if (component[edge.from] !== component[edge.to]) continue;
        const back = this.#path(edge.to, edge.from, kinds, component);
        if (back !== undefined) return [edge, ...back];
      }
    }
    return undefined;
  }

  /** A cycle with one edge of that kind, and otherwise only of `others`. */
  cycleWithOne(kind: EdgeKind, others: readonly EdgeKind[]): readonly Edge[] | undefined {
    const component = this.#components([kind, ...others]);
    for (const edges of this.#out) {
      for (const edge of edges) {
        if (edge.kind !== kind || component[edge.from] !== component[edge.to]) continue;
        const back = this.#path(edge.to, edge.from, others, component);
        if (back !== undefined) return [edge, ...back];
      }
    }
    return undefined;
  }

  /** The shortest, within one component. */
  #path(
    from: number,
    to: number,
    kinds: readonly EdgeKind[],
    component: readonly number[],
  ): readonly Edge[] | undefined {
    const came = new Map<number, Edge | undefined>([[from, undefined]]);
    for (const at of came.keys()) {
      if (at === to) return pathOf(came, to);
      for (const edge of this.#out[at] ?? []) {
        if (!kinds.includes(edge.kind) || came.has(edge.to)) continue;
        if (component[edge.to] === component[from]) came.set(edge.to, edge);
      }
    }
    return undefined;
  }

  /** Tarjan's strongly connected components, without recursion: the number of each node's. */
  #components(kinds: readonly EdgeKind[]): readonly number[] {
    const order = new Map<number, number>();
    const low: number[] = [];
    const component: number[] = [];
    const stack: number[] = [];
    const open = new Set<number>();
    const edgesOf = (at: number): Edge[] =>
      (this.#out[at] ?? []).filter(({ kind }) => kinds.includes(kind));
    for (const root of this.#out.keys()) {
      if (order.has(root)) continue;
      const work = [{ at: root, edges: edgesOf(root), next: 0 }];
      enter(root);
      for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
        const edge = top.edges[top.next++];
        if (edge !== undefined) {
          if (!order.has(edge.to)) {
            enter(edge.to);
            work.push({ at: edge.to, edges: edgesOf(edge.to), next: 0 });
          } else if (open.has(edge.to)) lower(top.at, order.get(edge.to));
          continue;
        }
        work.pop();
        const parent = work.at(-1);
        if (parent !== undefined) lower(parent.at, low[top.at]);
        if (low[top.at] === order.get(top.at)) leave(top.at);
      }
    }
    return component;

    function enter(at: number): void {
      low[at] = order.size;
      order.set(at, order.size);
      stack.push(at);
      open.add(at);
    }
    function lower(at: number, to = Infinity): void {
      low[at] = Math.min(low[at] ?? Infinity, to);
    }
    function leave(root: number): void {
      for (let at = stack.pop(); at !== undefined; at = at === root ? undefined : stack.pop()) {
        open.delete(at);
        component[at] = root;
      }
    }
  }
}

function pathOf(came: ReadonlyMap<number, Edge | undefined>, to: number): readonly Edge[] {
  const path: Edge[] = [];
  for (let edge = came.get(to); edge !== undefined; edge = came.get(edge.from)) path.unshift(edge);
  return path;
}
