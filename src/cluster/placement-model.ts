/** The nouns of placement: what it is told, and what it answers. */

/** `lost` and `suspect` as presence sees them; `draining` is a person's wish. */
export type NodeState = 'ready' | 'suspect' | 'lost' | 'draining';

export interface PlacementNode {
  readonly id: string;
  /** For the reasons. */
  readonly name: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What all instances together may use. */
  readonly memoryMiB: number;
  /** 0 idle … 1 busy, smoothed; of the whole machine. */
  readonly load: number;
  /** What is left on a disk that is nearly full: nothing new is put there. Undefined while there is room. */
  readonly diskFullMiB?: number | undefined;
  readonly state: NodeState;
  /** Time without a check-in; decides for apps with a clock of their own. 0 when it was just heard. */
  readonly silentMs: number;
}

/** What becomes of an app's instances when their node is lost. */
export type RestartPolicy = 'elsewhere' | 'wait' | 'never';

export interface PlacementApp {
  readonly name: string;
  readonly restart: RestartPolicy;
  /** The app's own clock; the cluster's (state `lost`) when left out. */
  readonly lostAfterMs?: number;
  readonly processes: readonly PlacementProcess[];
}

export interface PlacementProcess {
  readonly name: string;
  readonly wanted: number;
  /** Never more than one, whatever is wanted. */
  readonly singleton: boolean;
  readonly memoryMiB: number;
  /** Labels that the node must have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Never two of it on one node. */
  readonly apart: boolean;
  /** Apps with which it never shares a node; holds in both directions. */
  readonly avoid: readonly string[];
}

/** A slot is one wished instance; its number stays the same when it moves. */
export interface Slot {
  readonly app: string;
  readonly process: string;
  readonly slot: number;
}

export interface Assignment extends Slot {
  /** A node's id. */
  readonly node: string;
  /** Why it was put there, in words; kept as long as it stays. */
  readonly reason: string;
}

/** An assignment as it is now: with what keeps it on a node that it should leave. */
export interface PlacedSlot extends Assignment {
  readonly stays?: string;
}

export interface UnplacedSlot extends Slot {
  readonly reason: string;
}

export type Move =
  | { readonly kind: 'start'; readonly slot: Slot; readonly to: string; readonly reason: string }
  | {
      readonly kind: 'move';
      readonly slot: Slot;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
    }
  | { readonly kind: 'stop'; readonly slot: Slot; readonly from: string; readonly reason: string };

export interface PlacementInput {
  readonly nodes: readonly PlacementNode[];
  readonly apps: readonly PlacementApp[];
  readonly current: readonly Assignment[];
}

export interface Placement {
  /** Sorted by app, process and slot. */
  readonly assignments: readonly PlacedSlot[];
  readonly unplaced: readonly UnplacedSlot[];
  /** What is different from `current`, in the same order. */
  readonly moves: readonly Move[];
}
