/** A duty of the leader: tells how the nodes are doing as events, and keeps the number of events small. */
import type { Clock } from '../base/time.ts';
import type { Events, LeaderTerm, Peers, PeerState } from '../cluster/cluster.ts';
import type { Duty } from './leadership.ts';

const TRIM_EVERY_MS = 60_000;

export interface ChronicleOptions {
  readonly peers: Peers;
  readonly events: Events;
  /** This node's name, for the event that it leads; undefined while it is alone. */
  readonly leads: () => string | undefined;
  readonly clock: Clock;
}

export class Chronicle implements Duty {
  readonly name = 'chronicle';
  readonly #options: ChronicleOptions;
  #seen: Map<string, PeerState> | undefined;

  constructor(options: ChronicleOptions) {
    this.#options = options;
  }

  async lead({ signal }: LeaderTerm): Promise<void> {
    const { peers, events, leads, clock } = this.#options;
    const name = leads();
    if (name !== undefined) events.tell('leader', `${name} leads`, { node: name });
    this.#seen = this.#states();
    using _follow = peers.onChange(() => this.#compare());
    while (!signal.aborted) {
      await events.trim();
      await clock.sleep(TRIM_EVERY_MS, signal).catch(() => undefined);
    }
  }

  #states(): Map<string, PeerState> {
    return new Map(this.#options.peers.all().map(({ name, state }) => [name, state]));
  }

  #compare(): void {
    const before = this.#seen ?? new Map<string, PeerState>();
    const now = this.#states();
    this.#seen = now;
    for (const [name, state] of now) {
      const was = before.get(name);
      if (was === state) continue;
      this.#options.events.tell('node', `${name} ${change(was, state)}`, { node: name });
    }
  }
}

function change(was: PeerState | undefined, state: PeerState): string {
  if (was === undefined) return 'joined';
  return was === 'draining' && state === 'ready' ? 'is used again' : WORDS[state];
}

const WORDS: Readonly<Record<PeerState, string>> = {
  ready: 'is ready',
  suspect: 'is silent and gets no requests',
  lost: 'is lost',
  draining: 'is to be drained',
};
