/**
 * Who is there, as one node sees it: a pure state machine of the two clocks. *Suspect*: not heard for about two seconds,
 * send no requests there. *Lost*: not heard for half a minute, start its instances elsewhere.
 *
 * Only the time in which this node was listening counts. It knows that it listens by hearing itself: while its own
 * check-ins do not come back (registry away, cut off, stopped), it judges nobody. Since the registry's order is one for
 * all, hearing its own newest check-in means that it has heard everything before.
 */
import type { Revision } from '../registry/registry.ts';

export interface PresenceClocks {
  readonly suspectAfterMs: number;
  readonly lostAfterMs: number;
}

export const PRESENCE_CLOCKS: PresenceClocks = { suspectAfterMs: 2000, lostAfterMs: 30_000 };
/** One may be missed: the next is heard half a second before a node is suspect. With what makes deaf it stays below `suspectAfterMs`. */
export const CHECK_IN_MS = 750;

/** What a node says of itself. */
export interface CheckIn {
  /** Random, one per start of the agent. */
  readonly incarnation: string;
  /** Counts the check-ins of this incarnation. */
  readonly count: number;
  /** `leaving`: its instances are stopped and nothing has to be waited for. */
  readonly wish: 'stay' | 'leaving';
  /** Of the whole machine. */
  readonly load?: NodeLoad;
}

export interface NodeLoad {
  /** Processor time in use, of all cores. */
  readonly cpuPercent: number;
  readonly memoryFreeMiB: number;
  /** What is left on a disk that is nearly full; absent while there is room. */
  readonly diskFullMiB?: number;
}

export type PresenceEvent =
  | {
      readonly kind: 'checkIn';
      readonly node: string;
      readonly checkIn: CheckIn;
      readonly revision: Revision;
    }
  /** Its key ended. That proves nothing: after an outage etcd ends the leases of all, and they check in again. */
  | { readonly kind: 'ended'; readonly node: string }
  /** All members of the cluster; those never heard count as silent from now on, others are forgotten. */
  | { readonly kind: 'members'; readonly nodes: readonly string[] }
  /** Time has passed. */
  | { readonly kind: 'tick' };

export interface NodePresence {
  readonly node: string;
  readonly state: 'ready' | 'suspect' | 'lost';
  /** Infinity for one that said good-bye. */
  readonly silentMs: number;
  /** Revision of its last check-in; 0 when its key has ended. Whoever moves its instances makes that a condition. */
  readonly revision: Revision;
  readonly incarnation: string | undefined;
  /** As it said at its last check-in. */
  readonly load: NodeLoad | undefined;
  readonly reason: string;
}

/**
 * Deaf before the others can be suspect, also when all were last heard a check-in earlier; so a gap in which this process
 * did not run makes nobody suspect either.
 */
const DEAF_AFTER_RATIO = 0.6;

interface Known {
  readonly heardMs: number;
  readonly revision: Revision;
  readonly checkIn: CheckIn | undefined;
}

export class Presence {
  readonly #own: string;
  readonly #clocks: PresenceClocks;
  readonly #known = new Map<string, Known>();
  /** Time spent listening; only this is compared. */
  #listenedMs = 0;
  #lastMs: number | undefined;
  #ownHeardMs = -Infinity;
  #isDeaf = true;

  /** `own` is the id of the node that looks. */
  constructor(own: string, clocks: PresenceClocks = PRESENCE_CLOCKS) {
    this.#own = own;
    this.#clocks = clocks;
  }

  /** `atMs` is the monotonic clock. */
  apply(event: PresenceEvent, atMs: number): void {
    this.#pass(atMs);
    switch (event.kind) {
      case 'tick':
        return;
      case 'checkIn':
        this.#heard(event, atMs);
        return;
      case 'ended': {
        const known = this.#known.get(event.node);
        if (known !== undefined) this.#known.set(event.node, { ...known, revision: 0 });
        return;
      }
      case 'members':
        this.#members(event.nodes);
    }
  }

  /** This node does not hear itself and so judges nobody: what it says is what it knew last. */
  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  /** Ids, in no order. */
  nodes(): Iterable<string> {
    return this.#known.keys();
  }

  /**
   * How long nothing changes by time alone; Infinity while this node is deaf. What is applied in between can only make
   * it longer, but for nodes that are new.
   */
  dueInMs(atMs: number): number {
    if (this.#isDeaf) return Infinity;
    const { suspectAfterMs, lostAfterMs } = this.#clocks;
    let dueMs = this.#ownHeardMs + suspectAfterMs * DEAF_AFTER_RATIO - atMs;
    const passedMs = atMs - (this.#lastMs ?? atMs);
    for (const known of this.#known.values()) {
      const silentMs = this.#silentMs(known) + passedMs;
      if (silentMs < suspectAfterMs) dueMs = Math.min(dueMs, suspectAfterMs - silentMs);
      else if (silentMs < lostAfterMs) dueMs = Math.min(dueMs, lostAfterMs - silentMs);
    }
    return Math.max(0, dueMs);
  }

  stateOf(node: string): NodePresence['state'] {
    const known = this.#known.get(node);
    return this.#judge(known, this.#silentMs(known)).state;
  }

  /** Sorted by id. */
  list(): readonly NodePresence[] {
    return [...this.#known.keys()].toSorted().map((node) => this.get(node));
  }

  /** A node that was never heard of is suspect. */
  get(node: string): NodePresence {
    const known = this.#known.get(node);
    const silentMs = this.#silentMs(known);
    return {
      node,
      ...this.#judge(known, silentMs),
      silentMs,
      revision: known?.revision ?? 0,
      incarnation: known?.checkIn?.incarnation,
      load: known?.checkIn?.load,
    };
  }

  #silentMs(known: Known | undefined): number {
    if (known === undefined) return 0;
    if (known.checkIn?.wish === 'leaving') return Infinity;
    return this.#listenedMs - known.heardMs;
  }

  #judge(
    known: Known | undefined,
    silentMs: number,
  ): { readonly state: NodePresence['state']; readonly reason: string } {
    const { suspectAfterMs, lostAfterMs } = this.#clocks;
    if (known?.checkIn?.wish === 'leaving') return { state: 'lost', reason: 'It said good-bye' };
    if (silentMs >= lostAfterMs) {
      return { state: 'lost', reason: `It was not heard for ${lostAfterMs / 1000} s` };
    }
    if (known?.checkIn === undefined) return { state: 'suspect', reason: 'It was never heard' };
    if (silentMs >= suspectAfterMs) {
      return { state: 'suspect', reason: `It was not heard for ${suspectAfterMs / 1000} s` };
    }
    return { state: 'ready', reason: 'It checks in' };
  }

  #pass(atMs: number): void {
    const passedMs = Math.max(0, atMs - (this.#lastMs ?? atMs));
    this.#lastMs = atMs;
    if (atMs - this.#ownHeardMs > this.#clocks.suspectAfterMs * DEAF_AFTER_RATIO) {
      this.#isDeaf = true;
    }
    if (!this.#isDeaf) this.#listenedMs += passedMs;
  }

  #heard(event: Extract<PresenceEvent, { kind: 'checkIn' }>, atMs: number): void {
    const { node, checkIn, revision } = event;
    const known = this.#known.get(node);
    // Some etcd repeat events; an old one proves nothing.
    if (known !== undefined && known.checkIn !== undefined && isOld(known, event)) return;
    this.#known.set(node, { heardMs: this.#listenedMs, revision, checkIn });
    if (node !== this.#own) return;
    this.#ownHeardMs = atMs;
    if (this.#isDeaf) this.#listenAgain();
  }

  /** Those that were not suspect before the silence get their time anew, for nobody could be heard in it. */
  #listenAgain(): void {
    this.#isDeaf = false;
    for (const [node, known] of this.#known) {
      if (this.#listenedMs - known.heardMs >= this.#clocks.suspectAfterMs) continue;
      this.#known.set(node, { ...known, heardMs: this.#listenedMs });
    }
  }

  #members(nodes: readonly string[]): void {
    for (const node of this.#known.keys()) if (!nodes.includes(node)) this.#known.delete(node);
    for (const node of nodes) {
      if (this.#known.has(node)) continue;
      this.#known.set(node, { heardMs: this.#listenedMs, revision: 0, checkIn: undefined });
    }
  }
}

function isOld(
  known: Known,
  event: { readonly checkIn: CheckIn; readonly revision: Revision },
): boolean {
  if (known.revision > 0) return event.revision <= known.revision;
  return (
    known.checkIn?.incarnation === event.checkIn.incarnation &&
    event.checkIn.count <= known.checkIn.count
  );
}
