/**
 * A real certificate authority that speaks ACME, with the DNS that it asks: Pebble and its companion, of Debian's package
 * `pebble`. It refuses some good nonces and reuses some authorizations, as authorities may.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, issueCertificate } from '../src/cluster/x509.ts';
import { freePorts } from './free-ports.ts';
import type { TestLife } from './test-node.ts';
import { until } from './until.ts';

const DAY_MS = 86_400_000;
const ADDRESS = '127.0.0.1';

export interface PebbleOptions {
  /** Where it asks over HTTP and TLS, at every address that DNS says. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** What every host leads to; 127.0.0.1 unless said. */
  readonly address?: string;
  /** Of certificates; five years unless said. */
  readonly lifeSeconds?: number;
  /** Percent of good nonces that are refused; 20 unless said. */
  readonly nonceReject?: number;
  /** Percent of valid authorizations that are used again; 0 unless said. */
  readonly reuse?: number;
  /** Milliseconds before each check; 0 unless said. */
  readonly slow?: boolean;
}

export class Pebble implements AsyncDisposable {
  readonly directory: string;
  /** A file in PEM: who signed the certificate of its own API. */
  readonly caFile: string;
  readonly caPem: string;
  /** For `POST /set-txt` and the like. */
  readonly dnsManagement: string;
  readonly #management: number;
  readonly #children: readonly ChildProcess[];
  #output = '';

  private constructor(options: {
    readonly ports: { readonly acme: number; readonly management: number; readonly dns: number };
    readonly caFile: string;
    readonly caPem: string;
    readonly children: readonly ChildProcess[];
  }) {
    const { ports, caFile, caPem, children } = options;
    this.directory = `https://${ADDRESS}:${ports.acme}/dir`;
    this.#management = ports.management;
    this.dnsManagement = `http://${ADDRESS}:${ports.dns}`;
    this.caFile = caFile;
    this.caPem = caPem;
    this.#children = children;
    for (const child of children) {
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
      }
    }
  }

  static async start(t: TestLife, options: PebbleOptions): Promise<Pebble> {
    const folder = mkdtempSync(join(tmpdir(), 'moln-pebble-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const [acme = 0, management = 0, dnsPort = 0, dns = 0] = await freePorts(ADDRESS, 4);
    const validity = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + DAY_MS };
    const authority = await createAuthority({ commonName: 'Pebble API', validity });
    const own = await issueCertificate({
      authority,
      commonName: 'pebble',
      validity,
      dnsNames: ['localhost'],
      addresses: [ADDRESS],
      uris: [],
      asClient: false,
    });
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const caFile = write('ca.pem', authority.certificatePem);
    const config = {
      pebble: {
        listenAddress: `${ADDRESS}:${acme}`,
        managementListenAddress: `${ADDRESS}:${management}`,
        certificate: write('cert.pem', own.certificatePem),
        privateKey: write('key.pem', own.keyPem),
        httpPort: options.httpPort,
        tlsPort: options.tlsPort,
        ...(options.lifeSeconds === undefined
          ? {}
          : { certificateValidityPeriod: options.lifeSeconds }),
      },
    };
    const configFile = write('pebble.json', JSON.stringify(config));
    const run = (program: string, words: readonly string[], env: NodeJS.ProcessEnv): ChildProcess =>
      spawn(program, words, { cwd: folder, env: { ...process.env, ...env }, stdio: 'pipe' });
    const names = run(
      'pebble-challtestsrv',
      [
        '-dns01',
        `${ADDRESS}:${dnsPort}`,
        '-management',
        `${ADDRESS}:${dns}`,
        '-http01',
        '',
        '-https01',
        '',
        '-tlsalpn01',
        '',
        '-defaultIPv6',
        '',
        '-defaultIPv4',
        options.address ?? ADDRESS,
      ],
      {},
    );
    const authorityProcess = run(
      'pebble',
      ['-config', configFile, '-dnsserver', `${ADDRESS}:${dnsPort}`],
      {
        ...(options.slow === true ? { PEBBLE_VA_SLEEPTIME: '4' } : { PEBBLE_VA_NOSLEEP: '1' }),
        PEBBLE_WFE_NONCEREJECT: String(options.nonceReject ?? 20),
        PEBBLE_AUTHZREUSE: String(options.reuse ?? 0),
      },
    );
    const children = [authorityProcess, names];
    t.after(() => children.forEach((child) => child.kill('SIGKILL')));
    const pebble = new Pebble({
      ports: { acme, management, dns },
      caFile,
      caPem: authority.certificatePem,
      children,
    });
    await until('Pebble to answer', async () => (await pebble.#get(acme, '/dir')) !== '');
    await until('its DNS to answer', async () => {
      await fetch(`${pebble.dnsManagement}/dns-request-history`, { method: 'POST', body: '{}' });
      return true;
    });
    return pebble;
  }

  /** PEM: what its certificates lead to. */
  root(): Promise<string> {
    return this.#get(this.#management, '/roots/0');
  }

  /** What it printed. */
  get output(): string {
    return this.#output;
  }

  /** Ends the authority; its DNS goes on. */
  async stop(): Promise<void> {
    const [authority] = this.#children;
    if (authority === undefined || authority.exitCode !== null) return;
    authority.kill('SIGKILL');
    await once(authority, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }

  #get(port: number, path: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    request({ host: ADDRESS, port, path, ca: this.caPem, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
    return promise;
  }
}
