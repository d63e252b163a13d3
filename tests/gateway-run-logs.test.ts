/** What a gateway that runs by itself writes down of requests, where their time went, and its spans. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SlowReport } from '../src/gateway/gateway.ts';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { runMoln } from '../testing/moln.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly {
    readonly key: string;
    readonly value: Readonly<Record<string, unknown>>;
  }[];
  readonly status: { readonly code: number };
}
interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly OtlpSpan[];
    }[];
  }[];
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('logs, times, metrics and traces of a gateway alone', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-logs-'));
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const asked: IncomingMessage[] = [];
  const waiting: (() => void)[] = [];
  const origin = createServer((request, response) => {
    asked.push(request);
    if (request.url === '/cached') response.setHeader('Cache-Control', 'max-age=60');
    if (request.url?.startsWith('/slow') === true) waiting.push(() => response.end('slow'));
    else response.end('quick');
  });
  const bodies: OtlpBody[] = [];
  let collectorStatus = 503;
  const collector = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('end', () => {
      assert.equal(request.method, 'POST');
      assert.equal(request.url, '/v1/traces');
      assert.equal(request.headers['content-type'], 'application/json');
      const status = collectorStatus;
      collectorStatus = 200;
      if (status === 200) bodies.push(JSON.parse(text) as OtlpBody);
      response.writeHead(status).end('{}');
    });
  });
  const originPort = await listening(origin);
  const collectorPort = await listening(collector);
  t.after(() => {
    killProcesses(processesOf(folder));
    for (const server of [origin, collector]) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  const upstreams = `upstreams: [{ url: "http://127.0.0.1:${originPort}" }]`;
  const users = join(folder, 'users');
  writeFileSync(users, 'anna:{SHA256}47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n');
  writeFileSync(
    file,
    [
      'workers: 1',
      `listeners: [{ address: 127.0.0.1, port: ${port} }]`,
      'accessLog: combined',
      `trace: { sample: 0, service: shop, export: "http://127.0.0.1:${collectorPort}/v1/traces" }`,
      'routes:',
      `  - { path: /, ${upstreams} }`,
      `  - { path: /quiet, accessLog: off, ${upstreams} }`,
      `  - { path: /json, accessLog: json, auth: { basic: { realm: r, users: ${users} } }, ${upstreams} }`,
      `  - { path: /cached, accessLog: json, cache: true, ${upstreams} }`,
      '',
    ].join('\n'),
  );
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  await using run = new FollowedCli(['gateway', 'run', file], env);
  await run.says(/Serving/);
  const moln = (...words: readonly string[]): ReturnType<typeof runMoln> =>
    runMoln(['gateway', ...words], { env });

  const exchange = async (path: string, ...lines: readonly string[]): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    const head = [`GET ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...lines];
    socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1');
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => (text += part));
    await once(socket, 'close');
    return text;
  };
  const logs = (): string => {
    const [gateway = ''] = readdirSync(`${env.MOLN_DATA}-gateway`);
    return join(`${env.MOLN_DATA}-gateway`, gateway, 'logs');
  };
  const read = (name: string): string =>
    existsSync(join(logs(), name)) ? readFileSync(join(logs(), name), 'latin1') : '';

  await step(t, 'the combined format, with nothing of a client as it came', async () => {
    await exchange('/a%0a"x', 'User-Agent: evil" \\ \x80', 'Referer: http://b.test/');
    await exchange('/quiet');
    await until('the line', () => read('access-1.log').includes('\n'));
    const lines = read('access-1.log').trimEnd().split('\n');
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a%0a\\x22x HTTP\/1\.1" 200 \d+ "http:\/\/b\.test\/" "evil\\x22 \\x5C \\x80"$/,
    );
  });

  await step(t, 'JSON where a route wants it, with user, times and ids', async () => {
    // The password is empty.
    const credentials = Buffer.from('anna:').toString('base64');
    assert.match(await exchange('/json', `Authorization: Basic ${credentials}`), /^HTTP\/1\.1 200/);
    assert.match(await exchange('/json'), /^HTTP\/1\.1 401/);
    await exchange('/cached');
    await until('three lines', () => read('access-1.jsonl').split('\n').length > 3);
    const [first = {}, second = {}, third = {}] = read('access-1.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    assert.equal(first['user'], 'anna');
    assert.match(String(first['id']), /^[0-9a-f]{8}-[0-9a-z]+$/);
    assert.match(String(first['traceId']), /^[0-9a-f]{32}$/);
    assert.ok(Number(first['upstreamMs']) >= Number(first['upstreamHeadMs']));
    assert.ok(Number(first['durationMs']) >= Number(first['upstreamMs']));
    assert.deepEqual(
      [second['status'], second['user'], second['upstreamMs']],
      [401, undefined, undefined],
    );
    assert.notEqual(first['id'], second['id']);
    assert.equal(third['cache'], 'miss');
    assert.ok(Number(third['upstreamHeadMs']) > 0);
  });

  await step(t, 'a log that was moved away is begun anew after SIGUSR1', async () => {
    renameSync(join(logs(), 'access-1.log'), join(logs(), 'moved.log'));
    process.kill(run.pid, 'SIGUSR1');
    await until('a line in a new file', async () => {
      await exchange('/b');
      return read('access-1.log').includes('GET /b ');
    });
    assert.match(read('moved.log'), /GET \/a%0a/);
  });

  await step(t, 'a trace goes on, and one begins here', async () => {
    asked.length = 0;
    await exchange('/t', `traceparent: 00-${TRACE}-${PARENT}-01`, 'tracestate: v=1');
    await exchange('/t', 'traceparent: 00-bad-bad-01', 'tracestate: v=1');
    const [first, second] = asked;
    const passed = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(first?.headers.traceparent));
    assert.equal(passed?.[1], TRACE);
    assert.notEqual(passed?.[2], PARENT);
    assert.equal(first?.headers.tracestate, 'v=1');
    assert.match(String(second?.headers.traceparent), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(second?.headers.tracestate, undefined);

    // The collector refuses the first time.
    await until('the span', () => bodies.length > 0);
    const [resource] = bodies[0]?.resourceSpans ?? [];
    assert.deepEqual(resource?.resource.attributes[0], {
      key: 'service.name',
      value: { stringValue: 'shop' },
    });
    const [scope] = resource?.scopeSpans ?? [];
    assert.equal(scope?.scope.name, 'moln.gateway');
    const [span, ...others] = scope?.spans ?? [];
    assert.deepEqual(others, [], 'the one that was not sampled is not told');
    assert.deepEqual(
      [span?.traceId, span?.spanId, span?.parentSpanId, span?.name, span?.kind, span?.status.code],
      [TRACE, passed?.[2], PARENT, 'GET */', 2, 0],
    );
    assert.ok(BigInt(span?.endTimeUnixNano ?? 0) > BigInt(span?.startTimeUnixNano ?? 0));
    const told = new Map(span?.attributes.map(({ key, value }) => [key, value]));
    assert.deepEqual(told.get('http.response.status_code'), { intValue: '200' });
    assert.deepEqual(told.get('url.path'), { stringValue: '/t' });
    assert.deepEqual(told.get('moln.upstream'), {
      stringValue: `http://127.0.0.1:${originPort}`,
    });
  });

  await step(t, 'it says where the time went', async () => {
    const slow = exchange('/slow?q');
    await until('the request', () => waiting.length === 1);
    await exchange('/after');
    const enough = performance.now() + 200;
    await until('a time that shows', () => performance.now() > enough);
    waiting[0]?.();
    await slow;
    const url = `http://localhost:${port}/`;
    const report = JSON.parse((await moln('slow', file, url, '--json')).stdout) as SlowReport;
    assert.equal(report.route, '*/');
    assert.equal(report.examples[0]?.url, 'localhost/slow?q');
    const shares = report.stages.toSorted((a, b) => b.share - a.share);
    assert.equal(shares[0]?.name, 'firstByte');
    assert.ok(Math.abs(report.stages.reduce((all, { share }) => all + share, 0) - 1) < 0.01);
    const text = (await moln('slow', file, url)).stdout;
    assert.match(text, /firstByte +\d+ %.*the upstream thinks/);
    assert.match(text, /GET localhost\/slow\?q/);
  });

  await step(t, 'Prometheus reads what happened', async () => {
    const { stdout } = await moln('metrics', file);
    assert.match(stdout, /moln_gateway_request_seconds_bucket\{route="\*\/",le="0\.001"\} \d+/);
    assert.match(stdout, /moln_gateway_limit_hits_total/);
    assert.match(stdout, /moln_gateway_spans_exported_total 1\n/);
    assert.match(stdout, /moln_gateway_spans_dropped_total 0\n/);
    assert.match(stdout, /moln_gateway_upstream_in_flight\{upstream="http:\/\/127[^}]*\} 0/);
  });
});
