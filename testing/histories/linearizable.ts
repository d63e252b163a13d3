/**
 * Whether a history of operations on one object can be ordered so that each takes effect between its call and its return (Wing and
 * Gong's search with Lowe's cache: "Testing for linearizability", 2017). Pure.
 */

export interface Call<Op> {
  readonly op: Op;
  readonly began: number;
  /** Infinity when nobody knows whether it happened: then it may take effect at any time later, or never. */
  readonly ended: number;
}

/** The state after the operation; undefined when it could not have answered so in that state. States are told apart by `===`. */
export type Step<State, Op> = (state: State, op: Op) => State | undefined;

interface Node<Op> {
  readonly call: Call<Op>;
  /** Its place among all calls. */
  readonly id: number;
  /** Of a call: its return, if it has one. */
  readonly back: Node<Op> | undefined;
  readonly isCall: boolean;
  previous: Node<Op> | undefined;
  next: Node<Op> | undefined;
}

export function isLinearizable<State, Op>(
  calls: readonly Call<Op>[],
  first: State,
  step: Step<State, Op>,
): boolean {
  const head = listOf(calls);
  const seen = new Set<string>();
  const done = new Done();
  const taken: { readonly node: Node<Op>; readonly state: State }[] = [];
  let state = first;
  let returns = calls.filter(({ ended }) => ended !== Infinity).length;
  let node = head.next;
  while (returns > 0) {
    if (node === undefined) return false;
    if (node.isCall) {
      const after = step(state, node.call.op);
      done.add(node.id);
      const key = after === undefined ? '' : `${done.key()} ${String(after)}`;
      if (after !== undefined && !seen.has(key)) {
        seen.add(key);
        taken.push({ node, state });
        state = after;
        take(node);
        if (node.back !== undefined) returns--;
        node = head.next;
        continue;
      }
      done.delete(node.id);
      node = node.next;
      if (node !== undefined) continue;
    }
    // A return whose call has not been taken, or nothing left to try: another one must have come earlier.
    const last = taken.pop();
    if (last === undefined) return false;
    putBack(last.node);
    if (last.node.back !== undefined) returns++;
    done.delete(last.node.id);
    state = last.state;
    node = last.node.next;
    if (node === undefined) return false;
  }
  return true;
}

/** Which calls were taken; most of the early ones are, so the key says only where the first gap is and what follows. */
class Done {
  readonly #taken = new Set<number>();
  #low = 0;

  add(id: number): void {
    this.#taken.add(id);
    while (this.#taken.has(this.#low)) this.#low++;
  }

  delete(id: number): void {
    this.#taken.delete(id);
    this.#low = Math.min(this.#low, id);
  }

  key(): string {
    const above: number[] = [];
    const beyond = this.#taken.size - this.#low;
    for (let id = this.#low; above.length < beyond; id++) if (this.#taken.has(id)) above.push(id);
    return `${this.#low} ${above.join(',')}`;
  }
}

function listOf<Op>(calls: readonly Call<Op>[]): Node<Op> {
  const nodes = calls
    .toSorted((a, b) => a.began - b.began)
    .flatMap((call, id) => {
      const bare = { call, id, previous: undefined, next: undefined };
      const back: Node<Op> | undefined =
        call.ended === Infinity ? undefined : { ...bare, isCall: false, back: undefined };
      const start: Node<Op> = { ...bare, isCall: true, back };
      return back === undefined ? [start] : [start, back];
    })
    // At the same instant a call comes first: they may have overlapped.
    .toSorted((a, b) => timeOf(a) - timeOf(b) || Number(b.isCall) - Number(a.isCall));
  const none: Call<Op> = { op: undefined as Op, began: 0, ended: 0 };
  const head: Node<Op> = {
    call: none,
    id: -1,
    back: undefined,
    isCall: false,
    previous: undefined,
    next: undefined,
  };
  let last = head;
  for (const node of nodes) {
    last.next = node;
    node.previous = last;
    last = node;
  }
  return head;
}

function timeOf(node: Node<unknown>): number {
  return node.isCall ? node.call.began : node.call.ended;
}

function take(node: Node<unknown>): void {
  unlink(node);
  if (node.back !== undefined) unlink(node.back);
}

function putBack(node: Node<unknown>): void {
  if (node.back !== undefined) link(node.back);
  link(node);
}

function unlink(node: Node<unknown>): void {
  if (node.previous !== undefined) node.previous.next = node.next;
  if (node.next !== undefined) node.next.previous = node.previous;
}

function link(node: Node<unknown>): void {
  if (node.previous !== undefined) node.previous.next = node;
  if (node.next !== undefined) node.next.previous = node;
}
