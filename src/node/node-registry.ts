/**
 * The registry of this node: embedded while it is alone, etcd from its first companion on. The parts hold one registry that
 * stays the same through the move; what they read comes from the mirror on this node while no manager answers.
 */
import { join } from 'node:path';
import { removeTree } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { type Identity, Members, type RegistryPlace } from '../cluster/cluster.ts';
import {
  copyRegistry,
  type EtcdTls,
  openEtcdRegistry,
  openMirror,
  openSqliteRegistry,
  ReadThrough,
  type Registry,
  type RegistryMirror,
  SwitchableRegistry,
} from '../registry/registry.ts';
import type { DataFolder } from './data-folder.ts';
import { prefixOf, readPlace, writePlace } from './registry-place.ts';
import { messageOf, MolnError } from '../base/errors.ts';

export interface NodeRegistryOptions {
  readonly folder: DataFolder;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Everything that does not hang on a lease. */
const MIRRORED = '/';

export class NodeRegistry implements AsyncDisposable {
  /** What the managers say and nothing else: for leases, presence and the leader. */
  readonly live: SwitchableRegistry;
  /** The same, but while no manager answers it is read as it was last heard of. */
  readonly registry: Registry;
  readonly #options: NodeRegistryOptions;
  readonly #reader: ReadThrough;
  #place: RegistryPlace | undefined;
  #mirror: RegistryMirror | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(
    options: NodeRegistryOptions,
    engine: Registry,
    place: RegistryPlace | undefined,
  ) {
    this.#options = options;
    this.#place = place;
    this.live = new SwitchableRegistry(engine);
    const reader = new ReadThrough({ registry: this.live, mirror: () => this.#mirror });
    this.#reader = reader;
    const { live } = this;
    this.registry = {
      get engine() {
        return live.engine;
      },
      get: (key) => reader.get(key),
      list: (prefix) => reader.list(prefix),
      watch: (prefix, from, signal) => reader.watch(prefix, from, signal),
      commit: (conditions, operations) => live.commit(conditions, operations),
      lease: (ttlMs) => live.lease(ttlMs),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  static async open(options: NodeRegistryOptions): Promise<NodeRegistry> {
    const { folder, clock, log } = options;
    const place = await readPlace(folder.path);
    const engine =
      place === undefined
        ? await openSqliteRegistry({ path: folder.registry, clock, log })
        : await openEtcd(options, place, { mustAnswer: false });
    const registry = new NodeRegistry(options, engine, place);
    if (place !== undefined) registry.#openMirror(place);
    return registry;
  }

  /** Calls after every change of `place`. */
  onPlace(call: () => void): Disposable {
    this.#listeners.add(call);
    return { [Symbol.dispose]: () => this.#listeners.delete(call) };
  }

  /** Undefined while the registry is embedded. */
  get place(): RegistryPlace | undefined {
    return this.#place;
  }

  /** Undefined while the registry is embedded. */
  get mirror(): RegistryMirror | undefined {
    return this.#mirror;
  }

  /** False while no manager answers: what is shown may be old. */
  get isLive(): boolean {
    return this.#mirror?.status().isLive ?? true;
  }

  /**
   * From the embedded registry to etcd. Whatever fails before the place is written leaves everything as it was; commits
   * wait for a moment, none is refused or lost.
   */
  async moveTo(where: EtcdPlace): Promise<RegistryPlace> {
    const { folder, identity, log } = this.#options;
    const { endpoints } = where;
    const place: RegistryPlace = { ...where, prefix: prefixOf(identity.cluster.id), epoch: 1 };
    await this.live.switchTo(async (freeze) => {
      const etcd = await openEtcd(this.#options, place, { mustAnswer: true });
      try {
        const { keys } = await copyRegistry({ from: this.live.current, to: etcd, freeze });
        await writePlace(folder.path, place);
        log.info('The registry has moved to etcd', { audit: true, keys, endpoints });
        return etcd;
      } catch (error) {
        await etcd[Symbol.asyncDispose]();
        throw error;
      }
    });
    this.#setPlace(place);
    this.#openMirror(place);
    return place;
  }

  /**
   * The etcd that a person has named: the registry moves there, or is looked for there from now on. Throws
   * `NODE_ETCD_REFUSED` with nothing changed.
   */
  async use(where: EtcdPlace): Promise<void> {
    const { folder, identity, clock, log } = this.#options;
    const before = this.#place;
    if (before === undefined) {
      await this.moveTo(where).catch((error: unknown) => {
        throw etcdRefused(where, messageOf(error), error);
      });
      return;
    }
    if (before.foreign === undefined) {
      throw etcdRefused(where, 'the registry of this cluster is on an etcd of its own');
    }
    const place = { ...before, ...where };
    if (JSON.stringify(place) === JSON.stringify(before)) return;
    let etcd: Registry;
    try {
      etcd = await openEtcd(this.#options, place, { mustAnswer: true });
    } catch (error) {
      throw etcdRefused(where, messageOf(error), error);
    }
    try {
      // An empty one would be believed, and all apps be gone.
      const members = new Members({ registry: etcd, clock, log });
      if ((await members.get(identity.node.id)) === undefined) {
        throw etcdRefused(where, 'it does not hold the registry of this cluster');
      }
      await writePlace(folder.path, place);
    } catch (error) {
      await etcd[Symbol.asyncDispose]();
      throw error;
    }
    this.#setPlace(place);
    await this.live.switchTo(() => Promise.resolve(etcd));
    // Revisions may count anew there: what was read elsewhere is compared with nothing.
    await this.#mirror?.[Symbol.asyncDispose]();
    await forgetHalfMove(folder);
    this.#openMirror(place);
  }

  /** The managers are elsewhere now; a higher epoch is another etcd, after a takeover. */
  async follow(place: RegistryPlace): Promise<void> {
    const before = this.#place;
    if (before === undefined || place.epoch < before.epoch) return;
    if (JSON.stringify(place) === JSON.stringify(before)) return;
    await writePlace(this.#options.folder.path, place);
    this.#setPlace(place);
    if (place.epoch === before.epoch) {
      this.live.setEndpoints(place.endpoints);
      return;
    }
    // Commits that are stuck at the old one need not be waited for: it is not the cluster's any more.
    await this.live.switchTo(() => openEtcd(this.#options, place, { mustAnswer: false }));
    await this.#mirror?.[Symbol.asyncDispose]();
    this.#openMirror(place);
  }

  /**
   * Out of the mirror into an etcd of this node. `startEtcd` is given the name of the new etcd cluster and resolves to its
   * endpoints. Repeated after a failure it begins anew.
   */
  async takeOver(startEtcd: (token: string) => Promise<readonly string[]>): Promise<void> {
    const { folder, identity, log } = this.#options;
    const mirror = this.#mirror;
    const before = this.#place;
    if (mirror === undefined || before === undefined)
      throw new Error('There is nothing to take over');
    const epoch = before.epoch + 1;
    const endpoints = await startEtcd(`${identity.cluster.id}-${epoch}`);
    const place: RegistryPlace = { endpoints, prefix: before.prefix, epoch };
    await this.live.switchTo(async () => {
      const etcd = await openEtcd(this.#options, place, { mustAnswer: true });
      try {
        const { keys } = await copyRegistry({
          from: mirror,
          to: etcd,
          freeze: () => Promise.resolve(),
        });
        await writePlace(folder.path, place);
        log.info('The registry was taken over', { audit: true, keys, epoch });
        return etcd;
      } catch (error) {
        await etcd[Symbol.asyncDispose]();
        throw error;
      }
    });
    this.#setPlace(place);
    await mirror[Symbol.asyncDispose]();
    this.#openMirror(place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mirror?.[Symbol.asyncDispose]();
    await this.live[Symbol.asyncDispose]();
  }

  #setPlace(place: RegistryPlace): void {
    this.#place = place;
    for (const call of this.#listeners) call();
  }

  #openMirror(place: RegistryPlace): void {
    const { folder, identity, clock, log } = this.#options;
    this.#mirror = openMirror({
      path: mirrorPath(folder),
      source: this.live,
      sourceId: `${identity.cluster.id}/${place.epoch}`,
      prefixes: [MIRRORED],
      clock,
      log,
    });
    this.#reader.mirrorChanged();
  }
}

/** What is left of a move that did not come to its end counts for nothing. */
export async function forgetHalfMove(folder: DataFolder): Promise<void> {
  await removeTree(mirrorPath(folder));
}

/** One that somebody else looks after says how to come in. */
export type EtcdPlace = Pick<RegistryPlace, 'endpoints' | 'foreign'>;

/** What the members are shown, and by what they are known. */
export function etcdTls(identity: Identity, place: EtcdPlace): EtcdTls {
  const { foreign } = place;
  if (foreign !== undefined) {
    const { authority, certificate, key } = foreign;
    return { caPem: authority, certificatePem: certificate, keyPem: key };
  }
  const { certificatePem, keyPem } = identity.certificate;
  return { caPem: identity.trustedPem, certificatePem, keyPem };
}

function mirrorPath(folder: DataFolder): string {
  return join(folder.path, 'mirror.sqlite');
}

function openEtcd(
  { identity, clock, log }: NodeRegistryOptions,
  place: RegistryPlace,
  { mustAnswer }: { readonly mustAnswer: boolean },
): Promise<Registry> {
  const isTls = place.endpoints.some((endpoint) => endpoint.startsWith('https:'));
  return openEtcdRegistry({
    endpoints: place.endpoints,
    ...(isTls ? { tls: () => etcdTls(identity, place) } : {}),
    prefix: place.prefix,
    epoch: place.epoch,
    client: identity.node.id,
    mustAnswer,
    clock,
    log,
  });
}

function etcdRefused({ endpoints }: EtcdPlace, why: string, cause?: unknown): MolnError {
  const message = `The etcd at ${endpoints.join(', ')} cannot be used: ${why}`;
  return new MolnError('NODE_ETCD_REFUSED', message, {
    hint: 'Look at what follows --etcd, --etcd-ca, --etcd-cert and --etcd-key, or leave --etcd out',
    cause,
  });
}
