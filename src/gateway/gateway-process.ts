/**
 * One gateway worker: takes configs over its control socket, runs the data plane, and answers what the agent asks.
 * It lives without an agent; it goes when told, or when it is of no use: no agent is there and its record is gone
 * (the data folder was removed), or nobody ever gave it a config.
 */
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { MetricFamily } from '../base/metrics.ts';
import { processId } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import { proveHandles } from '../net/net.ts';
import { AccessLogs } from './access-logs.ts';
import { checkGatewayConfig } from './config-check.ts';
import type { GatewayCommand, GatewayConfig, GatewayReply, GatewayStats } from './config.ts';
import { type ConfigChange, changedConfig } from './config-change.ts';
import { CONTROL_PROTOCOL, MessageChannel } from './control-protocol.ts';
import { DataPlane, type SharingPlace } from './data-plane.ts';
import {
  GATEWAY_CONFIG_BEHIND,
  GATEWAY_CONFIG_REFUSED,
  GATEWAY_STOPPED,
  GATEWAY_WORKER_FAILED,
} from './errors.ts';
import { cacheFamilies, sharingFamilies } from './cache-families.ts';
import { certificateFamilies } from './certificates.ts';
import type { GatewayQuestion } from './gateway-question.ts';
import { ProcessMetrics } from './metrics.ts';
import { routeFamilies } from './route-meter.ts';
import {
  readWorkerRecord,
  removeWorkerFiles,
  writeWorkerRecord,
  type WorkerPaths,
} from './worker-record.ts';

export interface GatewayProcessOptions {
  readonly paths: WorkerPaths;
  readonly place: SharingPlace;
  readonly log: Logger;
  readonly clock: Clock;
  /** False only for measurements. */
  readonly accessLog: boolean;
  /** See `WorkerRecord`. */
  readonly code?: string | undefined;
}

/** How often a worker without an agent asks itself whether it is still wanted. */
const USE_CHECK_MS = 5000;
/** Checks without an agent and without a config before it gives up. */
const UNUSED_CHECKS_MAX = 12;
/** For requests under way when the data folder is gone. */
const UNWANTED_DRAIN_MS = 5000;

type Channel = MessageChannel<GatewayCommand, GatewayReply>;

export class GatewayProcess implements AsyncDisposable {
  readonly #options: GatewayProcessOptions;
  readonly #accessLog: AccessLogs;
  readonly #plane: DataPlane;
  readonly #metrics = new ProcessMetrics();
  readonly #channels = new Set<Channel>();
  readonly #finished = Promise.withResolvers<void>();
  #server: Server | undefined;
  #useCheck: Disposable | undefined;
  #unusedChecks = 0;
  #version = 0;
  #config: GatewayConfig | undefined;
  #configs: Promise<void> = Promise.resolve();
  #draining: Promise<void> | undefined;

  constructor(options: GatewayProcessOptions) {
    this.#options = options;
    const { log, clock, paths } = options;
    this.#accessLog = new AccessLogs(paths, {
      clock,
      onRefused: (error) => log.warn('The access log cannot be written and loses lines', { error }),
    });
    this.#plane = new DataPlane({
      log,
      clock,
      reusePort: true,
      name: paths.name,
      place: options.place,
      ...(options.accessLog ? { accessLog: this.#accessLog } : {}),
    });
  }

  /** Resolves when the control socket answers. */
  async start(): Promise<void> {
    const { paths, log, clock } = this.#options;
    const self = processId(process.pid);
    if (self === undefined) throw new Error('This process is not in /proc');
    if (await answers(paths.socket)) {
      throw new MolnError(
        GATEWAY_WORKER_FAILED,
        `Another worker answers on "${paths.socket}" already`,
      );
    }
    await rm(paths.socket, { force: true });
    await writeWorkerRecord(paths.record, {
      format: 1,
      process: self,
      protocol: CONTROL_PROTOCOL,
      ...(this.#options.code === undefined ? {} : { code: this.#options.code }),
    });
    if (!(await proveHandles())) {
      log.warn('Sockets of this Node are not as expected: the gateway works, and costs more');
    }
    await this.#plane.serveSockets(paths.handover);
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.listen(paths.socket);
    await once(this.#server, 'listening');
    await chmod(paths.socket, 0o600);
    this.#useCheck = clock.every(USE_CHECK_MS, () => {
      this.#checkUse().catch((error: unknown) => log.error('The use check failed', { error }));
    });
    log.info('Gateway worker is ready', { pid: process.pid });
  }

  /** Resolves when the worker has drained and may exit. */
  finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** The files of the access log were moved away. */
  reopenLogs(): void {
    this.#accessLog.reopen();
  }

  /** Stops accepting; requests and upgraded connections may finish for `deadlineMs`. */
  drain(deadlineMs: number, isGentle = false): Promise<void> {
    this.#draining ??= this.#drainOnce(deadlineMs, isGentle);
    return this.#draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#useCheck?.[Symbol.dispose]();
    await this.#plane[Symbol.asyncDispose]();
    await this.#accessLog[Symbol.asyncDispose]();
    for (const channel of this.#channels) channel.close();
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await removeWorkerFiles(this.#options.paths);
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #drainOnce(deadlineMs: number, isGentle: boolean): Promise<void> {
    this.#options.log.info('Gateway worker drains', { deadlineMs });
    await this.#sayLeaving();
    await this.#configs;
    await this.#plane.drain(deadlineMs, isGentle);
    this.#finished.resolve();
  }

  /** So that the next agent does not adopt this process, which may drain for long. */
  async #sayLeaving(): Promise<void> {
    const { paths, log } = this.#options;
    try {
      const record = await readWorkerRecord(paths.record);
      if (record?.process.pid !== process.pid) return;
      await writeWorkerRecord(paths.record, { ...record, leaving: true });
    } catch (error) {
      log.warn('The record of this worker cannot say that it leaves', { error });
    }
  }

  #accept(socket: Socket): void {
    const channel: Channel = new MessageChannel(socket, {
      onMessage: (command) => this.#obey(command, channel),
      onClose: (error) => {
        this.#channels.delete(channel);
        if (error !== undefined) this.#options.log.warn('Agent connection failed', { error });
      },
    });
    this.#channels.add(channel);
    channel.send({
      kind: 'hello',
      pid: process.pid,
      protocol: CONTROL_PROTOCOL,
      version: this.#version,
    });
  }

  #obey(command: GatewayCommand, channel: Channel): void {
    switch (command.kind) {
      case 'config':
        // One after the other: listeners and tables of two configs must not mix.
        this.#configs = this.#configs.then(async () => {
          channel.send(await this.#configure(command.config, command.takeFrom));
        });
        return;
      case 'change':
        this.#configs = this.#configs.then(async () => {
          channel.send(await this.#change(command.change));
        });
        return;
      case 'stats':
        channel.send({ kind: 'stats', stats: this.#stats() });
        return;
      case 'ask':
        void this.#answer(command.id, command.question).then((reply) => channel.send(reply));
        return;
      case 'loads':
        this.#plane.setLoads(command.loads);
        return;
      case 'ping':
        channel.send({ kind: 'pong' });
        return;
      case 'drain':
        void this.drain(command.deadlineMs);
        return;
      default:
        this.#options.log.warn('Agent sent an unknown command', { command });
    }
  }

  async #configure(value: unknown, takeFrom?: readonly string[]): Promise<GatewayReply> {
    const asked = (value as { readonly version?: unknown } | null)?.version;
    const version = typeof asked === 'number' ? asked : -1;
    return await this.#use(version, () => checkGatewayConfig(value), takeFrom);
  }

  /** The agent has checked what comes of it, and has the same code. */
  async #change(change: ConfigChange): Promise<GatewayReply> {
    const before = this.#config;
    const { from, version } = change;
    if (before?.version !== from) {
      const message = `This worker uses config version ${this.#version}, not ${from}`;
      return { kind: 'refused', version, code: GATEWAY_CONFIG_BEHIND, message };
    }
    return await this.#use(version, () => changedConfig(before, change));
  }

  async #use(
    version: number,
    wanted: () => GatewayConfig,
    takeFrom?: readonly string[],
  ): Promise<GatewayReply> {
    try {
      const config = wanted();
      if (this.#draining !== undefined) {
        throw new MolnError(GATEWAY_STOPPED, 'This worker is draining');
      }
      if (version < this.#version) {
        throw new MolnError(
          GATEWAY_CONFIG_REFUSED,
          `Config version ${version} is older than ${this.#version}, which is in use`,
        );
      }
      // The agent repeats itself after a lost connection. One that began while a config of the one before was being applied says the
      // same version of another.
      if (version > this.#version || !isDeepStrictEqual(config, this.#config)) {
        await this.#plane.apply(config, takeFrom);
        this.#config = config;
      }
      this.#version = version;
      return { kind: 'applied', version };
    } catch (error) {
      this.#options.log.error('Config refused; the one before stays', { version, error });
      return {
        kind: 'refused',
        version,
        code: isMolnError(error) ? error.code : GATEWAY_CONFIG_REFUSED,
        message: messageOf(error),
      };
    }
  }

  async #answer(id: number, question: GatewayQuestion): Promise<GatewayReply> {
    try {
      const isOwn = question.kind === 'metrics';
      const answer = isOwn
        ? {
            kind: question.kind,
            families: this.#stats().metrics,
            certificates: this.#certificates(),
          }
        : await this.#plane.answer(question);
      return { kind: 'answer', id, answer };
    } catch (error) {
      if (!isMolnError(error)) this.#options.log.error('A question was not answered', { error });
      const code = isMolnError(error) ? error.code : GATEWAY_WORKER_FAILED;
      return { kind: 'failed', id, code, message: messageOf(error) };
    }
  }

  #certificates(): readonly MetricFamily[] {
    const now = this.#options.clock.now();
    return this.#config === undefined ? [] : certificateFamilies(this.#config, now);
  }

  #stats(): GatewayStats {
    const { connections, connectionsRefused, upstreams, unfit } = this.#plane.stats();
    const memoryBytes = process.memoryUsage.rss();
    const routes = [...this.#plane.table().routes()];
    const { balancers } = this.#plane;
    const pairs = routes.map((route) => [route.id, route.totals] as const);
    const cache = this.#plane.cacheStats();
    return {
      pid: process.pid,
      version: this.#version,
      connections,
      memoryBytes,
      upstreams,
      ...(Object.keys(unfit).length === 0 ? {} : { unfit }),
      routes: Object.fromEntries(routes.map((route) => [route.id, route.totals.totals()])),
      balancers: balancers.totals(),
      ...(cache.length === 0 ? {} : { cache }),
      metrics: [
        ...balancers.families(),
        ...routeFamilies(pairs),
        ...cacheFamilies(cache, pairs),
        ...this.#plane.families(),
        ...sharingFamilies(this.#plane.sharingCounts),
        ...this.#metrics.families({
          connections,
          connectionsRefused,
          memoryBytes,
          accessLogDropped: this.#accessLog.dropped,
          spans: this.#plane.spans,
        }),
      ],
    };
  }

  async #checkUse(): Promise<void> {
    if (this.#channels.size > 0) {
      this.#unusedChecks = 0;
      return;
    }
    const record = await readWorkerRecord(this.#options.paths.record);
    if (record?.process.pid !== process.pid) return this.drain(UNWANTED_DRAIN_MS);
    this.#unusedChecks++;
    if (this.#version === 0 && this.#unusedChecks >= UNUSED_CHECKS_MAX) return this.drain(0);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
