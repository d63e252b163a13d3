/**
 * The composition root: the only place that knows all parts. `node-parts.ts` opens them one by one; here they become
 * a running node, and end in the reverse order, also after half a start.
 */
import { Accounts } from '../accounts/accounts.ts';
import type { ApiServer } from '../api/api.ts';
import type { Progress, Status } from '../api/model.ts';
import { type Apps, packFolder } from '../apps/apps.ts';
import type { Logger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import { type FolderLock, openDataFolder } from './data-folder.ts';
import { Events } from '../cluster/cluster.ts';
import { DatabasePlacer, LostDatabases, VaultSweeper } from '../databases/databases.ts';
import { databaseReaders } from './database-readers.ts';
import { Chronicle } from './chronicle.ts';
import { HostMeter } from './host-facts.ts';
import { Leadership } from './leadership.ts';
import { joinInto } from './join-node.ts';
import { ClusterLive } from './cluster-live.ts';
import { LiveFeed } from './live-feed.ts';
import { slotDetails } from './cluster-cloud.ts';
import { AuthorityDuty } from './authority-duty.ts';
import { AuthorityFollower } from './authority-follower.ts';
import { AuthorityView } from './authority-status.ts';
import { ManagerDuty } from './manager-duty.ts';
import { etcdTls } from './node-registry.ts';
import { Standby } from './standby.ts';
import { NodeStorageCloud } from './storage-cloud.ts';
import { PurgeLog } from './purge-log.ts';
import { PlaceFollower } from './place-follower.ts';
import { NodeCacheCloud } from './cache-cloud.ts';
import { NodeCertificateCloud } from './certificate-cloud.ts';
import { CertificateDuty } from './certificate-duty.ts';
import { NodeDatabaseCloud } from './database-cloud.ts';
import { NodeRouteCloud } from './route-cloud.ts';
import { NodeCloud } from './node-cloud.ts';
import { nodeMetrics } from './node-metrics.ts';
import { NodeDirectory } from './node-directory.ts';
import {
  checkMembership,
  chooseAddresses,
  moduleVersion,
  nodeFacts,
  type NodeOptions,
  openApi,
  openApps,
  openBase,
  openFurther,
  openCluster,
  openLog,
  startGateway,
} from './node-parts.ts';
import { LateWelcome } from './welcome.ts';
import { openAddresses } from './open-addresses.ts';
import { openDatabases } from './open-databases.ts';
import { appServices, openFiles } from './open-files.ts';
import { RecordBook } from '../routes/routes.ts';
import { furtherAddresses, ownAddresses } from './own-addresses.ts';

export type { NodeOptions };

/** Requests under way may finish for this long when the node stops. */
const STOP_DRAIN_MS = 10_000;

/** A running node of this process. */
export class MolnNode {
  readonly #cloud: NodeCloud;
  readonly #apps: Apps;
  readonly #waitsFor: () => string | undefined;
  readonly #end: () => Promise<void>;
  readonly #stopped = Promise.withResolvers<void>();
  #stopping: Promise<void> | undefined;

  /** Only `startNode` calls it. */
  constructor(parts: {
    readonly cloud: NodeCloud;
    readonly apps: Apps;
    readonly waitsFor: () => string | undefined;
    readonly end: () => Promise<void>;
  }) {
    this.#cloud = parts.cloud;
    this.#apps = parts.apps;
    this.#waitsFor = parts.waitsFor;
    this.#end = parts.end;
    // Whoever asked for the stop gets the rejection; `stopped` may have no listener.
    this.#stopped.promise.catch(() => undefined);
  }

  /** Resolves when the node has stopped, whoever asked; rejects when the stop failed. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  status(): Promise<Status> {
    return this.#cloud.status();
  }

  async loginLink(): Promise<string> {
    return (await this.#cloud.createLoginLink()).url;
  }

  waitsFor(): string | undefined {
    return this.#waitsFor();
  }

  /** Deploys unless exactly this source is live already. */
  async *deployFolder(folder: string, app: string): AsyncIterable<Progress> {
    const live = (await this.#apps.list()).find((view) => view.app.name === app);
    if (live?.release !== undefined && live.app.running) {
      const id = await this.#apps.identify(app, packFolder(folder));
      if (id === live.release.id) {
        const url = (await this.#cloud.showApp(app)).urls[0] ?? '';
        yield { kind: 'done', app, release: id, url };
        return;
      }
    }
    yield* this.#apps.deploy({ app, tar: packFolder(folder), domains: [], by: 'local' });
  }

  /** Orderly: no new requests, those under way finish, instances end, everything is on the disk. */
  stop(): Promise<void> {
    return this.#stop(() => this.#stopped.resolve());
  }

  /** The same, and `stopped` rejects with why. */
  giveUp(why: unknown): Promise<void> {
    return this.#stop(() => this.#stopped.reject(why));
  }

  #stop(done: () => void): Promise<void> {
    this.#stopping ??= this.#end().then(done, (error: unknown) => {
      this.#stopped.reject(error);
      throw error;
    });
    return this.#stopping;
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }
}

/** Starts everything, or nothing: what was opened before a failure is closed again. */
export async function startNode(options: NodeOptions): Promise<MolnNode> {
  await using stack = new AsyncDisposableStack();
  const lock = stack.use(await openDataFolder(options.dataFolder));
  const log = openLog(lock.folder, systemClock, options.terminal);
  return await launch(options, lock, log, stack);
}

/** The same for a machine that becomes a node of another's cluster first. */
export async function joinNode(
  options: NodeOptions & { readonly invite: string },
): Promise<MolnNode> {
  await using stack = new AsyncDisposableStack();
  const lock = stack.use(await openDataFolder(options.dataFolder));
  const log = openLog(lock.folder, systemClock, options.terminal);
  const version = moduleVersion();
  await joinInto(lock, options, { version, clock: systemClock, log: log.for('cluster') });
  return await launch(options, lock, log, stack);
}

async function launch(
  options: NodeOptions,
  lock: FolderLock,
  log: Logger,
  stack: AsyncDisposableStack,
): Promise<MolnNode> {
  const clock = systemClock;
  const { folder } = lock;
  const base = await openBase(options, folder, { clock, log }, stack);
  const welcome = await checkMembership(base);
  const choice = await chooseAddresses(base);
  const hostMeter = new HostMeter({ dataFolder: folder.path, clock });
  const hostFacts = hostMeter.read.bind(hostMeter);
  const { cluster, etcd } = await openCluster(base, { choice, hostFacts }, stack);
  const gateway = await startGateway(base, { choice, cluster }, stack);
  const facts = nodeFacts(folder, choice, clock);
  const accounts = new Accounts({ registry: base.registry, clock, log: log.for('accounts') });
  const databases = await openDatabases(base, { cluster, accounts }, stack);
  const { mirror } = gateway;
  const files = await openFiles(
    base,
    {
      cluster,
      accounts,
      databases,
      choice,
      onSilence: (isSilent) => mirror.setFilesSilent(isSilent),
    },
    stack,
  );
  const services = appServices(databases, files);
  const apps = await openApps(
    base,
    gateway,
    { facts, cluster, services, vault: files.kept.releases },
    stack,
  );
  const feed = stack.use(
    new LiveFeed({
      clock,
      log: log.for('live'),
      gateways: () => gateway.supervisor.stats(),
      hostFacts,
    }),
  );
  feed.start();
  const live = new ClusterLive({ feed, peers: cluster.peers, clock, log: log.for('live') });
  const { registry, identity, workers } = base;
  const objects = files.kept.snapshots;
  const sweeper = new VaultSweeper({ objects, registry });
  for (const worker of [accounts.sweeper(), identity.renewer(), sweeper]) workers.add(worker);
  // The API answers before this function has returned: until then there is no node to ask.
  const born = Promise.withResolvers<MolnNode>();
  const end = (call: (one: MolnNode) => Promise<void>): void => {
    born.promise
      .then(call)
      .catch((error: unknown) => log.error('The node did not stop cleanly', { error }));
  };
  const onForgotten = (why: unknown): void => end((one) => one.giveUp(why));
  void cluster.forgotten.then(onForgotten);
  let node: MolnNode | undefined;
  const directory = new NodeDirectory({
    peers: cluster.peers,
    own: { dataFolder: folder.path, startedAt: facts.startedAt, version: facts.version },
    hostFacts,
    etcd: () => {
      if (etcd.member === undefined) return 'none';
      return etcd.member.isRunning ? 'runs' : 'away';
    },
    isStopping: () => node?.isStopping ?? false,
    log: log.for('nodes'),
  });
  const events = new Events({ registry, clock, log: log.for('events') });
  const virtualAddresses = openAddresses(base, { cluster, gateway, events }, stack);
  const { nodeRegistry } = base;
  const { certificates } = gateway;
  const hostsOfRoutes = (): readonly string[] =>
    gateway.mirror.routes().flatMap(({ hosts }) => hosts);
  const databaseCloud = new NodeDatabaseCloud({
    databases,
    lost: new LostDatabases({ objects, registry, clock, log: log.for('databases') }),
    peers: cluster.peers,
    events,
    clock,
    log: log.for('databases'),
  });
  const managers: ManagerDuty = new ManagerDuty({
    cluster,
    nodeRegistry,
    etcd,
    events,
    clusterId: identity.cluster.id,
    tls: (place) => etcdTls(identity, place),
    onManager: () => leadership.elect(),
    clock,
    log: log.for('managers'),
  });
  const standby: Standby = stack.use(
    new Standby({
      nodeRegistry,
      cluster,
      etcd,
      events,
      logs: databases,
      onManager: () => leadership.elect(),
      onForgotten,
      clock,
      log: log.for('standby'),
    }),
  );
  const leadership: Leadership = stack.use(
    new Leadership({
      registry: nodeRegistry.live,
      node: identity.node,
      mayLead: () => nodeRegistry.place?.foreign !== undefined || etcd.member !== undefined,
      duties: [
        new Chronicle({
          peers: cluster.peers,
          events,
          leads: () => (nodeRegistry.place === undefined ? undefined : identity.node.name),
          clock,
        }),
        apps.placer(),
        new DatabasePlacer({
          registry: nodeRegistry.live,
          peers: cluster.peers,
          own: () => databases.states(),
          states: () => databaseCloud.statesByNode(),
          readers: () => databaseReaders(apps),
          move: (nodeId, request) => databaseCloud.moveFrom(nodeId, request),
          events,
          clock,
          log: log.for('databases'),
        }),
        managers,
        standby,
        new CertificateDuty({
          nodeRegistry,
          hosts: hostsOfRoutes,
          onChange: (call) => certificates.onChange(call),
          sealer: certificates.sealer,
          settled: (revision) => gateway.settled.settled(revision),
          events,
          clock,
          log: log.for('certificates'),
        }),
        new AuthorityDuty({
          identity,
          nodeRegistry,
          cluster,
          events,
          clock,
          log: log.for('authority'),
        }),
      ],
      workers,
      clock,
      log: log.for('leader'),
    }),
  );
  let opening: Promise<void> | undefined;
  const openToOthers = async (): Promise<void> => {
    const places = furtherAddresses(choice.api.address, options.address);
    opening ??= openFurther(api, places, choice.api.port);
    await opening;
  };
  const cloud: NodeCloud = new NodeCloud({
    facts,
    identity,
    cluster,
    nodeRegistry,
    events,
    authority: new AuthorityView({ identity, nodeRegistry, cluster, events, clock }),
    managers: managers.records,
    standby,
    addresses: ownAddresses(options.address),
    apiPort: choice.api.port,
    openToOthers,
    instancesByNode: async () => {
      const views = (await apps.list()).flatMap(({ instances }) => instances);
      return Map.groupBy(views, ({ node: name }) => name);
    },
    why: async (app) => slotDetails(await apps.slots(app), cluster.peers),
    registry,
    accounts,
    apps,
    supervisor: gateway.supervisor,
    router: gateway.router,
    live,
    certificates: new NodeCertificateCloud({
      store: certificates.store((revision) => gateway.settled.settled(revision)),
      hosts: hostsOfRoutes,
      clock,
    }),
    cache: new NodeCacheCloud({
      peers: cluster.peers,
      questions: gateway.questions,
      purges: new PurgeLog({ registry, clock }),
      settled: gateway.settled,
    }),
    routes: new NodeRouteCloud({
      book: new RecordBook({ registry, clock }),
      apps,
      peers: cluster.peers,
      questions: gateway.questions,
      ports: gateway.ports,
      hasPorts: () => gateway.mirror.hasPorts,
      settled: gateway.settled,
      events,
    }),
    virtualAddresses,
    databases: databaseCloud,
    storage: new NodeStorageCloud({ files, log: log.for('files') }),
    directory,
    workers,
    metrics: nodeMetrics(hostFacts, () => virtualAddresses.heldCount),
    hostFacts,
    clock,
    stop: () => end((one) => one.stop()),
  });
  const api: ApiServer = await openApi(base, { cloud, files }, choice, stack);
  const isExpected = (await cluster.invites.list()).length > 0;
  if (nodeRegistry.place !== undefined || isExpected) await openToOthers();
  const { methods, streams } = apps.methods();
  cluster.serve(api, {
    methods: {
      ...directory.methods(),
      ...gateway.methods,
      ...virtualAddresses.methods(),
      ...managers.methods(),
      ...standby.methods(),
      ...live.methods(),
      ...databaseCloud.methods(),
      ...methods,
    },
    streams,
  });
  apps.announce();
  virtualAddresses.start();
  if (nodeRegistry.place === undefined) leadership.leadAlone();
  else if (identity.isManager) await leadership.elect();
  cluster.onCluster(() => leadership.elect());
  const follower = stack.use(
    new PlaceFollower({ nodeRegistry, records: managers.records, clock, log }),
  );
  follower.start();
  if (welcome === 'unknown') {
    workers.add(
      new LateWelcome({
        identity,
        version: facts.version,
        others: () => cluster.peers.all().filter(({ id }) => id !== cluster.peers.self),
        onRefused: (error) => end((one) => one.giveUp(error)),
        clock,
      }),
    );
  }
  const authority = stack.use(
    new AuthorityFollower({
      identity,
      registry: nodeRegistry.live,
      etcd,
      gateways: gateway.mirror,
      fetchKey: (of) => cluster.fetchAuthorityKey(of),
      isManager: () => cluster.peers.get(cluster.peers.self)?.isManager ?? false,
      clock,
      log: log.for('authority'),
    }),
  );
  authority.start();
  standby.start();
  lock.keep();
  const opened = stack.move();
  node = new MolnNode({
    cloud,
    apps,
    waitsFor: () => standby.waitsFor(),
    end: async () => {
      log.info('The node stops');
      // Whatever fails on the way, what is open is closed: a half stopped node would never end.
      await using _rest = opened;
      // Nor does a registry that is away keep it.
      nodeRegistry.live.hurry();
      // While others still reach this node's databases through its gateways.
      await databases.leave(`${identity.node.name} stopped`);
      await virtualAddresses.leave();
      await gateway.supervisor.stop({ drainMs: STOP_DRAIN_MS });
      // An app that is just starting waits for its route: no gateway will take it any more.
      await gateway.mirror[Symbol.asyncDispose]();
      standby.leave();
      await leadership[Symbol.asyncDispose]();
      await workers[Symbol.asyncDispose]();
      await apps.stopAll();
      await files.stopProcess();
      await databases.stopProcess();
      await cluster.leave();
      await api.close();
      await opened.disposeAsync();
      log.info('The node has stopped');
    },
  });
  born.resolve(node);
  log.info('The node runs', { version: facts.version, dataFolder: folder.path });
  return node;
}
