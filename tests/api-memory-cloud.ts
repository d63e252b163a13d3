/** A `Cloud` that lives in memory: what the API needs below it, with every call written down. */
import { MolnError } from '../src/base/errors.ts';
import type {
  Caller,
  Cloud,
  DeployRequest,
  EnvChange,
  LogQuery,
  RunRequest,
} from '../src/api/cloud.ts';
import { MemoryAddresses } from './api-memory-addresses.ts';
import type { ListenerDetail, RouteAnswer, RouteDetail } from '../src/api/route-model.ts';
import type { InviteRequest, LabelChange } from '../src/api/cluster-cloud.ts';
import type {
  AppDetail,
  AppSummary,
  EventDetail,
  InviteDetail,
  LiveSample,
  LogLine,
  Progress,
  RunOutput,
  Scope,
  Status,
  TokenDetail,
} from '../src/api/model.ts';

const DEPLOYED: Progress = {
  kind: 'done',
  app: 'site',
  release: 'r1',
  url: 'http://site.localhost',
};

const INVITE: InviteDetail = {
  id: 'i1',
  role: 'worker',
  region: undefined,
  createdAt: 1,
  expiresAt: 2,
  uses: 1,
  usesLeft: 1,
};

const RECORD = { createdAt: 1, changedAt: 2, by: 'boss', revision: 7 };

const ROUTE: RouteDetail = {
  ...RECORD,
  name: 'docs',
  written: { host: 'docs.example', app: 'site' },
  hosts: ['docs.example'],
  path: '/',
  target: 'app',
  leadsTo: 'site',
  isCached: false,
  requests: 0,
  troubles: [],
};

const LISTENER: ListenerDetail = {
  ...RECORD,
  name: 'mail',
  written: { port: 993, protocol: 'tcp', upstreams: 'tcp://10.0.0.2:993' },
  protocol: 'tcp',
  address: 'gateway',
  port: 993,
  leadsTo: 'tcp://10.0.0.2:993',
  troubles: [],
};

const EVERYWHERE: RouteAnswer = { nodes: ['one'], away: [], troubles: [] };

export class MemoryCloud extends MemoryAddresses implements Cloud {
  readonly tokens: Map<string, Caller> = new Map([
    ['admin-token', { name: 'boss', scope: 'admin' }],
    ['deploy-token', { name: 'ci', scope: 'deploy' }],
    ['read-token', { name: 'eyes', scope: 'read' }],
  ]);
  readonly codes: Set<string> = new Set(['good-code']);
  readonly sessions: Set<string> = new Set();
  /** Streams that were told to stop. */
  stopped = 0;
  /** Lines, of 1 KB each, that were taken from an endless log. */
  flooded = 0;
  /** What `status` throws instead of answering. */
  failure: unknown;
  /** Opened by the test to let a rollback go on. */
  readonly gate: PromiseWithResolvers<void> = Promise.withResolvers();
  rollbackEnded = false;

  async status(): Promise<Status> {
    if (this.failure !== undefined) throw this.failure;
    return {
      sentence: 'All good: 1 app on 1 node',
      version: '0.1.0',
      cluster: { id: 'c1', name: 'home', fingerprint: 'ab'.repeat(32) },
      self: 'one',
      leader: 'one',
      managers: 'One node',
      warnings: [],
      nodes: [],
      apps: await this.listApps(),
      gateway: { url: 'http://127.0.0.1:8080', httpsUrl: 'https://127.0.0.1:8443', workers: [] },
      console: { url: 'http://127.0.0.1:7420' },
      registry: { engine: 'sqlite', revision: 7, isLive: true },
      driver: { name: 'plain', why: 'this user is not root', isolated: false },
      workers: [],
    };
  }

  listApps(): Promise<readonly AppSummary[]> {
    return Promise.resolve([this.#app()]);
  }

  showApp(app: string): Promise<AppDetail> {
    if (app !== 'site') {
      const message = `No app "${app}": did you mean "site"?`;
      return Promise.reject(new MolnError('APPS_NOT_FOUND', message, { hint: 'Run moln apps' }));
    }
    return Promise.resolve({
      ...this.#app(),
      explanation: 'Static files',
      domains: [],
      scale: { web: 1 },
      env: { COLOUR: '<red>' },
      secretNames: ['KEY'],
      instanceList: [],
      releases: [],
      history: [],
    });
  }

  async *deploy(request: DeployRequest, signal: AbortSignal): AsyncGenerator<Progress> {
    signal.addEventListener('abort', () => this.stopped++);
    if (request.app === 'bad name') {
      throw new MolnError('CONFIG_INVALID', 'Name "bad name" is not valid');
    }
    yield { kind: 'step', at: 1, message: 'Receiving' };
    let bytes = 0;
    for await (const chunk of request.tar as AsyncIterable<Buffer>) bytes += chunk.length;
    this.calls.push({ deploy: request.app, domains: request.domains, by: request.by, bytes });
    if (request.app === 'late') throw new MolnError('APPS_BUILD_FAILED', 'The build failed');
    if (request.app === 'bug') throw new TypeError('x is not a function');
    yield DEPLOYED;
  }

  async *rollback(app: string, release: string | undefined, by: string): AsyncGenerator<Progress> {
    this.calls.push({ rollback: app, release, by });
    yield { kind: 'step', at: 1, message: 'Switching' };
    await this.gate.promise;
    yield DEPLOYED;
    this.rollbackEnded = true;
  }

  scale(app: string, counts: Readonly<Record<string, number>>): AsyncIterable<Progress> {
    return this.#progress({ scale: app, counts });
  }

  restart(app: string): AsyncIterable<Progress> {
    return this.#progress({ restart: app });
  }

  start(app: string): AsyncIterable<Progress> {
    return this.#progress({ start: app });
  }

  stop(app: string): Promise<void> {
    return this.#done({ stop: app });
  }

  remove(app: string): Promise<void> {
    return this.#done({ remove: app });
  }

  changeEnv(app: string, change: EnvChange): AsyncIterable<Progress> {
    return this.#progress({ changeEnv: app, change });
  }

  setDomains(app: string, domains: readonly string[]): Promise<void> {
    return this.#done({ setDomains: app, domains });
  }

  async *logs(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    this.calls.push({ logs: query });
    while (query.process === 'endless') {
      this.flooded++;
      yield { at: 1, instance: 'site-web-1', process: 'web', text: 'x'.repeat(1_000) };
    }
    yield { at: 1, instance: 'site-web-1', process: 'web', text: 'hello' };
    if (!query.follow) return;
    // Deaf to the signal while it waits, as a real source may be: the API must not wait with it.
    signal.addEventListener('abort', () => this.stopped++);
    await new Promise<void>(() => undefined);
  }

  async *run(request: RunRequest): AsyncGenerator<RunOutput> {
    const { app, command, instance } = request;
    this.calls.push({ run: app, command, instance, stdin: request.stdin !== undefined });
    for await (const chunk of (request.stdin ?? []) as AsyncIterable<Buffer>) {
      yield { kind: 'output', stream: 'stdout', base64: chunk.toString('base64') };
    }
    yield { kind: 'exit', code: 0, signal: null };
  }

  listTokens(): Promise<readonly TokenDetail[]> {
    return Promise.resolve([]);
  }

  createToken(options: {
    readonly name: string;
    readonly scope: Scope;
    readonly ttlMs: number | undefined;
  }): Promise<{ readonly token: string; readonly detail: TokenDetail }> {
    const { name, scope } = options;
    const times = { createdAt: 1, expiresAt: undefined, lastUsedAt: undefined };
    return Promise.resolve({ token: 'secret', detail: { id: 't1', name, scope, ...times } });
  }

  revokeToken(id: string): Promise<void> {
    return this.#done({ revokeToken: id });
  }

  verifyToken(token: string): Promise<Caller | undefined> {
    return Promise.resolve(this.tokens.get(token));
  }

  createLoginLink(): Promise<{ readonly url: string; readonly expiresAt: number }> {
    return Promise.resolve({ url: 'http://127.0.0.1:7420/login?code=good-code', expiresAt: 1 });
  }

  redeemLogin(
    code: string,
  ): Promise<{ readonly session: string; readonly maxAgeMs: number } | undefined> {
    if (!this.codes.delete(code)) return Promise.resolve(undefined);
    this.sessions.add('session-1');
    return Promise.resolve({ session: 'session-1', maxAgeMs: 3_600_000 });
  }

  verifySession(session: string): Promise<Caller | undefined> {
    const known = this.sessions.has(session);
    return Promise.resolve(known ? { name: 'console', scope: 'admin' } : undefined);
  }

  endSession(session: string): Promise<void> {
    this.sessions.delete(session);
    return Promise.resolve();
  }

  history(): Promise<readonly LiveSample[]> {
    return Promise.resolve([]);
  }

  /** Says nothing for now: the head of the answer must not wait for the first sample. */
  live(): AsyncIterable<LiveSample> {
    const next = (): Promise<IteratorResult<LiveSample>> => new Promise(() => undefined);
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }

  metricsText(): Promise<string> {
    return Promise.resolve('moln_up 1\n');
  }

  createInvite(request: InviteRequest): ReturnType<Cloud['createInvite']> {
    const detail = { ...INVITE, region: request.region, uses: request.uses ?? 1 };
    return Promise.resolve({ invite: 'moln1.line', detail });
  }

  listInvites(): ReturnType<Cloud['listInvites']> {
    return Promise.resolve([INVITE]);
  }

  revokeInvite(id: string): Promise<void> {
    return this.#done(`revokeInvite ${id}`);
  }

  listNodes(): ReturnType<Cloud['listNodes']> {
    return Promise.resolve([]);
  }

  showNode(name: string): ReturnType<Cloud['showNode']> {
    return Promise.reject(new MolnError('NODE_NOT_FOUND', `There is no node "${name}"`));
  }

  drainNode(name: string): Promise<void> {
    return this.#done(`drainNode ${name}`);
  }

  undrainNode(name: string): Promise<void> {
    return this.#done(`undrainNode ${name}`);
  }

  forgetNode(name: string): Promise<void> {
    return this.#done(`forgetNode ${name}`);
  }

  labelNode(name: string, change: LabelChange): Promise<void> {
    return this.#done(`labelNode ${name} ${JSON.stringify(change)}`);
  }

  regions(): ReturnType<Cloud['regions']> {
    return Promise.resolve([{ name: 'home', nodes: ['one'], ready: 1 }]);
  }

  manager(): ReturnType<Cloud['manager']> {
    return Promise.resolve({
      sentence: 'One node',
      engine: 'sqlite',
      isLive: true,
      leader: undefined,
      leaderWhy: '',
      managers: [],
      mode: 'automatic',
      standby: undefined,
      endpoints: [],
    });
  }

  setManagers(names: readonly string[] | undefined): Promise<void> {
    return this.#done(`setManagers ${names?.join(',') ?? 'automatic'}`);
  }

  takeover(): Promise<void> {
    return this.#done('takeover');
  }

  authority(): ReturnType<Cloud['authority']> {
    return Promise.resolve({
      sentence: 'Good',
      fingerprint: 'ab',
      pin: 'ab',
      since: 1,
      until: 4,
      rotatesAt: 3,
      rotation: undefined,
    });
  }

  rotateAuthority(): Promise<void> {
    return this.#done('rotateAuthority');
  }

  listEvents(): ReturnType<Cloud['listEvents']> {
    const text = 'two joined <quietly>';
    return Promise.resolve([{ id: 'e1', at: 1, kind: 'node', text, node: 'two', app: undefined }]);
  }

  async *followEvents(): AsyncGenerator<EventDetail> {}

  whyApp(): ReturnType<Cloud['whyApp']> {
    return Promise.resolve([]);
  }

  cacheStatus(): ReturnType<Cloud['cacheStatus']> {
    return Promise.resolve({ tiers: [], routes: [], silent: [] });
  }

  async purgeCache(purge: Parameters<Cloud['purgeCache']>[0]): ReturnType<Cloud['purgeCache']> {
    await this.#done({ purgeCache: purge });
    return { nodes: ['one'], away: [] };
  }

  async explainCache(
    ...asked: Parameters<Cloud['explainCache']>
  ): ReturnType<Cloud['explainCache']> {
    await this.#done({ explainCache: asked });
    return { explanations: [], silent: [] };
  }

  async gatewaySlow(url: string): ReturnType<Cloud['gatewaySlow']> {
    await this.#done({ gatewaySlow: url });
    const totalMs = { p50: 1, p90: 2, p99: 3, max: 4 };
    return { route: undefined, requests: 0, totalMs, stages: [], examples: [], silent: [] };
  }

  gatewayTop(): ReturnType<Cloud['gatewayTop']> {
    return Promise.resolve({ seconds: 1, routes: [], urls: [], silent: [] });
  }

  listCertificates(): ReturnType<Cloud['listCertificates']> {
    return Promise.resolve({ sentence: 'None', acme: undefined, certificates: [], warnings: [] });
  }

  showCertificate(host: string): ReturnType<Cloud['showCertificate']> {
    return Promise.resolve({
      host,
      source: 'own',
      state: 'good',
      text: 'Good',
      names: [host],
      issuer: 'CA',
      serial: '01',
      notBefore: 1,
      notAfter: 2,
      renewsAt: undefined,
      failure: undefined,
    });
  }

  async addCertificate(
    ...asked: Parameters<Cloud['addCertificate']>
  ): ReturnType<Cloud['addCertificate']> {
    await this.#done({ addCertificate: asked });
    return this.showCertificate(asked[0]);
  }

  removeCertificate(host: string): Promise<void> {
    return this.#done({ removeCertificate: host });
  }

  orderCertificate(host: string): Promise<void> {
    return this.#done({ orderCertificate: host });
  }

  setAcme(request: Parameters<Cloud['setAcme']>[0]): Promise<void> {
    return this.#done({ setAcme: request });
  }

  unsetAcme(): Promise<void> {
    return this.#done('unsetAcme');
  }

  listRoutes(): ReturnType<Cloud['listRoutes']> {
    return Promise.resolve([ROUTE]);
  }

  showRoute(): ReturnType<Cloud['showRoute']> {
    return Promise.resolve(ROUTE);
  }

  checkRoute(): ReturnType<Cloud['checkRoute']> {
    return Promise.resolve(ROUTE.written);
  }

  async setRoute(...change: Parameters<Cloud['setRoute']>): ReturnType<Cloud['setRoute']> {
    await this.#done({ setRoute: change });
    return EVERYWHERE;
  }

  async removeRoute(...asked: Parameters<Cloud['removeRoute']>): ReturnType<Cloud['removeRoute']> {
    await this.#done({ removeRoute: asked });
    return EVERYWHERE;
  }

  listListeners(): ReturnType<Cloud['listListeners']> {
    return Promise.resolve([LISTENER]);
  }

  showListener(): ReturnType<Cloud['showListener']> {
    return Promise.resolve(LISTENER);
  }

  checkListener(): ReturnType<Cloud['checkListener']> {
    return Promise.resolve(LISTENER.written);
  }

  async setListener(...change: Parameters<Cloud['setListener']>): ReturnType<Cloud['setListener']> {
    await this.#done({ setListener: change });
    return EVERYWHERE;
  }

  async removeListener(
    ...asked: Parameters<Cloud['removeListener']>
  ): ReturnType<Cloud['removeListener']> {
    await this.#done({ removeListener: asked });
    return EVERYWHERE;
  }

  shutdown(): Promise<void> {
    return this.#done('shutdown');
  }

  #app(): AppSummary {
    return {
      name: 'site',
      kind: 'static',
      state: 'healthy',
      release: 'r1',
      urls: ['http://site.localhost:8080/'],
      instances: { healthy: 1, wanted: 1 },
      deployedAt: 1_800_000_000_000,
    };
  }

  async *#progress(call: unknown): AsyncGenerator<Progress> {
    this.calls.push(call);
    yield DEPLOYED;
  }

  #done(call: unknown): Promise<void> {
    this.calls.push(call);
    return Promise.resolve();
  }
}
