/** Follows the check-ins in the registry and tells whenever a node's state changes. */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { Collection, Entry, Registry } from '../registry/registry.ts';
import { type CheckIn, type NodePresence, Presence, type PresenceClocks } from './presence.ts';
import { PRESENCE_PREFIX, presenceRecords } from './presence-records.ts';

export interface PresenceWatchOptions {
  readonly registry: Registry;
  /** The node that looks: it has to check in itself, for it believes what it sees only while it hears itself. */
  readonly nodeId: string;
  readonly clocks: PresenceClocks;
  readonly clock: Clock;
  readonly log: Logger;
  /** After every change of a state, and when a disk is full or is no longer, with what changed. Must not throw. */
  readonly onChange: (changed: readonly NodePresence[]) => void;
}

/** Never looked at more often than this by time alone. */
const TICK_LEAST_MS = 20;

export class PresenceWatch implements Worker, Disposable {
  readonly name = 'presence-watch';
  readonly #options: PresenceWatchOptions;
  readonly #records: Collection<CheckIn>;
  readonly #presence: Presence;
  readonly #said = new Map<string, NodePresence['state']>();
  /** Nodes whose disk is nearly full. */
  readonly #full = new Set<string>();
  /** Looks when time alone may have changed something; what is heard meanwhile can only make that later. */
  #tick: Disposable | undefined;
  #isDisposed = false;

  constructor(options: PresenceWatchOptions) {
    this.#options = options;
    this.#records = presenceRecords(options.registry);
    this.#presence = new Presence(options.nodeId, options.clocks);
  }

  status(): string {
    const nodes = this.list();
    const ready = nodes.filter(({ state }) => state === 'ready').length;
    const deaf = this.isDeaf ? '; it does not hear itself and judges nobody' : '';
    return `${ready} of ${nodes.length} nodes are ready${deaf}`;
  }

  /** As `Presence.isDeaf`, now. */
  get isDeaf(): boolean {
    this.#apply({ kind: 'tick' });
    return this.#presence.isDeaf;
  }

  list(): readonly NodePresence[] {
    return this.#presence.list();
  }

  get(node: string): NodePresence {
    return this.#presence.get(node);
  }

  /** Who belongs to the cluster: silent ones are then seen even if they were never heard. */
  members(nodes: readonly string[]): void {
    this.#apply({ kind: 'members', nodes });
  }

  /** One step is one watch: the whole list, then every change until the history is gone or the signal aborts. */
  async step(signal: AbortSignal): Promise<StepResult> {
    const { registry } = this.#options;
    const { entries, revision } = await registry.list(PRESENCE_PREFIX);
    const there = new Set(entries.map(({ key }) => key.slice(PRESENCE_PREFIX.length)));
    for (const { node } of this.list()) {
      if (!there.has(node)) this.#apply({ kind: 'ended', node });
    }
    for (const entry of entries) this.#hear(entry);
    try {
      for await (const { changes } of registry.watch(PRESENCE_PREFIX, revision + 1, signal)) {
        for (const change of changes) {
          if (change.kind === 'put') this.#hear(change.entry);
          else this.#apply({ kind: 'ended', node: change.key.slice(PRESENCE_PREFIX.length) });
        }
      }
    } catch (error) {
      if (!isMolnError(error, 'REGISTRY_COMPACTED')) throw error;
    }
    return signal.aborted ? { kind: 'done' } : { kind: 'busy' };
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#disarm();
  }

  #hear(entry: Entry): void {
    try {
      const { id, value, revision } = this.#records.decode(entry);
      // Time alone changes nothing so soon after this node has heard itself: with each check-in the look is put off.
      if (id === this.#options.nodeId) this.#disarm();
      this.#apply({ kind: 'checkIn', node: id, checkIn: value, revision });
      this.#lookAtDisk(id);
    } catch (error) {
      // One node's strange record must not make all others silent.
      this.#options.log.warn('A check-in cannot be read', { error });
    }
  }

  #lookAtDisk(node: string): void {
    const presence = this.#presence.get(node);
    const isFull = presence.load?.diskFullMiB !== undefined;
    if (isFull === this.#full.has(node)) return;
    if (isFull) this.#full.add(node);
    else this.#full.delete(node);
    this.#options.onChange([presence]);
  }

  #apply(event: Parameters<Presence['apply']>[0]): void {
    const atMs = this.#options.clock.monotonicMs();
    this.#presence.apply(event, atMs);
    if (this.#tick === undefined) this.#arm(atMs);
    const changed = this.#changed();
    if (changed.length > 0) this.#options.onChange(changed);
  }

  /** What was not said yet. */
  #changed(): readonly NodePresence[] {
    const changed: NodePresence[] = [];
    for (const node of this.#presence.nodes()) {
      const state = this.#presence.stateOf(node);
      if (this.#said.get(node) === state) continue;
      this.#said.set(node, state);
      changed.push(this.#presence.get(node));
    }
    return changed;
  }

  #disarm(): void {
    this.#tick?.[Symbol.dispose]();
    this.#tick = undefined;
  }

  #arm(atMs: number): void {
    const dueMs = this.#presence.dueInMs(atMs);
    if (dueMs === Infinity || this.#isDisposed) return;
    this.#tick = this.#options.clock.after(Math.max(TICK_LEAST_MS, dueMs), () => {
      this.#tick = undefined;
      this.#apply({ kind: 'tick' });
    });
  }
}
