/** The servers that are measured, each with one worker on one core and without access logs unless asked. */
import type { ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeCacheEnvironment } from '../src/base/code-cache.ts';
import { systemClock } from '../src/base/time.ts';
import type { KeyPair } from '../src/cluster/x509.ts';
import type { GatewayConfig, RouteConfig } from '../src/gateway/config.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../src/gateway/limits.ts';
import { loadWorker, WORKER_ENTRY, WORKER_NODE_FLAGS } from '../src/gateway/worker-launch.ts';
import { WorkerLink } from '../src/gateway/worker-link.ts';
import { workerPaths } from '../src/gateway/worker-record.ts';
import { childOf, startPinned, stop, untilListening } from './tools.ts';

/** Of each cache that is measured. */
const CACHE_BYTES: number = 64 * 1024 * 1024;

export interface Place {
  /** For configs, logs and sockets. */
  readonly folder: string;
  /** Files `1k.bin` and `1m.bin`. */
  readonly files: string;
  readonly core: number;
  /** Of our workers that share ports: which one it is. The first unless said. */
  readonly slot?: number;
  readonly port: number;
  /** For bytes that are led on unread. */
  readonly tcpPort: number;
  /** HTTP/1.1 and HTTP/2 over TLS. */
  readonly tlsPort: number;
  readonly certificate: KeyPair;
  readonly upstreamPort: number;
  /** HAProxy logs to syslog only and stays without. */
  readonly accessLog: boolean;
}

/** A running server. Targets: `/static/1k.bin`, `/static/1m.bin`, `/proxied`, and from its cache `/hit` and `/large`. */
export interface Server {
  readonly name: 'moln' | 'nginx' | 'haproxy' | 'varnish';
  /** The process that serves. */
  readonly pid: number;
  readonly port: number;
  readonly tcpPort: number;
  readonly tlsPort: number;
  stop(): Promise<void>;
}

export async function startMoln(place: Place, nodeFlags: readonly string[]): Promise<Server> {
  const { slot = 1 } = place;
  const folders = { runFolder: join(place.folder, 'run'), logFolder: join(place.folder, 'logs') };
  await mkdir(folders.runFolder, { recursive: true });
  await mkdir(folders.logFolder, { recursive: true });
  await loadWorker(folders);
  const child = startPinned({
    core: place.core,
    program: process.execPath,
    environment: codeCacheEnvironment(folders.runFolder),
    args: [
      ...WORKER_NODE_FLAGS,
      ...nodeFlags,
      WORKER_ENTRY,
      folders.runFolder,
      folders.logFolder,
      String(slot),
      place.accessLog ? 'access-log' : 'no-access-log',
    ],
  });
  const link = await connectWorker(workerPaths(folders, slot).socket);
  const verdict = await link.configure(molnConfig(place));
  if (verdict.kind === 'refused') throw verdict.error;
  link.close();
  await untilListening(place.port);
  return server('moln', child, child.pid ?? 0, place);
}

async function connectWorker(path: string): Promise<WorkerLink> {
  for (let attempt = 0; ; attempt++) {
    try {
      return (await WorkerLink.connect(path, systemClock)).link;
    } catch (error) {
      if (attempt > 200) throw error;
      await systemClock.sleep(50);
    }
  }
}

function molnConfig(place: Place): GatewayConfig {
  const { port, tcpPort, tlsPort, certificate, files, upstreamPort } = place;
  const tls = { cert: certificate.certificatePem, key: certificate.keyPem };
  const target = {
    kind: 'upstreams',
    upstreams: [{ id: 'raw', address: { kind: 'tcp', host: '127.0.0.1', port: upstreamPort } }],
  } as const;
  const routes: RouteConfig[] = [
    { id: 'static', hosts: ['*'], path: '/', target: { kind: 'static', root: files } },
    { id: 'proxied', hosts: ['*'], path: '/proxied', target },
    { id: 'hit', hosts: ['*'], path: '/hit', target, cache: {} },
    { id: 'large', hosts: ['*'], path: '/large', target, cache: {} },
  ];
  return {
    version: 1,
    listeners: [
      { id: 'http', address: '127.0.0.1', port, protocol: 'http' },
      { id: 'https', address: '127.0.0.1', port: tlsPort, protocol: 'https', tls },
    ],
    routes,
    balancers: [
      {
        id: 'tcp',
        address: '127.0.0.1',
        port: tcpPort,
        protocol: 'tcp',
        balance: 'round-robin',
        upstreams: [
          {
            id: 'raw',
            address: { kind: 'port', host: '127.0.0.1', port: upstreamPort },
            weight: 1,
          },
        ],
        timeouts: { connectMs: 5000, idleMs: 600_000 },
        connectionsMax: 10_000,
      },
    ],
    limits: { ...DEFAULT_GATEWAY_LIMITS, keepAliveTimeoutMs: 600_000 },
    cache: { memoryBytes: CACHE_BYTES },
  };
}

export async function startNginx(place: Place): Promise<Server> {
  const { folder, files, port, tlsPort, certificate, upstreamPort, core } = place;
  const path = join(folder, 'nginx.conf');
  await writeFile(`${folder}/nginx-cert.pem`, certificate.certificatePem);
  await writeFile(`${folder}/nginx-key.pem`, certificate.keyPem);
  const log = place.accessLog ? `${folder}/access.log combined buffer=64k flush=1s` : 'off';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/nginx-${name};`)
    .join(' ');
  await writeFile(
    path,
    `daemon off; user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
worker_rlimit_nofile 19000;
events { worker_connections 18000; }
http {
  ${temporary}
  access_log ${log}; sendfile on; tcp_nopush on; etag on;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  proxy_cache_path ${folder}/nginx-cache levels=1:2 keys_zone=hits:10m max_size=64m inactive=1h;
  upstream raw { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${tlsPort} ssl http2 backlog=4096;
    ssl_certificate ${folder}/nginx-cert.pem; ssl_certificate_key ${folder}/nginx-key.pem;
    ssl_protocols TLSv1.3; http2_max_requests 1000000000;
    location / { root ${files}; }
    location ~ ^/(hit|large) {
      proxy_cache hits; proxy_pass http://raw; proxy_http_version 1.1; proxy_set_header Connection "";
    }
    location /proxied {
      proxy_pass http://raw; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header Forwarded "for=$remote_addr;host=$host;proto=http";
    }
  }
}
`,
  );
  const child = startPinned({ core, program: 'nginx', args: ['-c', path] });
  await untilListening(port);
  return server('nginx', child, childOf(child.pid ?? 0), place);
}

export async function startHaproxy(place: Place): Promise<Server> {
  const { folder, files, port, tcpPort, upstreamPort, core } = place;
  const path = join(folder, 'haproxy.cfg');
  await writeFile(
    path,
    `global
  nbthread 1
  no strict-limits
  maxconn 10500
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
listen tcp
  mode tcp
  timeout server 600s
  bind 127.0.0.1:${tcpPort}
  server raw 127.0.0.1:${upstreamPort}
cache large
  total-max-size 64
  max-object-size 8000000
  max-age 3600
frontend main
  bind 127.0.0.1:${port}
  http-request return status 200 content-type application/octet-stream file ${files}/static/1k.bin if { path /static/1k.bin }
  use_backend cached if { path_beg /large } or { path_beg /hit }
  default_backend raw
backend raw
  http-reuse always
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Forwarded for=%[src];host=%[req.hdr(host)];proto=http
  server raw 127.0.0.1:${upstreamPort}
backend cached
  http-request cache-use large
  http-response cache-store large
  server raw 127.0.0.1:${upstreamPort}
`,
  );
  const child = startPinned({ core, program: 'haproxy', args: ['-q', '-db', '-f', path] });
  await untilListening(port);
  return server('haproxy', child, child.pid ?? 0, place);
}

/** Its worker is a child that the manager starts; one thread pool and the builtin way of memory, as the core is one. */
export async function startVarnish(place: Place): Promise<Server> {
  const { folder, port, upstreamPort, core } = place;
  const places = ['-n', join(folder, 'varnish'), '-a', `127.0.0.1:${port}`];
  const upstream = ['-b', `127.0.0.1:${upstreamPort}`];
  const options = ['-s', `malloc,${CACHE_BYTES}`, '-p', 'thread_pools=1', '-p', 'timeout_idle=600'];
  const child = startPinned({
    core,
    program: 'varnishd',
    // Without its jail, which could not enter the folder.
    args: ['-F', '-j', 'none', ...places, ...upstream, ...options],
  });
  await untilListening(port);
  return server('varnish', child, childOf(child.pid ?? 0), place);
}

function server(
  name: Server['name'],
  child: ChildProcess,
  pid: number,
  { port, tcpPort, tlsPort }: Place,
): Server {
  return { name, pid, port, tcpPort, tlsPort, stop: () => stop(child) };
}
