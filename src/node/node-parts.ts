/**
 * The steps of a node's start, from the bottom to the top. Each opens one part, puts it on the stack that closes it, and
 * hands it what it asks for.
 */
import { strict as assert } from 'node:assert';
import { readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiServer } from '../api/api.ts';
import { AppRoutes, Apps, type AppsOptions, findTools } from '../apps/apps.ts';
import { openLogFile } from '../base/log-file.ts';
import { createLogger, formatPlain, type Logger } from '../base/log.ts';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import { WorkerRunner } from '../base/worker.ts';
import { type Identity, Members, type NodeMethods, openIdentity } from '../cluster/cluster.ts';
import { askIfWelcome, type Welcome } from './welcome.ts';
import { Console } from '../console/console.ts';
import { ApiConnections, ApiDoor, processPaths } from '../databases/databases.ts';
import { type Files, websiteSocket } from '../files/files.ts';
import { GatewaySupervisor, livingWorkers } from '../gateway/gateway.ts';
import { bindTcp, checkSocketPath, portUse } from '../net/net.ts';
import type { Registry } from '../registry/registry.ts';
import { answerAgentChecks } from './agent-checks.ts';
import { RecordedRoutes } from '../routes/routes.ts';
import { AppCertificates } from './app-certificates.ts';
import { consoleUrlOf } from './console-host.ts';
import type { DataFolder } from './data-folder.ts';
import { FurtherPorts } from './further-ports.ts';
import { GatewayCertificates } from './gateway-certificates.ts';
import { GatewayConfigurer } from './gateway-config.ts';
import { GatewayDoor } from './gateway-door.ts';
import { gatewayCount, GatewaySharing } from './gateway-sharing.ts';
import { GatewayLoads } from './gateway-loads.ts';
import { GatewayQuestions, ownAnswers } from './gateway-questions.ts';
import { gatewayMethods, GatewaysSettled } from './gateways-settled.ts';
import { type HostFacts, loadOf } from './host-facts.ts';
import { chooseListeners, type ListenChoice, type ListenPlace, urlOf } from './listen-choice.ts';
import { LoadFeed } from './load-feed.ts';
import type { NodeCloud, NodeFacts } from './node-cloud.ts';
import { instanceMemoryMiB } from './join-node.ts';
import { NodeCluster } from './node-cluster.ts';
import { NodeRegistry } from './node-registry.ts';
import { ownAddresses } from './own-addresses.ts';
import type { NodeOptions } from './node-options.ts';
import { openOwnEtcd, type OwnEtcd } from './own-etcd.ts';
import { portGround, PortQuestions } from './port-questions.ts';
import { RegistryRouter } from './registry-router.ts';
import { RouteMirror } from './route-mirror.ts';

export type { NodeOptions };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What every step of the start is handed. */
export interface Base {
  readonly options: NodeOptions;
  readonly folder: DataFolder;
  /** Embedded or etcd, whatever it is at the time. */
  readonly nodeRegistry: NodeRegistry;
  /** The one that parts hold: `nodeRegistry.registry`. */
  readonly registry: Registry;
  readonly identity: Identity;
  readonly workers: WorkerRunner;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Gateway {
  readonly supervisor: GatewaySupervisor;
  readonly router: RegistryRouter;
  readonly mirror: RouteMirror;
  /** Of all nodes. */
  readonly settled: GatewaysSettled;
  /** To the gateways of all nodes. */
  readonly questions: GatewayQuestions;
  /** Of listeners, on all nodes. */
  readonly ports: PortQuestions;
  readonly choice: ListenChoice;
  /** What other nodes may ask. */
  readonly methods: NodeMethods['methods'];
  readonly certificates: GatewayCertificates;
}

export async function openBase(
  options: NodeOptions,
  folder: DataFolder,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  stack: AsyncDisposableStack,
): Promise<Base> {
  const identity = await openIdentity({
    dataFolder: folder.path,
    nodeName: options.name,
    addresses: ownAddresses(options.address),
    clock,
    log: log.for('cluster'),
  });
  const nodeRegistry = stack.use(
    await NodeRegistry.open({ folder, identity, clock, log: log.for('registry') }),
  );
  if (options.etcd !== undefined) await nodeRegistry.use(options.etcd);
  const workers = stack.use(new WorkerRunner({ clock, log: log.for('workers') }));
  const { registry } = nodeRegistry;
  return { options, folder, nodeRegistry, registry, identity, workers, clock, log };
}

/** Throws `CLUSTER_NODE_FORGOTTEN`. */
export async function checkMembership(base: Base): Promise<Welcome> {
  const { nodeRegistry, registry, identity, clock, log } = base;
  if (nodeRegistry.place === undefined) return 'welcome';
  // Nothing may be known yet, and nobody may answer: then the others are asked later.
  const members = await new Members({ registry, clock, log }).list().catch(() => []);
  const others = members.filter(({ id }) => id !== identity.node.id);
  return askIfWelcome(others, { identity, version: moduleVersion(), clock });
}

/** This node among the others, or alone. */
export async function openCluster(
  { options, folder, nodeRegistry, registry, identity, workers, clock, log }: Base,
  given: { readonly choice: ListenChoice; readonly hostFacts: () => HostFacts },
  stack: AsyncDisposableStack,
): Promise<{ readonly cluster: NodeCluster; readonly etcd: OwnEtcd }> {
  const { choice, hostFacts } = given;
  const addresses = ownAddresses(options.address);
  const etcd = await openOwnEtcd({
    folder,
    identity,
    address: addresses[0] ?? '127.0.0.1',
    isInUse: nodeRegistry.place !== undefined,
    revoked: () => new Members({ registry, clock, log: log.for('cluster') }).revoked(),
    workers,
    clock,
    log: log.for('etcd'),
  });
  let cluster: NodeCluster | undefined;
  stack.defer(() => etcd.stop(cluster?.hasLeft === true ? 'the node stops' : 'the start failed'));
  cluster = stack.use(
    new NodeCluster({
      facts: {
        region: options.region,
        labels: options.labels,
        addresses,
        port: choice.api.port,
        gatewayPort: choice.node.port,
        gatewayWorkers: gatewayCount(options),
        memoryMiB: instanceMemoryMiB(),
        version: moduleVersion(),
      },
      identity,
      registry: nodeRegistry,
      workers,
      load: () => loadOf(hostFacts()),
      startEtcd: () => etcd.startFirst(),
      clock,
      log: log.for('cluster'),
    }),
  );
  await cluster.start();
  return { cluster, etcd };
}

/** Fails here, before anything runs, when the API's port is not to be had. */
export async function chooseAddresses({ options, folder }: Base): Promise<ListenChoice> {
  checkSocketPath(folder.apiSocket);
  const living = await livingWorkers({ runFolder: folder.run, logFolder: folder.logs });
  const own = new Set([...living.values()].map((record) => record.process.pid));
  const chosen = chooseListeners(options, {
    isRoot: process.getuid?.() === 0,
    hasIpv6: Object.values(networkInterfaces()).some((list) =>
      list?.some(({ family }) => family === 'IPv6'),
    ),
    isFree: (port, address) => {
      const { found, holders } = portUse(port, address);
      return found === 0 || (holders.length > 0 && holders.every(({ pid }) => own.has(pid)));
    },
  });
  const api = { ...chosen.api, port: await probePort(chosen.api, 'API_PORT_TAKEN') };
  const gateway = [];
  for (const place of chosen.gateway) {
    // Gateway processes share their ports, so any free one has to become a certain one first.
    const port = place.port === 0 ? await probePort(place, 'GATEWAY_PORT_TAKEN') : place.port;
    gateway.push({ ...place, port });
  }
  const nodePort =
    chosen.node.port === 0 ? await probePort(chosen.node, 'GATEWAY_PORT_TAKEN') : chosen.node.port;
  const node = { ...chosen.node, port: nodePort };
  return { gateway, api, node };
}

/** Binds for a moment; the port, or the one that 0 became. */
async function probePort(
  place: { readonly address: string; readonly port: number },
  code: string,
): Promise<number> {
  const server = createServer();
  try {
    await bindTcp(server, place);
  } catch (error) {
    if (!isMolnError(error, 'NET_PORT_TAKEN')) throw error;
    throw new MolnError(code, error.message, {
      hint: 'Stop that process or choose another port with --port PORT',
      cause: error,
    });
  }
  const address = server.address();
  assert(address !== null && typeof address === 'object', 'A bound TCP server has an address');
  await new Promise((done) => server.close(done));
  return address.port;
}

export async function startGateway(
  base: Base,
  given: { readonly choice: ListenChoice; readonly cluster: NodeCluster },
  stack: AsyncDisposableStack,
): Promise<Gateway> {
  const { options, folder, clock, log } = base;
  const { choice, cluster } = given;
  const { peers } = cluster;
  const supervisor = new GatewaySupervisor({
    runFolder: folder.run,
    logFolder: folder.logs,
    workers: gatewayCount(options),
    clock,
    log: log.for('gateway'),
  });
  // A start that fails leaves what it found: gateways of an earlier agent serve on, its own end.
  stack.defer(() => (supervisor.adopted ? supervisor.detach() : supervisor.stop({ drainMs: 0 })));
  await supervisor.start();
  const certificates = new GatewayCertificates({
    registry: base.registry,
    identity: base.identity,
    log: log.for('certificates'),
  });
  const { mirror, ports } = await openRoutes(
    base,
    { choice, cluster, supervisor, certificates },
    stack,
  );
  const appliedAt = mirror.appliedAt.bind(mirror);
  const loads = new GatewayLoads({
    peers,
    own: async () => (await supervisor.stats()).map((each) => each.upstreams),
    log: log.for('routes'),
  });
  const questions = new GatewayQuestions({
    peers,
    own: (question, withinMs) => ownAnswers(supervisor, question, withinMs),
    log: log.for('gateway'),
  });
  const portQuestions = new PortQuestions({
    peers,
    supervisor,
    choice,
    troubles: () => ports.troubles,
    log: log.for('gateway'),
  });
  const router = new RegistryRouter({ loads: () => loads.everywhere() });
  if (options.agentPort !== undefined) {
    const place = { address: choice.node.address, port: options.agentPort };
    await answerAgentChecks({ place, peers, supervisor, clock, log }, stack);
  }
  const settled = new GatewaysSettled({ peers, appliedAt, clock, log: log.for('routes') });
  return {
    certificates,
    supervisor,
    router,
    mirror,
    settled,
    questions,
    ports: portQuestions,
    choice,
    methods: {
      ...gatewayMethods({ appliedAt, clock }),
      ...loads.methods(),
      ...questions.methods(),
      ...portQuestions.methods(),
    },
  };
}

/** From the registry to the gateways: routes, certificates and the door to other nodes, kept up from now on. */
async function openRoutes(
  { options, folder, registry, identity, clock, log }: Base,
  given: {
    readonly choice: ListenChoice;
    readonly cluster: NodeCluster;
    readonly supervisor: GatewaySupervisor;
    readonly certificates: GatewayCertificates;
  },
  stack: AsyncDisposableStack,
): Promise<{ readonly mirror: RouteMirror; readonly ports: FurtherPorts }> {
  const { choice, cluster, supervisor, certificates } = given;
  const { peers, members } = cluster;
  const shared = { clock, log: log.for('routes') };
  const certificate = stack.use(
    new AppCertificates({
      path: join(folder.keys, 'apps-certificate.json'),
      identity,
      ...shared,
      onIssued: () => mirror.applyAgain(),
    }),
  );
  await certificate.open();
  const door = stack.use(
    new GatewayDoor({
      place: choice.node,
      peers,
      members,
      identity,
      ...shared,
      onChange: () => mirror.applyAgain(),
    }),
  );
  const certs = certificates.mirror;
  const sharing = stack.use(new GatewaySharing({ peers, onChange: () => mirror.applyAgain() }));
  const ports = stack.use(
    new FurtherPorts({ clock, log: log.for('gateway'), onRetry: () => mirror.applyAgain() }),
  );
  const configurer = new GatewayConfigurer({
    ports,
    supervisor,
    certificate,
    certs,
    places: choice.gateway,
    door,
    sharing,
    region: () => peers.get(peers.self)?.region,
    log: log.for('gateway'),
    ...(options.accessLog === undefined ? {} : { accessLog: options.accessLog }),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
  });
  const here = { workers: gatewayCount(options), websites: websiteSocket(folder.run) };
  const mirror: RouteMirror = stack.use(
    new RouteMirror({
      registry,
      apps: new AppRoutes({ self: peers.self, registry, dataFolder: folder.path, log }),
      recorded: new RecordedRoutes({ registry, log: log.for('routes') }),
      ground: { ...portGround(choice), ...here },
      peers,
      certs,
      apply: (set) => configurer.apply(set).then(() => certificates.changed()),
      ...shared,
    }),
  );
  const feed = stack.use(
    new LoadFeed({
      peers,
      routes: () => mirror.routes(),
      tell: (told) => supervisor.tellLoads(told),
      ...shared,
    }),
  );
  door.start();
  sharing.start();
  await mirror.start();
  feed.start();
  stack.use(identity.onRenewed(() => mirror.applyAgain()));
  return { mirror, ports };
}

export async function openApps(
  { options, folder, registry, identity, workers, clock, log }: Base,
  { router, supervisor, settled, mirror }: Gateway,
  given: Pick<AppsOptions, 'services' | 'vault'> & {
    readonly facts: NodeFacts;
    readonly cluster: NodeCluster;
  },
  stack: AsyncDisposableStack,
): Promise<Apps> {
  const { facts, cluster, services, vault } = given;
  const { sealer } = identity;
  const apps = new Apps({
    dataFolder: folder.path,
    registry,
    sealer: {
      seal: (plain, context) => sealer.seal(plain, context),
      open: (sealed, context) => sealer.open(sealed, context).toString(),
    },
    router,
    peers: cluster.peers,
    gateways: {
      settled: (revision, signal) => settled.settled(revision, signal),
      own: (app, report) => mirror.setOwn(app, report),
    },
    fence: cluster.singletonFence(),
    workers,
    clock,
    log: log.for('apps'),
    node: realpathSync(process.execPath),
    runners: join(ROOT, 'src', 'apps', 'runners'),
    tools: findTools,
    environment: options.environment,
    services,
    vault,
    urlOf: (host) => facts.urlsOf(host)[0] ?? '',
  });
  stack.use(apps);
  // As with the gateways: what this start began ends when it fails, what it found goes on.
  stack.defer(() => (supervisor.adopted ? undefined : apps.stopAll()));
  await apps.open();
  return apps;
}

export async function openApi(
  { folder, identity, clock, log }: Base,
  { cloud, files }: { readonly cloud: NodeCloud; readonly files: Files },
  choice: ListenChoice,
  stack: AsyncDisposableStack,
): Promise<ApiServer> {
  const console = new Console({ folder: join(ROOT, 'dist', 'console') });
  await console.load();
  const { socket, appSocket } = processPaths({
    folder: folder.databases,
    runFolder: folder.run,
    logFolder: folder.logs,
  });
  const databases = stack.use(new ApiDoor(socket));
  const statements = stack.use(new ApiConnections({ process: appSocket, clock }));
  const api = stack.use(
    new ApiServer({
      cloud,
      log: log.for('api'),
      clock,
      version: moduleVersion(),
      console,
      databases,
      statements,
      files,
      names: () => [identity.node.name],
    }),
  );
  const credentials = (): { readonly cert: string; readonly key: string } => ({
    cert: identity.chainPem,
    key: identity.certificate.keyPem,
  });
  await api.listen({ unixSocket: folder.apiSocket, tcp: choice.api, tls: credentials() });
  stack.use(identity.onRenewed(() => api.setTls(credentials())));
  return api;
}

/** Lets others reach the control port of a node that had been alone. */
export async function openFurther(
  api: ApiServer,
  addresses: readonly string[],
  port: number,
): Promise<void> {
  for (const address of addresses) await api.listenAlso({ address, port });
}

export function nodeFacts(folder: DataFolder, choice: ListenChoice, clock: Clock): NodeFacts {
  const http = firstPlace(choice, 'http');
  const https = firstPlace(choice, 'https');
  return {
    version: moduleVersion(),
    address: choice.api.address,
    apiPort: choice.api.port,
    dataFolder: folder.path,
    startedAt: clock.now(),
    gatewayUrl: urlOf(http),
    gatewayHttpsUrl: urlOf(https),
    consoleUrl: consoleUrlOf(choice.api),
    urlsOf: (host) => [`${urlOf(http, host)}/`, `${urlOf(https, host)}/`],
  };
}

function firstPlace(choice: ListenChoice, protocol: 'http' | 'https'): ListenPlace {
  const place = choice.gateway.find((each) => each.protocol === protocol);
  assert(place !== undefined, `No place for ${protocol} was chosen`);
  return place;
}

/** Everything to the file, warnings and errors to the terminal too. */
export function openLog(
  folder: DataFolder,
  clock: Clock,
  terminal: (line: string) => void,
): Logger {
  const file = openLogFile({
    path: join(folder.logs, 'agent.jsonl'),
    onRefused: (error) => terminal(`The log file cannot be written: ${messageOf(error)}\n`),
  });
  return createLogger({
    part: 'node',
    now: () => clock.now(),
    sinks: [
      file,
      (record) => {
        if (record.level === 'warn' || record.level === 'error') terminal(formatPlain(record));
      },
    ],
  });
}

export function moduleVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
  return String(manifest.version);
}
