/** For tests of the gateway's supervisor: a folder with two upstreams, and connections that last. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/time.ts';
import type { RouteConfig } from '../../src/gateway/config.ts';
import {
  DEFAULT_GATEWAY_LIMITS,
  GatewaySupervisor,
  type GatewayConfigContent,
} from '../../src/gateway/gateway.ts';
import { freePorts } from '../../testing/free-ports.ts';
import { ask, type Answer } from '../../testing/http.ts';
import { killProcesses, processesOf } from '../../testing/processes.ts';
import { until } from '../../testing/until.ts';
import { UpstreamServer } from './upstream-server.ts';

export const ADDRESS = '127.0.0.1';

/** A folder, a port, two upstreams, and whatever supervisors the test makes. */
export class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  readonly a: UpstreamServer;
  readonly b: UpstreamServer;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
    this.a = new UpstreamServer(join(folder, 'a.sock'), 'a');
    this.b = new UpstreamServer(join(folder, 'b.sock'), 'b');
  }

  static async open(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'moln-gw-'));
    const [port = 0] = await freePorts(ADDRESS, 1);
    await mkdir(join(folder, 'logs'));
    const stage = new Stage(folder, port);
    await stage.a.start();
    await stage.b.start();
    return stage;
  }

  get folders(): { readonly runFolder: string; readonly logFolder: string } {
    return { runFolder: join(this.folder, 'run'), logFolder: join(this.folder, 'logs') };
  }

  supervisor(workers = 2, hangTimeoutMs = 30_000): GatewaySupervisor {
    return new GatewaySupervisor({
      ...this.folders,
      workers,
      hangTimeoutMs,
      clock: systemClock,
      log: silentLogger,
    });
  }

  config(routes: readonly RouteConfig[]): GatewayConfigContent {
    return {
      listeners: [{ id: 'http', address: ADDRESS, port: this.port, protocol: 'http' }],
      routes,
      limits: DEFAULT_GATEWAY_LIMITS,
    };
  }

  route(...servers: readonly UpstreamServer[]): RouteConfig {
    const upstreams = servers.map(({ path }) => ({
      id: path,
      address: { kind: 'socket', path } as const,
    }));
    return { id: 'app/x', hosts: ['x.test'], path: '/', target: { kind: 'upstreams', upstreams } };
  }

  ask(path = '/', host = 'x.test'): Promise<Answer> {
    return ask({ address: ADDRESS, port: this.port, host, path });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    killProcesses(processesOf(this.folder));
    await this.a[Symbol.asyncDispose]();
    await this.b[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** An upgraded connection through the gateway whose far end echoes. */
export class Echo {
  readonly #socket: Socket;
  #received = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
    });
    socket.on('error', () => socket.destroy());
  }

  static async open(port: number): Promise<Echo> {
    const echo = new Echo(connect(port, ADDRESS));
    echo.#socket.write(
      'GET /echo HTTP/1.1\r\nHost: x.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
    );
    await until('the upgrade', () => echo.#received.startsWith('HTTP/1.1 101 '));
    return echo;
  }

  async says(text: string): Promise<void> {
    assert.equal(this.#socket.destroyed, false, 'the connection lives');
    this.#socket.write(text);
    await until(`the echo of ${text}`, () => this.#received.endsWith(text));
  }

  close(): void {
    this.#socket.destroy();
  }
}
