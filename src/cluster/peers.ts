/**
 * The other nodes as the parts of this one see them: who they are, how they are doing, and how to call them. The node
 * itself is one of them and is answered in process, so that nobody has to tell near from far.
 */
import type { Duplex } from 'node:stream';

export type PeerState = 'ready' | 'suspect' | 'lost' | 'draining';

/** One node of the cluster, this one included. */
export interface PeerNode {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: PeerState;
  /** Since its last check-in; 0 when it was just heard. */
  readonly silentMs: number;
  readonly address: string;
  /** Of the control port. */
  readonly port: number;
  /** Where its gateways answer other gateways. */
  readonly gatewayPort: number;
  /** Its gateway processes; 1 unless said. */
  readonly gatewayWorkers?: number;
  /** What all instances together may use. */
  readonly memoryMiB: number;
  /** Processor time in use of the whole machine, 0 to 1, smoothed. */
  readonly load: number;
  /** What is left on its disk, when that is nearly full. */
  readonly diskFullMiB?: number | undefined;
  readonly isManager: boolean;
}

export interface PeerCallOptions {
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface Peers {
  /** This node's id. */
  readonly self: string;
  /** Every member, oldest first. */
  all(): readonly PeerNode[];
  /** Those that may be asked and given work: `ready`, this node first. */
  ready(): readonly PeerNode[];
  get(nodeId: string): PeerNode | undefined;
  /**
   * How long, at least, a node is forgotten, in ms: since this node saw it, or since its own start. What others last heard of it
   * does not count, for its last check-in may not have been seen.
   */
  goneMs(nodeId: string): number;
  /** JSON in, JSON out; throws the other side's `MolnError`, or `NET_RPC_…`. Nothing is repeated. */
  call(
    nodeId: string,
    method: string,
    params: unknown,
    options?: PeerCallOptions,
  ): Promise<unknown>;
  /** Bytes in both directions. */
  open(nodeId: string, method: string, params: unknown, options?: PeerCallOptions): Promise<Duplex>;
  /** After every change of what `all` says, but for load and silence. */
  onChange(call: () => void): Disposable;
}
