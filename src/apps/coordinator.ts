/**
 * Changes an app on all its nodes as one: every node has its new instances healthy beside the old, then one commit decides,
 * then all gateways follow, then the old finish. Whatever fails before the commit leaves everything as it was.
 */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { PeerNode, Peers, PlacementNode } from '../cluster/cluster.ts';
import type { Stored } from '../registry/registry.ts';
import type { AppChange, AppStore } from './app-store.ts';
import type { App, Release } from './model.ts';
import type { NodeRollout, Preparation } from './node-rollout.ts';
import type { Report } from './operations.ts';
import type { Gateways } from './reporter.ts';
import { noPlace } from './run-errors.ts';
import { countsOf, nodesOf, placementAppOf, placed, type Slot } from './slots.ts';

export interface CoordinatorOptions {
  readonly store: AppStore;
  readonly peers: Peers;
  readonly local: NodeRollout;
  readonly gateways: Gateways;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Wish {
  readonly stored: Stored<App>;
  /** As it is wished to be. */
  readonly app: App;
  readonly release: Release;
  readonly env: Readonly<Record<string, string>>;
  readonly report: Report;
  /** What else belongs into the commit. */
  readonly more?: Omit<AppChange, 'app' | 'revision' | 'slots'>;
}

/** A node may copy a large release first, and its instances may take their time. */
const PREPARE_WITHIN_MS = 1_800_000;
const FINISH_WITHIN_MS = 120_000;
const ABANDON_WITHIN_MS = 60_000;
/** The first change after a start waits no longer for nodes that do not answer. */
const BEGUN_WITHIN_MS = 3_000;
/** How often a change begins again because a node has died meanwhile. */
const ATTEMPTS_MAX = 3;
/** Presence needs two seconds to see it; a node that is still there is asked again. */
const LEAVES_WITHIN_MS = 5_000;
const UNREACHED: ReadonlySet<string> = new Set(['NET_RPC_UNREACHABLE', 'NET_RPC_BROKEN']);

export class Coordinator {
  readonly #options: CoordinatorOptions;
  #announced: Promise<unknown> = Promise.resolve();

  constructor(options: CoordinatorOptions) {
    this.#options = options;
  }

  /**
   * Tells the others that whatever a former agent of this node coordinated has come to its end. Nothing is coordinated before
   * they know, or they would take it for that.
   */
  announce(): void {
    const { peers, log } = this.#options;
    const options = { deadlineMs: BEGUN_WITHIN_MS };
    const others = peers.all().filter(({ id }) => id !== peers.self);
    this.#announced = Promise.all(
      others.map(async ({ id, name }) => {
        try {
          await peers.call(id, 'apps.begun', {}, options);
        } catch (error) {
          // It waits for the end of its trials.
          log.debug('A node was not told of the start', { node: name, reason: messageOf(error) });
        }
      }),
    );
  }

  /** Replaces all instances by new ones, placed anew; singletons stay on their nodes and start after the old have ended. */
  async replace(wish: Wish): Promise<void> {
    await this.#whileNodesLeave(wish.report, () => this.#replace(wish));
  }

  /** Starts what is missing for the wished counts and ends what is too much; the rest stays where it is. */
  async resize(wish: Wish): Promise<void> {
    await this.#whileNodesLeave(wish.report, () => this.#resize(wish));
  }

  /**
   * A node that has just died is taken for a living one for two seconds more, and when it is lost the leader moves its
   * instances. Nothing is decided then, so the change begins again on what is there now. Without managers it does not begin.
   */
  async #whileNodesLeave(report: Report, change: () => Promise<void>): Promise<void> {
    const { peers, store, clock } = this.#options;
    await this.#announced;
    for (let attempt = 1; ; attempt++) {
      await store.mustAnswer();
      try {
        await change();
        return;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX) throw error;
        if (error instanceof NodeAway) {
          report.step(`${error.node.name} does not answer: trying without it`);
          await leaves(peers, error.node.id, clock, report.signal);
        } else if (error instanceof SlotsMoved) {
          report.step('Its instances were placed anew meanwhile: trying again');
        } else throw error;
      }
    }
  }

  async #replace(wish: Wish): Promise<void> {
    const { store } = this.#options;
    const { release } = wish;
    const { singletons } = release.plan.placement;
    const app: App = { ...wish.app, generation: randomId(8) };
    const current = await store.slots(app.name);
    const kept = current.slots.filter(({ process }) => singletons.includes(process));
    const slots = this.#place(app, release, kept);
    const begun = slots.filter(({ process }) => !singletons.includes(process));
    await this.#change({ ...wish, app }, { slots, revision: current.revision }, begun);
  }

  async #resize(wish: Wish): Promise<void> {
    const { store } = this.#options;
    const { app, release } = wish;
    const { singletons } = release.plan.placement;
    const current = await store.slots(app.name);
    const slots = this.#place(app, release, current.slots);
    const had = new Set(current.slots.map(slotName));
    const begun = slots.filter(
      (slot) => !had.has(slotName(slot)) && !singletons.includes(slot.process),
    );
    await this.#change(wish, { slots, revision: current.revision }, begun);
  }

  /** Ends all instances, also those that only hold open connections. */
  async retire(app: string): Promise<void> {
    await this.#everywhere(app, true, { step: () => {} });
  }

  /** Nothing of a removed app stays on any node that answers; the others find out when they are back. */
  async forget(app: string): Promise<void> {
    const { peers, local, log } = this.#options;
    await Promise.all(
      peers.all().map(async ({ id, state, name }) => {
        if (id === peers.self) return local.carryOut(app);
        if (state === 'suspect' || state === 'lost') return;
        try {
          await peers.call(id, 'apps.forget', { app }, { deadlineMs: FINISH_WITHIN_MS });
        } catch (error) {
          log.warn('A node has yet to remove what it had of an app', { app, node: name, error });
        }
      }),
    );
  }

  #place(app: App, release: Release, current: readonly Slot[]): readonly Slot[] {
    const nodes = this.#options.peers.all().map(placementNodeOf);
    const slots = placed(nodes, placementAppOf(app, release), current);
    const homeless = slots.find(({ node }) => node === undefined);
    if (homeless !== undefined) throw noPlace(app.name, homeless.process, homeless.reason);
    return slots;
  }

  async #change(
    wish: Wish,
    next: { readonly slots: readonly Slot[]; readonly revision: number },
    begun: readonly Slot[],
  ): Promise<void> {
    const { store, gateways } = this.#options;
    const { app, stored, report, more } = wish;
    const asked = this.#asked(wish.release, begun);
    await this.#prepare(wish, begun, asked);
    let revision: number;
    try {
      report.decided();
      revision = await store.commit({
        ...more,
        app,
        revision: stored.revision,
        slots: next,
      });
    } catch (error) {
      await this.#abandon(app.name, asked);
      if (stored.revision === 0) await this.#clear(app, asked);
      const isConflict = isMolnError(error, 'APPS_CONFLICT');
      const now = isConflict ? await store.find(app.name) : undefined;
      throw now?.revision === stored.revision ? new SlotsMoved(app.name) : error;
    }
    try {
      await gateways.settled(revision);
    } catch (error) {
      await this.#undo(stored, app, revision);
      await this.#abandon(app.name, asked);
      if (stored.revision === 0) await this.forget(app.name);
      throw error;
    }
    await this.#everywhere(app.name, false, report);
  }

  /** Nodes that have to have something ready: a site has to be on all that can be asked. */
  #asked(release: Release, begun: readonly Slot[]): readonly PeerNode[] {
    const { peers } = this.#options;
    if (release.plan.staticRoot !== undefined) return peers.ready();
    const ids = nodesOf(begun);
    const asked = peers.all().filter(({ id }) => ids.includes(id));
    // What was acknowledged outlives any one machine: the release is on two before the commit.
    const other = peers.ready().find(({ id }) => id !== peers.self && !ids.includes(id));
    const isAlone = new Set([...ids, peers.self]).size < 2;
    return isAlone && other !== undefined ? [...asked, other] : asked;
  }

  async #prepare(wish: Wish, begun: readonly Slot[], asked: readonly PeerNode[]): Promise<void> {
    const { app, release, env, report } = wish;
    const giveUp = new AbortController();
    const signal = AbortSignal.any([report.signal, giveUp.signal]);
    const all = asked.map(async (node) => {
      const counts = countsOf(begun, node.id);
      try {
        await this.#prepareOn(node, { app, release, env, counts }, { ...report, signal });
      } catch (error) {
        const isAway = !signal.aborted && isMolnError(error) && UNREACHED.has(error.code);
        giveUp.abort(error);
        if (isAway) throw new NodeAway(node, error);
        throw asked.length > 1 && isMolnError(error) ? onNode(node.name, error) : error;
      }
    });
    try {
      await Promise.all(all);
    } catch (error) {
      await Promise.allSettled(all);
      await this.#abandon(app.name, asked);
      if (wish.stored.revision === 0) await this.#clear(app, asked);
      throw error;
    }
  }

  async #prepareOn(node: PeerNode, wanted: Preparation, report: Report): Promise<void> {
    const { peers, local } = this.#options;
    if (node.id === peers.self) {
      await local.prepare(wanted, report, peers.self);
      return;
    }
    const counts = Object.entries(wanted.counts).map(([process, count]) => `${count} ${process}`);
    if (counts.length > 0) report.step(`Starting ${counts.join(', ')} on ${node.name}`);
    await peers.call(node.id, 'apps.prepare', wanted, {
      deadlineMs: PREPARE_WITHIN_MS,
      signal: report.signal,
    });
  }

  async #abandon(app: string, asked: readonly PeerNode[]): Promise<void> {
    const { peers, local, log } = this.#options;
    await Promise.all(
      asked.map(async ({ id, name }) => {
        try {
          if (id === peers.self) await local.abandon(app, peers.self);
          else await peers.call(id, 'apps.abandon', { app }, { deadlineMs: ABANDON_WITHIN_MS });
        } catch (error) {
          // It gives them up by itself when nobody decides.
          log.warn('A node was not told that a change was given up', { app, node: name, error });
        }
      }),
    );
  }

  /** Of an app that was new and came to nothing: whoever begins its first deploy again clears up here. */
  async #clear(app: App, asked: readonly PeerNode[]): Promise<void> {
    const { store, peers, log } = this.#options;
    const others = asked.map(({ id }) => id).filter((id) => id !== peers.self);
    if (others.length === 0) return;
    try {
      if (await store.leftOn(app, others)) await this.forget(app.name);
    } catch (error) {
      log.warn('Nodes were not told to clear up', { app: app.name, error });
    }
  }

  async #undo(stored: Stored<App>, app: App, revision: number): Promise<void> {
    const { store } = this.#options;
    if (stored.revision === 0) await store.remove(app, this.#nodes());
    else await store.commit({ app: stored.value, revision });
  }

  #nodes(): readonly string[] {
    return this.#options.peers.all().map(({ id }) => id);
  }

  async #everywhere(app: string, force: boolean, report: Pick<Report, 'step'>): Promise<void> {
    const { peers, local, log } = this.#options;
    await Promise.all(
      peers.all().map(async ({ id, name, state }) => {
        if (id === peers.self) return local.finish(app, { force, report });
        // It finds out by itself when it comes back.
        if (state === 'suspect' || state === 'lost') return;
        try {
          await peers.call(id, 'apps.finish', { app, force }, { deadlineMs: FINISH_WITHIN_MS });
        } catch (error) {
          log.warn('A node did not say that it has finished', { app, node: name, error });
          report.step(`${name} has not finished yet: ${messageOf(error)}`);
        }
      }),
    );
  }
}

/** It could not be asked, or died while it did what it was asked. */
class NodeAway extends MolnError {
  readonly node: PeerNode;

  constructor(node: PeerNode, cause: MolnError) {
    super('APPS_NODE_AWAY', `Node "${node.name}" does not answer: ${cause.message}`, {
      hint: 'Nothing has changed. Run "moln nodes" to see how it is, then try again',
      retryable: true,
      cause,
    });
    this.node = node;
  }
}

/** The app is what it was, and its instances belong elsewhere now. */
class SlotsMoved extends MolnError {
  constructor(app: string) {
    super('APPS_CONFLICT', `The instances of app "${app}" are being moved`, {
      hint: 'Nothing has changed. Try again in a moment',
      retryable: true,
    });
  }
}

/** Until the node is not taken for a ready one any more, or has had the time to be. */
async function leaves(peers: Peers, id: string, clock: Clock, signal: AbortSignal): Promise<void> {
  const left = new AbortController();
  const look = (): void => {
    if (peers.get(id)?.state !== 'ready') left.abort();
  };
  using _change = peers.onChange(look);
  look();
  await clock
    .sleep(LEAVES_WITHIN_MS, AbortSignal.any([left.signal, signal]))
    .catch(() => undefined);
  signal.throwIfAborted();
}

export function placementNodeOf(peer: PeerNode): PlacementNode {
  const { id, name, region, labels, memoryMiB, load, diskFullMiB, state, silentMs } = peer;
  return { id, name, region, labels, memoryMiB, load, diskFullMiB, state, silentMs };
}

function slotName({ process, slot }: Slot): string {
  return `${process}/${slot}`;
}

function onNode(node: string, error: MolnError): MolnError {
  const { code, hint, details, retryable } = error;
  return new MolnError(code, `${error.message} (on node ${node})`, {
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
    retryable,
    cause: error,
  });
}
