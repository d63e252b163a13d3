/** Fulfils what the API asks for (`src/api/cloud.ts`) out of the parts of this node. */
import { mergeFamilies, type Metrics, formatPrometheus } from '../base/metrics.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { Cloud, DeployRequest, EnvChange, LogQuery, RunRequest } from '../api/api.ts';
import type {
  AppDetail,
  AppSummary,
  LiveSample,
  LogLine,
  Progress,
  RunOutput,
  Scope,
  Status,
  TokenDetail,
} from '../api/model.ts';
import { type Apps, type AppView, hostsOf } from '../apps/apps.ts';
import type { Addresses } from '../addresses/addresses.ts';
import type { WorkerRunner } from '../base/worker.ts';
import type { NodeCacheCloud } from './cache-cloud.ts';
import type { NodeCertificateCloud } from './certificate-cloud.ts';
import type { NodeDatabaseCloud } from './database-cloud.ts';
import type { NodeRouteCloud } from './route-cloud.ts';
import type { NodeStorageCloud } from './storage-cloud.ts';
import type { GatewaySupervisor } from '../gateway/gateway.ts';
import type { Registry } from '../registry/registry.ts';
import { type ClusterCloudOptions, NodeClusterCloud } from './cluster-cloud.ts';
import type { HostFacts } from './host-facts.ts';
import type { ClusterLive } from './cluster-live.ts';
import { checkDomainsApart } from './console-host.ts';
import type { RegistryRouter } from './registry-router.ts';
import { appDetail, appSummary } from './node-status.ts';
import { statusSentence } from './sentence.ts';

export interface NodeFacts {
  readonly version: string;
  readonly address: string;
  readonly apiPort: number;
  readonly dataFolder: string;
  readonly startedAt: number;
  readonly gatewayUrl: string;
  readonly gatewayHttpsUrl: string;
  readonly consoleUrl: string;
  /** Addresses of one host name, HTTP first. */
  readonly urlsOf: (host: string) => readonly string[];
}

export interface NodeCloudOptions extends ClusterCloudOptions {
  readonly facts: NodeFacts;
  readonly registry: Registry;
  readonly accounts: Accounts;
  readonly apps: Apps;
  readonly supervisor: GatewaySupervisor;
  readonly router: RegistryRouter;
  readonly live: ClusterLive;
  readonly cache: NodeCacheCloud;
  readonly certificates: NodeCertificateCloud;
  readonly routes: NodeRouteCloud;
  readonly virtualAddresses: Addresses;
  readonly databases: NodeDatabaseCloud;
  readonly storage: NodeStorageCloud;
  readonly workers: WorkerRunner;
  readonly metrics: Metrics;
  readonly hostFacts: () => HostFacts;
  /** Begins the orderly stop of the node; does not wait for it. */
  readonly stop: () => void;
}

export class NodeCloud extends NodeClusterCloud implements Cloud {
  readonly #options: NodeCloudOptions;

  constructor(options: NodeCloudOptions) {
    super(options);
    this.#options = options;
  }

  async status(): Promise<Status> {
    const { facts, identity, registry, apps, supervisor, workers } = this.#options;
    const [summaries, certificates, nodes, manager, ports, files, databases] = await Promise.all([
      this.listApps(),
      this.#options.certificates.warnings(),
      this.#options.directory.list(),
      this.manager(),
      this.#options.routes.portTroubles(),
      this.#options.storage.troubles(),
      this.#options.databases.troubles(),
    ]);
    const gateways = supervisor.workers();
    const stats = new Map((await supervisor.stats()).map((each) => [each.pid, each]));
    const { driver } = apps;
    return {
      sentence: statusSentence({
        nodes,
        isLive: manager.isLive,
        certificates,
        apps: summaries,
        ports,
        files: files.troubles,
        addresses: this.#options.virtualAddresses.troubles(),
        gatewaysServing: gateways.filter((worker) => worker.state === 'serving').length,
        gatewaysWanted: gateways.length,
      }),
      version: facts.version,
      cluster: { ...identity.cluster, fingerprint: identity.authorities.pin },
      self: identity.node.name,
      leader: manager.leader ?? '',
      managers: manager.sentence,
      warnings: [...certificates, ...files.warnings, ...databases],
      nodes,
      apps: summaries,
      gateway: {
        url: facts.gatewayUrl,
        httpsUrl: facts.gatewayHttpsUrl,
        workers: gateways.flatMap(({ pid, state }) => {
          if (pid === undefined) return [];
          const { connections = 0, memoryBytes = 0 } = stats.get(pid) ?? {};
          return [{ pid, connections, memoryBytes, state: state === 'down' ? 'away' : state }];
        }),
      },
      console: { url: facts.consoleUrl },
      registry: {
        engine: registry.engine,
        revision: (await registry.list('/cluster/')).revision,
        isLive: manager.isLive,
      },
      driver: { name: driver.name, why: driver.why, isolated: driver.isolated },
      workers: workers.list(),
    };
  }

  async listApps(): Promise<readonly AppSummary[]> {
    const views = await this.#options.apps.list();
    return views.map((view) => appSummary(view, this.#urls));
  }

  async showApp(app: string): Promise<AppDetail> {
    const { apps, router } = this.#options;
    const view = await apps.show(app);
    return appDetail(view, {
      urls: this.#urls,
      loads: await router.load(view.instances.map((instance) => instance.id)),
    });
  }

  async *deploy(request: DeployRequest, signal: AbortSignal): AsyncGenerator<Progress> {
    const { app, domains } = request;
    await this.#checkDomains(app, hostsOf({ name: app, domains }), domains);
    yield* this.#options.apps.deploy(request, signal);
  }

  rollback(app: string, release: string | undefined, by: string): AsyncIterable<Progress> {
    return this.#options.apps.rollback(app, release, by);
  }

  scale(app: string, counts: Readonly<Record<string, number>>): AsyncIterable<Progress> {
    return this.#options.apps.scale(app, counts);
  }

  restart(app: string): AsyncIterable<Progress> {
    return this.#options.apps.restart(app);
  }

  start(app: string): AsyncIterable<Progress> {
    return this.#options.apps.startApp(app);
  }

  stop(app: string): Promise<void> {
    return this.#options.apps.stop(app);
  }

  remove(app: string): Promise<void> {
    return this.#options.apps.remove(app);
  }

  changeEnv(app: string, change: EnvChange): AsyncIterable<Progress> {
    return this.#options.apps.changeEnv(app, change);
  }

  async setDomains(app: string, domains: readonly string[]): Promise<void> {
    await this.#checkDomains(app, domains, domains);
    await this.#options.apps.setDomains(app, domains);
  }

  async #checkDomains(
    app: string,
    hosts: readonly string[],
    domains: readonly string[],
  ): Promise<void> {
    const nodes = this.#options.cluster.peers.all();
    checkDomainsApart(
      domains,
      nodes.map(({ name }) => name),
    );
    await this.#options.routes.checkApp(app, hosts);
  }

  logs(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    return this.#options.apps.logs(query, signal);
  }

  run(request: RunRequest, signal: AbortSignal): AsyncIterable<RunOutput> {
    return this.#options.apps.run(request, signal);
  }

  listTokens(): Promise<readonly TokenDetail[]> {
    return this.#options.accounts.listTokens();
  }

  createToken(options: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs: number | undefined;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }> {
    return this.#options.accounts.createToken(options);
  }

  revokeToken(id: string): Promise<void> {
    return this.#options.accounts.revokeToken(id);
  }

  verifyToken(token: string): ReturnType<Cloud['verifyToken']> {
    return this.#options.accounts.verifyToken(token);
  }

  async createLoginLink(): Promise<{ readonly url: string; readonly expiresAt: number }> {
    const { code, expiresAt } = await this.#options.accounts.createLoginCode();
    return { url: `${this.#options.facts.consoleUrl}/login?code=${code}`, expiresAt };
  }

  redeemLogin(code: string): ReturnType<Cloud['redeemLogin']> {
    return this.#options.accounts.redeemLogin(code);
  }

  verifySession(session: string): ReturnType<Cloud['verifySession']> {
    return this.#options.accounts.verifySession(session);
  }

  endSession(session: string): Promise<void> {
    return this.#options.accounts.endSession(session);
  }

  history(): Promise<readonly LiveSample[]> {
    return this.#options.live.history();
  }

  live(signal: AbortSignal): AsyncIterable<LiveSample> {
    return this.#options.live.follow(signal);
  }

  cacheStatus(): ReturnType<Cloud['cacheStatus']> {
    return this.#options.cache.cacheStatus();
  }

  purgeCache(...purge: Parameters<Cloud['purgeCache']>): ReturnType<Cloud['purgeCache']> {
    return this.#options.cache.purgeCache(...purge);
  }

  explainCache(...asked: Parameters<Cloud['explainCache']>): ReturnType<Cloud['explainCache']> {
    return this.#options.cache.explainCache(...asked);
  }

  gatewaySlow(url: string): ReturnType<Cloud['gatewaySlow']> {
    return this.#options.cache.gatewaySlow(url);
  }

  gatewayTop(durationMs: number): ReturnType<Cloud['gatewayTop']> {
    return this.#options.cache.gatewayTop(durationMs);
  }

  listCertificates(): ReturnType<Cloud['listCertificates']> {
    return this.#options.certificates.listCertificates();
  }

  showCertificate(host: string): ReturnType<Cloud['showCertificate']> {
    return this.#options.certificates.showCertificate(host);
  }

  addCertificate(
    ...asked: Parameters<Cloud['addCertificate']>
  ): ReturnType<Cloud['addCertificate']> {
    return this.#options.certificates.addCertificate(...asked);
  }

  removeCertificate(host: string): Promise<void> {
    return this.#options.certificates.removeCertificate(host);
  }

  orderCertificate(host: string): Promise<void> {
    return this.#options.certificates.orderCertificate(host);
  }

  setAcme(...asked: Parameters<Cloud['setAcme']>): Promise<void> {
    return this.#options.certificates.setAcme(...asked);
  }

  unsetAcme(): Promise<void> {
    return this.#options.certificates.unsetAcme();
  }

  listRoutes(): ReturnType<Cloud['listRoutes']> {
    return this.#options.routes.listRoutes();
  }

  showRoute(name: string): ReturnType<Cloud['showRoute']> {
    return this.#options.routes.showRoute(name);
  }

  checkRoute(...asked: Parameters<Cloud['checkRoute']>): ReturnType<Cloud['checkRoute']> {
    return this.#options.routes.checkRoute(...asked);
  }

  setRoute(...asked: Parameters<Cloud['setRoute']>): ReturnType<Cloud['setRoute']> {
    return this.#options.routes.setRoute(...asked);
  }

  removeRoute(...asked: Parameters<Cloud['removeRoute']>): ReturnType<Cloud['removeRoute']> {
    return this.#options.routes.removeRoute(...asked);
  }

  listListeners(): ReturnType<Cloud['listListeners']> {
    return this.#options.routes.listListeners();
  }

  showListener(name: string): ReturnType<Cloud['showListener']> {
    return this.#options.routes.showListener(name);
  }

  checkListener(...asked: Parameters<Cloud['checkListener']>): ReturnType<Cloud['checkListener']> {
    return this.#options.routes.checkListener(...asked);
  }

  setListener(...asked: Parameters<Cloud['setListener']>): ReturnType<Cloud['setListener']> {
    return this.#options.routes.setListener(...asked);
  }

  removeListener(
    ...asked: Parameters<Cloud['removeListener']>
  ): ReturnType<Cloud['removeListener']> {
    return this.#options.routes.removeListener(...asked);
  }

  listAddresses(): ReturnType<Cloud['listAddresses']> {
    return this.#options.virtualAddresses.book.list();
  }

  addAddress(...asked: Parameters<Cloud['addAddress']>): ReturnType<Cloud['addAddress']> {
    return this.#options.virtualAddresses.book.add(...asked);
  }

  removeAddress(address: string): Promise<void> {
    return this.#options.virtualAddresses.book.remove(address);
  }

  async metricsText(): Promise<string> {
    const stats = await this.#options.supervisor.stats();
    const families = [
      this.#options.metrics.snapshot(),
      await this.#options.certificates.families(),
      await this.#options.databases.families(),
      await this.#options.storage.families(),
      ...stats.map((each) => each.metrics),
    ];
    return formatPrometheus(mergeFamilies(families));
  }

  listDatabases(): ReturnType<Cloud['listDatabases']> {
    return this.#options.databases.listDatabases();
  }

  showDatabase(...asked: Parameters<Cloud['showDatabase']>): ReturnType<Cloud['showDatabase']> {
    return this.#options.databases.showDatabase(...asked);
  }

  createDatabase(
    ...asked: Parameters<Cloud['createDatabase']>
  ): ReturnType<Cloud['createDatabase']> {
    return this.#options.databases.createDatabase(...asked);
  }

  dropDatabase(...asked: Parameters<Cloud['dropDatabase']>): ReturnType<Cloud['dropDatabase']> {
    return this.#options.databases.dropDatabase(...asked);
  }

  restoreDatabase(
    ...asked: Parameters<Cloud['restoreDatabase']>
  ): ReturnType<Cloud['restoreDatabase']> {
    return this.#options.databases.restoreDatabase(...asked);
  }

  listLostDatabases(): ReturnType<Cloud['listLostDatabases']> {
    return this.#options.databases.listLostDatabases();
  }

  restoreLostDatabase(
    ...asked: Parameters<Cloud['restoreLostDatabase']>
  ): ReturnType<Cloud['restoreLostDatabase']> {
    return this.#options.databases.restoreLostDatabase(...asked);
  }

  forgetLostDatabase(
    ...asked: Parameters<Cloud['forgetLostDatabase']>
  ): ReturnType<Cloud['forgetLostDatabase']> {
    return this.#options.databases.forgetLostDatabase(...asked);
  }

  moveStripe(...asked: Parameters<Cloud['moveStripe']>): ReturnType<Cloud['moveStripe']> {
    return this.#options.databases.moveStripe(...asked);
  }

  splitStripe(...asked: Parameters<Cloud['splitStripe']>): ReturnType<Cloud['splitStripe']> {
    return this.#options.databases.splitStripe(...asked);
  }

  scrubDatabase(...asked: Parameters<Cloud['scrubDatabase']>): ReturnType<Cloud['scrubDatabase']> {
    return this.#options.databases.scrubDatabase(...asked);
  }

  createDatabaseToken(
    ...asked: Parameters<Cloud['createDatabaseToken']>
  ): ReturnType<Cloud['createDatabaseToken']> {
    return this.#options.databases.createDatabaseToken(...asked);
  }

  revokeDatabaseTokens(
    ...asked: Parameters<Cloud['revokeDatabaseTokens']>
  ): ReturnType<Cloud['revokeDatabaseTokens']> {
    return this.#options.databases.revokeDatabaseTokens(...asked);
  }

  killQuery(...asked: Parameters<Cloud['killQuery']>): ReturnType<Cloud['killQuery']> {
    return this.#options.databases.killQuery(...asked);
  }

  explainQuery(...asked: Parameters<Cloud['explainQuery']>): ReturnType<Cloud['explainQuery']> {
    return this.#options.databases.explainQuery(...asked);
  }

  showStorage(): ReturnType<Cloud['showStorage']> {
    return this.#options.storage.showStorage();
  }

  async shutdown(): Promise<void> {
    this.#options.stop();
  }

  readonly #urls = (view: AppView): readonly string[] => {
    return view.hosts.flatMap((host) => this.#options.facts.urlsOf(host));
  };
}
