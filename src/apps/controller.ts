/**
 * Everything that can be done with apps on this node. Owns the parts of the run side and puts them together; each
 * operation is a few lines over `rollout.ts`. Instances survive the end of this object: `stopAll` ends them.
 */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ensureFolder } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { NodeMethods, Peers } from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import { AppContext, type AppServices } from './app-context.ts';
import { AppFolders } from './app-folders.ts';
import type { Router } from './app-route.ts';
import { AppStore, type Sealer } from './app-store.ts';
import { type AppView, appView, reportedViews } from './app-view.ts';
import { changedEnv, checkDomains, type EnvChange, releaseBefore, scaled } from './app-wishes.ts';
import { openDrivers } from './choose-driver.ts';
import type { RunOutput } from './command-stream.ts';
import { Commands } from './commands.ts';
import { deployApp, type DeployRequest, serve } from './deploy.ts';
import type { Driver } from './driver.ts';
import { type FarMemory, farMemory } from './far-memory.ts';
import type { InstanceRecord } from './instance-record.ts';
import { InstanceSupervisor } from './instance-supervisor.ts';
import type { LaunchParts } from './launch-plan.ts';
import { type LogLine, LogReader, type LogRequest } from './log-reader.ts';
import { LogStore } from './log-store.ts';
import type { App, Release } from './model.ts';
import type { RunRequest } from './one-off.ts';
import {
  DEPLOY,
  type OperationResult,
  Operations,
  type Progress,
  type Report,
  ROLLBACK,
} from './operations.ts';
import { type ProcessRow, processTable } from './process-table.ts';
import { FollowedApps } from './followed-apps.ts';
import { Coordinator } from './coordinator.ts';
import { NodeRollout } from './node-rollout.ts';
import { SharedFolders } from './shared-folders.ts';
import { type SingletonClock, SingletonGuard } from './singleton-guard.ts';
import { Reconciler, type SingletonFence } from './reconciler.ts';
import { ReleaseStore } from './release-store.ts';
import { ReleaseCopier } from './release-copy.ts';
import { ReleaseVault, type Vault } from './release-vault.ts';
import { type Gateways, type NodeReport, Reporter } from './reporter.ts';
import { appMethods } from './app-methods.ts';
import { clusterLogs } from './cluster-logs.ts';
import { Placer } from './placer.ts';
import { countsOf, nodesOf, type Slot } from './slots.ts';
import { noRelease, notHere, nothingBefore, releaseNotFound } from './run-errors.ts';
import { LOG_TAIL_LINES_MAX } from './run-limits.ts';
import type { Tools } from './tools.ts';
import type { Workers } from './workers.ts';

export interface AppsOptions {
  readonly dataFolder: string;
  readonly registry: Registry;
  readonly sealer: Sealer;
  readonly router: Router;
  /** The other nodes, or none. */
  readonly peers: Peers;
  readonly gateways: Gateways;
  readonly fence: SingletonFence & SingletonClock;
  readonly workers: Workers;
  readonly clock: Clock;
  readonly log: Logger;
  /** Absolute path of the node binary that apps run on, without symbolic links. */
  readonly node: string;
  /** Folder with the programs that serve Python and PHP apps. */
  readonly runners: string;
  /** What this machine has for building. */
  readonly tools: () => Promise<Tools>;
  /** The agent's environment: registries and proxies for builds. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly services: AppServices;
  /** Where releases are kept beside nodes. */
  readonly vault: Vault;
  /** The address of an app with this host name, such as `http://guestbook.localhost:8080/`. */
  readonly urlOf: (host: string) => string;
  /** Use the weaker driver even where the better one works. */
  readonly driver?: 'plain';
}

/** What exists from `open` on. */
interface Opened {
  readonly context: AppContext;
  readonly commands: Commands;
  readonly followed: FollowedApps;
  readonly reconciler: Reconciler;
  readonly local: NodeRollout;
  readonly coordinator: Coordinator;
  readonly copier: ReleaseCopier;
  readonly guard: SingletonGuard;
  readonly sharedFolders: SharedFolders;
}

export class Apps implements AsyncDisposable {
  readonly #options: AppsOptions;
  readonly #store: AppStore;
  readonly #releases: ReleaseStore;
  readonly #folders: AppFolders;
  readonly #operations: Operations;
  readonly #logs: LogStore;
  readonly #logReader: LogReader;
  #opened: Opened | undefined;

  constructor(options: AppsOptions) {
    this.#options = options;
    const { clock, log } = options;
    this.#store = new AppStore(options);
    this.#releases = new ReleaseStore(options);
    this.#folders = new AppFolders({ data: options.dataFolder });
    this.#operations = new Operations({ clock, log });
    this.#logs = new LogStore({
      folders: this.#folders,
      clock,
      log,
      isAlive: (instance) => this.#opened?.context.rollout.supervisor.has(instance) ?? true,
    });
    this.#logReader = new LogReader({ store: this.#logs, clock });
  }

  /**
   * Chooses the driver, adopts what runs, and begins to look after the apps.
   * Routes are published by the first look, shortly after.
   */
  async open(): Promise<void> {
    const { dataFolder: data, node, runners, clock, log, workers, router } = this.#options;
    const folders = this.#folders;
    await ensureFolder(folders.apps, 0o711);
    await this.#releases.start();
    await ensureFolder(folders.doors, 0o755);
    const { doors } = folders;
    const drivers = await openDrivers({ data, node, runners, doors }, this.#options.driver);
    const sharedFolders = new SharedFolders({ ...this.#options, folders });
    const silentRestarts = { lastAt: -Infinity };
    const shared = {
      folders,
      sharedFolders,
      logs: this.#logs,
      drivers,
      clock,
      log,
      node,
      runners,
      silentRestarts,
    };
    const supervisor = new InstanceSupervisor({
      context: shared,
      guard: () => this.#opened?.guard.note(),
      parts: (record) => this.#parts(record),
      wake: () => {
        workers.wake('instances');
        workers.wake('apps');
      },
    });
    const [store, releases, operations] = [this.#store, this.#releases, this.#operations];
    const { registry, peers, gateways, fence } = this.#options;
    const nodeId = peers.self;
    const followed = new FollowedApps({ nodeId, registry, store, clock });
    followed.onChange(() => workers.wake('apps'));
    const told = { nodeId, registry, followed, releases, gateways, log };
    const reporter = new Reporter({ ...told, supervisor });
    const rollout = { supervisor, reporter, router, logReader: this.#logReader, clock };
    const vault = new ReleaseVault({ ...this.#options, store, releases });
    const shape = { ...this.#options, store, releases, folders, drivers, rollout, vault };
    const context = new AppContext(shape);
    const copier = new ReleaseCopier({ releases, peers, vault, log });
    const local = new NodeRollout({ context, copier, peers, clock });
    const coordinator = new Coordinator({ store, peers, local, gateways, clock, log });
    const runFolder = join(data, 'run');
    const guard = new SingletonGuard({ runFolder, supervisor, clock: fence, log });
    const reconciler = new Reconciler({
      context,
      followed,
      guard,
      operations,
      local,
      copier,
      peers,
      fence,
      nodeId,
      clock,
      log,
    });
    const commands = new Commands({ context, shared, peers, log });
    const acting = { followed, reconciler, local, coordinator, copier, guard, sharedFolders };
    this.#opened = { context, commands, ...acting };
    await supervisor.adopt();
    const more = [guard, vault, this.#logs, sharedFolders];
    for (const worker of [followed, supervisor, reconciler, ...more]) workers.add(worker);
  }

  /** How apps are kept apart on this node. */
  get driver(): Driver {
    return this.#now().drivers.chosen;
  }

  async list(): Promise<readonly AppView[]> {
    const apps = await this.#store.list();
    const table = processTable();
    const reports = await this.#now().rollout.reporter.everything();
    const memory = await this.#farMemory([...reports.values()].flat());
    const of = ({ name }: App): readonly NodeReport[] => reports.get(name) ?? [];
    return Promise.all(apps.map((app) => this.#view(app, [], of(app), { table, memory })));
  }

  /** Where the instances of an app belong, and why. */
  async slots(name: string): Promise<readonly Slot[]> {
    await this.#store.get(name);
    return (await this.#store.slots(name)).slots;
  }

  /** What other nodes may ask of this one. */
  methods(): NodeMethods {
    const { context, local, copier, commands } = this.#all();
    const { supervisor } = context.rollout;
    const { log } = this.#options;
    return appMethods({ local, copier, logs: this.#logReader, commands, supervisor, log });
  }

  /** All apps, and the ids of the nodes that run them, as far as is known. */
  async placed(): Promise<readonly { readonly app: App; readonly nodes: readonly string[] }[]> {
    const { followed } = this.#all();
    const slotsOf = async (app: App) => nodesOf((await followed.of(app.name)).slots);
    const apps = await followed.list();
    return await Promise.all(apps.map(async (app) => ({ app, nodes: await slotsOf(app) })));
  }

  /** For the leader: keeps every instance where it belongs, until the term is over. */
  placer(): Placer {
    const { peers, registry, clock, log } = this.#options;
    return new Placer({ followed: this.#all().followed, peers, registry, clock, log });
  }

  /** Throws `APPS_NOT_FOUND` with the nearest name. */
  async show(name: string): Promise<AppView> {
    const { value: app } = await this.#store.get(name);
    const reports = await this.#now().rollout.reporter.all(name);
    const memory = await this.#farMemory(reports);
    const releases = await this.#store.releases(name);
    return this.#view(app, releases, reports, { table: processTable(), memory });
  }

  /** The id of the release that this source would become. Keeps nothing of it. */
  async identify(app: string, tar: Readable): Promise<string> {
    await using staged = await this.#releases.receive(app, tar);
    return staged.id;
  }

  deploy(request: DeployRequest, signal?: AbortSignal): AsyncIterable<Progress> {
    const { context, coordinator, local } = this.#all();
    const options = { ...this.#options, context, coordinator, local };
    const work = (report: Report): Promise<OperationResult> => deployApp(options, request, report);
    return this.#operations.stream(request.app, DEPLOY, { signal, work });
  }

  /** Without a release: the one that served before the current. */
  rollback(name: string, release: string | undefined, by: string): AsyncIterable<Progress> {
    return this.#stream(name, ROLLBACK, async (report) => {
      const stored = await this.#store.get(name);
      const wanted = release ?? releaseBefore(stored.value);
      if (wanted === undefined) throw nothingBefore(name);
      const found = await this.#store.release(name, wanted);
      if (found === undefined) {
        const known = (await this.#store.releases(name)).map(({ id }) => id);
        throw releaseNotFound(name, wanted, known);
      }
      report.step(`Going back to release ${found.id}`);
      const { clock } = this.#options;
      const context = this.#now();
      const app = stored.value;
      const { coordinator } = this.#all();
      const what = { stored, app, release: found, kind: 'rollback', by } as const;
      return serve({ context, coordinator, ...what, report, clock });
    });
  }

  /** `counts`: wished instances by process. */
  scale(name: string, counts: Readonly<Record<string, number>>): AsyncIterable<Progress> {
    return this.#stream(name, 'a scaling', async (report) => {
      const stored = await this.#store.get(name);
      const release = await this.#now().current(stored.value);
      const app = { ...stored.value, scale: scaled(stored.value, release, counts) };
      if (release === undefined || !app.running) {
        await this.#store.commit({ app, revision: stored.revision });
      } else {
        const env = await this.#env(app);
        await this.#all().coordinator.resize({ stored, app, release, env, report });
      }
      return this.#now().result(app);
    });
  }

  /** Once after the start, when the others can be asked and before anything is changed. */
  announce(): void {
    this.#all().coordinator.announce();
  }

  restart(name: string): AsyncIterable<Progress> {
    return this.#stream(name, 'a restart', async (report) => {
      const stored = await this.#store.get(name);
      const app = stored.value;
      const release = await this.#now().current(app);
      if (release === undefined) throw noRelease(name);
      if (!app.running) return this.#start(name, report);
      const env = await this.#env(app);
      await this.#all().coordinator.replace({ stored, app, release, env, report });
      return this.#now().result(app);
    });
  }

  startApp(name: string): AsyncIterable<Progress> {
    return this.#stream(name, 'a start', (report) => this.#start(name, report));
  }

  /** Its hosts answer 503 with a sentence until it is started again. */
  async stop(name: string): Promise<void> {
    await this.#operations.alone(name, 'a stop', async () => {
      const stored = await this.#store.get(name);
      const { revision } = await this.#store.slots(name);
      await this.#store.commit({
        app: { ...stored.value, running: false },
        revision: stored.revision,
        slots: { slots: [], revision },
      });
      await this.#all().coordinator.retire(name);
    });
  }

  /**
   * Its instances, releases, data, settings, secrets and logs are gone when this resolves; on a node that is away, as soon
   * as it is back.
   */
  async remove(name: string): Promise<void> {
    await this.#operations.alone(name, 'a removal', async () => {
      const { value: app } = await this.#store.get(name);
      const nodes = this.#options.peers.all().map(({ id }) => id);
      // From here on each node finishes it by itself, also after a crash.
      await this.#store.remove(app, nodes);
      await this.#all().coordinator.forget(name);
      this.#now().vault.wake();
    });
  }

  /** Applies the change; the instances are replaced by new ones when something changed. */
  changeEnv(name: string, change: EnvChange): AsyncIterable<Progress> {
    return this.#stream(name, 'a change of settings', async (report) => {
      const stored = await this.#store.get(name);
      const before = stored.value;
      const app = { ...before, ...changedEnv(before, change) };
      const secrets = change.setSecrets ?? {};
      const secretsGone = before.secretNames.filter((each) => !app.secretNames.includes(each));
      const same = JSON.stringify(app) === JSON.stringify(before);
      if (same && Object.keys(secrets).length === 0) {
        report.step('Nothing changed');
        return this.#now().result(app);
      }
      const more = { secrets, secretsGone };
      const release = await this.#now().current(app);
      if (release === undefined || !app.running) {
        await this.#store.commit({ ...more, app, revision: stored.revision });
        return this.#now().result(app);
      }
      const opened = Object.entries({ ...(await this.#store.secrets(name)), ...secrets });
      const kept = opened.filter(([each]) => app.secretNames.includes(each));
      const env = { ...app.env, ...Object.fromEntries(kept) };
      await this.#all().coordinator.replace({ stored, app, release, env, report, more });
      return this.#now().result(app);
    });
  }

  /** Replaces the further host names. */
  async setDomains(name: string, domains: readonly string[]): Promise<void> {
    await this.#operations.alone(name, 'a change of domains', async () => {
      const stored = await this.#store.get(name);
      const checked = checkDomains(name, domains, await this.#store.list());
      const app = { ...stored.value, domains: checked };
      const revision = await this.#store.commit({ app, revision: stored.revision });
      await this.#options.gateways.settled(revision);
    });
  }

  async *logs(request: LogRequest, signal: AbortSignal): AsyncGenerator<LogLine, void, undefined> {
    await this.#store.get(request.app);
    const tail = Math.min(request.tail, LOG_TAIL_LINES_MAX);
    const options = { ...this.#options, local: this.#logReader };
    yield* clusterLogs(options, { ...request, tail }, signal);
  }

  /** With an instance: inside it, wherever it runs. Without: in a fresh sandbox of the current release. */
  run(request: RunRequest, signal: AbortSignal): AsyncIterable<RunOutput> {
    return this.#all().commands.run(request, signal);
  }

  /** Ends all instances of this node and changes no wish: they run again after the next start. */
  async stopAll(): Promise<void> {
    if (this.#opened === undefined) return;
    const { supervisor } = this.#opened.context.rollout;
    supervisor.close();
    await this.#operations[Symbol.asyncDispose]();
    await this.#opened.reconciler[Symbol.asyncDispose]();
    await Promise.all(supervisor.list().map(({ id }) => supervisor.stop(id, 'the node stops')));
    await this.#opened.sharedFolders.end();
    await this.#opened.guard.end();
  }

  /** To be called after the workers have stopped. Instances go on running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#operations[Symbol.asyncDispose]();
    await this.#opened?.reconciler[Symbol.asyncDispose]();
    await this.#opened?.context.rollout.supervisor[Symbol.asyncDispose]();
  }

  #all(): Opened {
    if (this.#opened === undefined) throw new Error('Apps are not open');
    return this.#opened;
  }

  #now(): AppContext {
    return this.#all().context;
  }

  #stream(
    name: string,
    what: string,
    work: (report: Report) => Promise<OperationResult>,
  ): AsyncIterable<Progress> {
    return this.#operations.stream(name, what, { work });
  }

  async #start(name: string, report: Report): Promise<OperationResult> {
    const stored = await this.#store.get(name);
    const release = await this.#now().current(stored.value);
    if (release === undefined) throw noRelease(name);
    if (stored.value.running) {
      report.step('It runs already');
      return this.#now().result(stored.value);
    }
    const app = { ...stored.value, running: true };
    const env = await this.#env(app);
    await this.#all().coordinator.replace({ stored, app, release, env, report });
    return this.#now().result(app);
  }

  async #env(app: App): Promise<Readonly<Record<string, string>>> {
    return { ...app.env, ...(await this.#store.secrets(app.name)) };
  }

  #farMemory(reports: readonly NodeReport[]): Promise<FarMemory> {
    const having = reports.filter(({ report }) => report.instances.length > 0);
    return farMemory(this.#options, new Set(having.map(({ nodeId }) => nodeId)));
  }

  async #view(
    app: App,
    releases: readonly Release[],
    reports: readonly NodeReport[],
    used: { readonly table: readonly ProcessRow[]; readonly memory: FarMemory },
  ): Promise<AppView> {
    const { peers } = this.#options;
    const own = peers.get(peers.self)?.name ?? '';
    const ids = releases.map(({ id }) => id);
    const instances = this.#now().rollout.supervisor.of(app.name);
    const others = reports.filter(({ nodeId }) => nodeId !== peers.self);
    return appView({
      app,
      release: await this.#now().current(app),
      releases,
      stored: await this.#now().vault.stored(app.name, ids),
      instances: [
        ...instances.map((each) => ({
          ...each.view(),
          node: own,
          memoryBytes: each.memoryBytes(used.table),
        })),
        ...others.flatMap((one) =>
          reportedViews(app.name, one, peers.get(one.nodeId), used.memory),
        ),
      ],
      operation: this.#operations.current(app.name),
    });
  }

  /** For a restart. A singleton only where it still belongs, and only while nobody may start it elsewhere. */
  async #parts(record: InstanceRecord): Promise<LaunchParts> {
    const { app, release, process, singleton } = record;
    if (singleton !== undefined) {
      const { fence, peers } = this.#options;
      const { slots } = await this.#store.slots(app);
      const isHere = (countsOf(slots, peers.self)[process] ?? 0) > 0;
      if (!isHere || fence.isFenced(singleton.lostAfterMs)) throw notHere(app, process);
    }
    return this.#now().parts(app, release, process);
  }
}
