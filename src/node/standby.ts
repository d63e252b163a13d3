/**
 * The two-machine rule. While one machine holds the registry, another one keeps a complete copy of it, its mirror, and a
 * commit is answered only when that copy has it on its disk. A standby that is lost is left behind by the leader, which says
 * so; taking over is for a person, since nobody else can know that the silent machine is really gone.
 */
import { isDeepStrictEqual } from 'node:util';
import { followAgain } from '../base/again.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { boolean, integer, object, optional } from '../base/schema.ts';
import { type Clock, isoTime, untilSecond } from '../base/time.ts';
import {
  duringTerm,
  type Events,
  LEADER_PREFIX,
  type LeaderTerm,
  type NodeMethods,
  type PeerCallOptions,
  type PeerNode,
  type Peers,
  type RegistryPlace,
  registryPlaceSchema,
} from '../cluster/cluster.ts';
import {
  type Collection,
  type CommitGate,
  STANDBY_ID as ID,
  STANDBY_PREFIX as PREFIX,
  type StandbyRecord,
  standbyRecords,
  type Stored,
} from '../registry/registry.ts';
import { isForgotten } from './welcome.ts';
import type { Databases } from '../databases/databases.ts';
import type { Duty } from './leadership.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { NodeRegistry } from './node-registry.ts';
import type { OwnEtcd } from './own-etcd.ts';
import { hostOf } from './registry-place.ts';

const LOOK_EVERY_MS = 1000;
/** What is followed is asked for all the same so often: etcd has lost events before. */
const READ_AGAIN_MS = 30_000;
/** A standby that needs longer for one commit is asked again. */
const CONFIRM_WITHIN_MS = 5000;
/** The same while this node stops. */
const LEAVING_CONFIRM_MS = 1000;
/** The leader says long before that the standby is away; when it does not, nobody knows. */
const CONFIRM_MS_MAX = 90_000;
const RETRY_MS = 200;
const CATCH_UP_WITHIN_MS = 10_000;
/** A standby that is there and does not get on is left out after this, before those who wait are told that nobody knows. */
const FAILS_MS_MAX = 30_000;
const CALL_WITHIN_MS = 20_000;
/** How often the others are asked whether somebody has taken over, while there is one manager or none answers. */
const ASK_EVERY_MS = 3000;
/** The same with several managers, of which the majority may have been given up by a person. */
const ASK_SELDOM_MS = 30_000;

const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
/** Of one epoch: revisions of a later one are above all of an earlier one, and would say yes to anything. */
const mirroredSchema = object({
  revision: count,
  epoch: count,
  /** The logs of the databases too, as they are now. */
  withLogs: optional(boolean()),
});

export interface StandbyOptions {
  readonly nodeRegistry: NodeRegistry;
  readonly cluster: NodeCluster;
  readonly etcd: OwnEtcd;
  readonly events: Events;
  /** The copy of the databases' logs that is kept beside that of the registry. */
  readonly logs: Pick<Databases, 'caughtUp' | 'hasLogsOf'>;
  /** This node may lead from now on. */
  readonly onManager: () => Promise<void>;
  /** The others do not let this node in any more. */
  readonly onForgotten: (error: unknown) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Standby implements Duty, AsyncDisposable {
  readonly name = 'standby';
  readonly #options: StandbyOptions;
  readonly #records: Collection<StandbyRecord>;
  /** What the managers say, never what was last heard of it. */
  readonly #live: Collection<StandbyRecord>;
  readonly #stop = new AbortController();
  readonly #leaving = new AbortController();
  #current: StandbyRecord | undefined;
  #isRead = false;
  /** Ids of standbys that have not confirmed a commit of this node yet. */
  readonly #waiting = new Set<string>();
  /** When the leader last asked for the record, by the monotonic clock. */
  #lookedAtMs = -Infinity;
  /** Since when the standby fails to say that it has everything, though it is there. */
  #failsSinceMs: number | undefined;
  #loops: readonly Promise<void>[] = [];

  constructor(options: StandbyOptions) {
    this.#options = options;
    const { registry, live } = options.nodeRegistry;
    this.#records = standbyRecords(registry);
    this.#live = standbyRecords(live);
  }

  /** Commits of this node wait for the standby from now on, whenever there is one. */
  start(): void {
    const gate: CommitGate = async ({ revision }, operations) => {
      if (operations.every((one) => 'key' in one && isForLeading(one.key))) return;
      await this.#confirm(revision);
    };
    this.#options.nodeRegistry.live.setCommitGate(gate);
    this.#loops = [this.#follow(), this.#askOthers()];
  }

  /**
   * This node stops: what the standby has not got in a moment is said to be unknown rather than waited for, since
   * nobody may be left who could say that the standby is away.
   */
  leave(): void {
    this.#leaving.abort();
  }

  /** The standby's name, and whether it has everything; undefined while there is none. */
  status(): { readonly node: string; readonly isInSync: boolean } | undefined {
    const current = this.#current;
    if (current === undefined) return undefined;
    const name = this.#peers.get(current.node)?.name ?? current.node;
    return { node: name, isInSync: current.isInSync };
  }

  /** Why changes of this node wait at the moment. The standby may be what acknowledged the last one: it is not left out lightly. */
  waitsFor(): string | undefined {
    const [id] = this.#waiting;
    if (id === undefined) return undefined;
    const name = this.#peers.get(id)?.name ?? id;
    return `Changes wait for ${name}, which keeps the copy. If it stays away, they go on without it in half a minute`;
  }

  methods(): NodeMethods['methods'] {
    const { nodeRegistry } = this.#options;
    return {
      'cluster.mirrored': async (params, { signal }) => {
        const { revision, epoch, withLogs } = mirroredSchema.decode(params, '');
        if (nodeRegistry.place?.epoch !== epoch) throw otherEpoch(epoch);
        await this.#mirrored(revision, signal);
        if (withLogs === true) await this.#options.logs.caughtUp();
        return {};
      },
      'cluster.place': () => Promise.resolve(nodeRegistry.place ?? {}),
    };
  }

  /** One standby while one machine holds the registry, none otherwise. */
  async lead(term: LeaderTerm): Promise<void> {
    const { clock, nodeRegistry } = this.#options;
    const { signal } = term;
    const registry = duringTerm(nodeRegistry.live, term);
    const records = standbyRecords(registry);
    while (!signal.aborted) {
      const { place } = nodeRegistry;
      if (place !== undefined && place.foreign === undefined) await this.#look(place, records);
      await clock.sleep(untilSecond(clock, LOOK_EVERY_MS), signal).catch(() => undefined);
    }
  }

  /**
   * This node becomes the one that holds the registry, out of its copy. Throws `NODE_TAKEOVER_REFUSED`; and
   * `NODE_TAKEOVER_BEHIND` when changes may have been made that the copy lacks, unless forced.
   */
  async takeOver({ force }: { readonly force: boolean }): Promise<void> {
    const { nodeRegistry, etcd, events, onManager, log } = this.#options;
    const { place, mirror } = nodeRegistry;
    if (place === undefined || mirror === undefined) {
      throw refused('This node holds the registry itself', 'There is nothing to take over');
    }
    if (place.foreign !== undefined) {
      const hint = `Bring ${place.endpoints.join(' or ')} back`;
      throw refused('The registry is on an etcd that Moln does not look after', hint);
    }
    if (nodeRegistry.isLive) {
      throw refused('The registry answers', 'A takeover is for when its machine is gone for good');
    }
    if (!mirror.status().isComplete) {
      throw refused('This node has no complete copy', 'Ask the node that was the standby');
    }
    if (!force && !(await this.#hasEverything())) throw behind(mirror.status().seenAt);
    log.warn('This node takes the registry over', { audit: true, epoch: place.epoch + 1 });
    await nodeRegistry.takeOver((token) => etcd.startAnew(token));
    await this.#records.delete(ID);
    await onManager();
    const name = this.#peers.get(this.#peers.self)?.name ?? '';
    events.tell('manager', `${name} has taken the registry over`, { node: name });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  get #peers(): Peers {
    return this.#options.cluster.peers;
  }

  async #look(place: RegistryPlace, records: Collection<StandbyRecord>): Promise<void> {
    const { events, clock } = this.#options;
    const peers = this.#peers.all();
    const isHolder = ({ address }: PeerNode): boolean =>
      place.endpoints.some((endpoint) => hostOf(endpoint) === address);
    const wanted = place.endpoints.length === 1 ? peers.filter((peer) => !isHolder(peer)) : [];
    const isFresh = this.#isRead && clock.monotonicMs() - this.#lookedAtMs < READ_AGAIN_MS;
    if (isFresh && !isDue(this.#current, wanted)) return;
    this.#lookedAtMs = clock.monotonicMs();
    const stored = await records.get(ID);
    const current = stored?.value;
    if (stored === undefined || current === undefined) {
      const next = wanted.find(({ state }) => state === 'ready');
      if (next === undefined) return;
      await this.#prepare(next);
      await records.put(ID, { node: next.id, isInSync: false });
      return;
    }
    const node = wanted.find(({ id }) => id === current.node);
    if (node === undefined) {
      await records.delete(ID);
      return;
    }
    if (current.isInSync && node.state === 'lost') {
      await records.put(ID, { ...current, isInSync: false });
      events.tell('manager', `${node.name} is away: changes are on one machine only`, {
        node: node.name,
      });
    } else if (!current.isInSync && node.state === 'ready') {
      await this.#catchUp(node, current, records);
    } else if (node.state === 'ready') {
      await this.#bringWord(node, stored, records);
    }
  }

  /** It needs the authority's key, for there may be nobody left to ask. */
  async #prepare(node: PeerNode): Promise<void> {
    const { cluster } = this.#options;
    await cluster.members.change(node.name, (member) => ({ ...member, roles: ['manager'] }));
    const options = { deadlineMs: CALL_WITHIN_MS };
    await this.#peers.call(node.id, 'cluster.becomeManager', {}, options);
  }

  async #catchUp(
    node: PeerNode,
    current: StandbyRecord,
    records: Collection<StandbyRecord>,
  ): Promise<void> {
    const { nodeRegistry, events, log } = this.#options;
    const { revision } = await nodeRegistry.live.list(PREFIX);
    const options = { deadlineMs: CATCH_UP_WITHIN_MS };
    if (!(await this.#allKnowTheHolder())) return;
    try {
      await this.#ask(node.id, { revision, withLogs: true }, options);
    } catch (error) {
      log.debug('The standby has not caught up yet', { reason: messageOf(error) });
      return;
    }
    const stored = await records.put(ID, { ...current, isInSync: true });
    await this.#bringWord(node, stored, records);
    events.tell('manager', `${node.name} keeps a complete copy`, {
      node: node.name,
    });
  }

  /** Who still thinks that several machines hold the registry would wait for nobody. */
  async #allKnowTheHolder(): Promise<boolean> {
    const { place } = this.#options.nodeRegistry;
    const others = this.#peers.ready().filter(({ id }) => id !== this.#peers.self);
    const theirs = await Promise.all(others.map(({ id }) => this.#placeOf(id)));
    return theirs.every((one) => isDeepStrictEqual(one?.endpoints, place?.endpoints));
  }

  /**
   * Brings it the leader's word, after which alone that counts: what was committed before has waited for nobody. Asked again now and then:
   * one that is there and cannot go on, as with a full disk, is left out in the end.
   */
  async #bringWord(
    node: PeerNode,
    { value, revision: word }: Stored<StandbyRecord>,
    records: Collection<StandbyRecord>,
  ): Promise<void> {
    const { nodeRegistry, events, clock, log } = this.#options;
    try {
      const { revision: now } = await nodeRegistry.live.list(PREFIX);
      const revision = Math.max(word, now);
      await this.#ask(node.id, { revision, withLogs: true }, { deadlineMs: CATCH_UP_WITHIN_MS });
      this.#failsSinceMs = undefined;
    } catch (error) {
      this.#lookedAtMs = -Infinity;
      this.#failsSinceMs ??= clock.monotonicMs();
      const why = messageOf(error);
      log.debug('The standby does not say that it has everything', { why });
      if (clock.monotonicMs() - this.#failsSinceMs < FAILS_MS_MAX) return;
      this.#failsSinceMs = undefined;
      await records.put(ID, { ...value, isInSync: false });
      const text = `${node.name} cannot keep the copy (${why}): changes are on one machine only`;
      events.tell('manager', text, { node: node.name });
    }
  }

  /**
   * Returns when the standby has it, or when there is none. Whether there is one is read anew after every commit: what
   * this node was told last may be older than the commit.
   */
  async #confirm(revision: number): Promise<void> {
    const { clock, nodeRegistry } = this.#options;
    const { signal } = this.#leaving;
    const givenUpMs = clock.monotonicMs() + CONFIRM_MS_MAX;
    for (;;) {
      const { place } = nodeRegistry;
      if (place?.endpoints.length !== 1 || place.foreign !== undefined) return;
      const isLast = signal.aborted || clock.monotonicMs() > givenUpMs;
      try {
        const current = (await this.#live.get(ID))?.value;
        if (current?.isInSync !== true) {
          this.#waiting.clear();
          return;
        }
        const options = isLast
          ? { deadlineMs: LEAVING_CONFIRM_MS }
          : { deadlineMs: CONFIRM_WITHIN_MS, signal };
        this.#waiting.add(current.node);
        await this.#ask(current.node, { revision }, options);
        this.#waiting.delete(current.node);
        return;
      } catch (error) {
        if (isLast) throw error;
        // Not there yet, or away: the leader decides how long it is waited for.
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  async #ask(
    node: string,
    wanted: { readonly revision: number; readonly withLogs?: boolean },
    options: PeerCallOptions,
  ): Promise<void> {
    const epoch = this.#options.nodeRegistry.place?.epoch ?? 0;
    await this.#peers.call(node, 'cluster.mirrored', { ...wanted, epoch }, options);
  }

  /** This node was waited for with every commit, of the registry and of the logs, since it was said to have everything. */
  async #hasEverything(): Promise<boolean> {
    const last = await this.#records.get(ID);
    if (last?.value.isInSync !== true || last.value.node !== this.#peers.self) return false;
    return await this.#options.logs.hasLogsOf(last.revision);
  }

  async #mirrored(revision: number, signal: AbortSignal): Promise<void> {
    const { mirror } = this.#options.nodeRegistry;
    if (mirror === undefined) throw refused('This node has no copy of the registry', 'Try again');
    await mirror.appliedAt(revision, signal);
  }

  /** Who the standby is, as every node has to know for its own commits. */
  #follow(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.debug('Cannot follow the standby', { reason: messageOf(error) });
    const work = async (): Promise<void> => {
      for await (const { records } of this.#records.watch(signal)) {
        this.#current = records.get(ID);
        this.#isRead = true;
      }
    };
    return followAgain(work, { clock, signal, pauseMs: LOOK_EVERY_MS, onError });
  }

  /** A machine that held the registry and comes back finds out here that another one has taken over. */
  async #askOthers(): Promise<void> {
    const { clock, nodeRegistry, log } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const { place } = nodeRegistry;
      if (place !== undefined && place.foreign === undefined) {
        for (const { id, name } of this.#peers.all()) {
          if (id === this.#peers.self || signal.aborted) continue;
          const theirs = await this.#placeOf(id);
          if (theirs === undefined || theirs.epoch <= place.epoch) continue;
          log.warn('The registry was taken over: this node follows', { by: name });
          await this.#giveWay(theirs);
          break;
        }
      }
      const isPressing = place?.endpoints.length === 1 || !nodeRegistry.isLive;
      const pauseMs = isPressing ? ASK_EVERY_MS : ASK_SELDOM_MS;
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  async #placeOf(node: string): Promise<RegistryPlace | undefined> {
    try {
      const said = await this.#peers.call(node, 'cluster.place', {}, { deadlineMs: ASK_EVERY_MS });
      return registryPlaceSchema.decode(said, '');
    } catch (error) {
      if (isForgotten(error)) this.#options.onForgotten(error);
      // Away, or alone: nothing to follow.
      return undefined;
    }
  }

  async #giveWay(theirs: RegistryPlace): Promise<void> {
    const { nodeRegistry, etcd, log } = this.#options;
    try {
      await etcd.setAside();
      await nodeRegistry.follow(theirs);
    } catch (error) {
      log.error('This node could not follow the registry', { error });
    }
  }
}

/** Whether the leader has something to do. */
function isDue(current: StandbyRecord | undefined, wanted: readonly PeerNode[]): boolean {
  if (current === undefined) return wanted.some(({ state }) => state === 'ready');
  const node = wanted.find(({ id }) => id === current.node);
  return node === undefined || node.state === (current.isInSync ? 'lost' : 'ready');
}

/** Who leads, and whether there is a standby, cannot wait for the standby: the leader says when that is away. */
function isForLeading(key: string): boolean {
  return key.startsWith(PREFIX) || key.startsWith(LEADER_PREFIX);
}

function otherEpoch(epoch: number): MolnError {
  return new MolnError('NODE_EPOCH_DIFFERS', `This node is not of epoch ${epoch} of the registry`, {
    hint: 'Another machine has taken the registry over; the asking one will follow',
    retryable: true,
  });
}

function behind(seenAt: number | undefined): MolnError {
  const since = seenAt === undefined ? 'an unknown time' : isoTime(seenAt);
  const message = `This node was not the standby: its copy is of ${since} and may lack later changes`;
  return new MolnError('NODE_TAKEOVER_BEHIND', message, {
    hint: 'Bring the other machines back; if they are gone for good, "moln manager takeover --force" takes what there is',
  });
}

function refused(why: string, hint: string): MolnError {
  return new MolnError('NODE_TAKEOVER_REFUSED', why, { hint });
}
