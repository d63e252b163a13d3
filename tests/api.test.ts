/** The API over real sockets: who may do what, shapes, errors, streams, and the first byte of a connection. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { MolnError } from '../src/base/errors.ts';
import { systemClock, type Clock } from '../src/base/time.ts';
import { ApiServer } from '../src/api/api.ts';
import { until } from '../testing/until.ts';
import { answered, ApiUnderTest, lines, makeCertificate, whole } from './api-client.ts';

const DONE = { kind: 'done', app: 'site', release: 'r1', url: 'http://site.localhost' };

test('the unix socket is the local admin, TCP needs a token', async () => {
  await using api = await ApiUnderTest.start();
  const local = await api.ask({ path: '/api/tokens', over: 'unix' });
  assert.equal(local.status, 200);
  const remote = await api.ask({ path: '/api/status' });
  assert.equal(remote.status, 401);
  assert.equal(remote.code(), 'API_UNAUTHORIZED');
  assert.equal(remote.headers['www-authenticate'], 'Bearer realm="moln"');
  const known = await api.ask({ path: '/api/status', token: 'read-token' });
  assert.equal(known.json()['sentence'], 'All good: 1 app on 1 node');
  assert.equal((await api.ask({ path: '/api/status', token: 'wrong' })).status, 401);
  const basic = { authorization: 'Basic eDp5' };
  assert.equal((await api.ask({ path: '/api/status', headers: basic })).status, 401);
});

test('each scope opens what it should and nothing more', async () => {
  await using api = await ApiUnderTest.start();
  const rows = [
    { path: '/api/apps/site', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/metrics', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/openapi.json', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/apps/site/stop', method: 'POST', read: 403, deploy: 204, admin: 204 },
    { path: '/api/apps/site/restart', method: 'POST', read: 403, deploy: 200, admin: 200 },
    { path: '/api/apps/site', method: 'DELETE', read: 403, deploy: 403, admin: 204 },
    { path: '/api/tokens', method: 'GET', read: 403, deploy: 403, admin: 200 },
    { path: '/api/cache', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/gateway/top', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/routes', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/listeners/mail', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/routes/docs', method: 'DELETE', read: 403, deploy: 403, admin: 200 },
    { path: '/api/listeners/mail', method: 'DELETE', read: 403, deploy: 403, admin: 200 },
    { path: '/api/addresses', method: 'GET', read: 200, deploy: 200, admin: 200 },
    { path: '/api/addresses/192.168.1.50', method: 'DELETE', read: 403, deploy: 403, admin: 204 },
    { path: '/api/login-links', method: 'POST', read: 403, deploy: 403, admin: 201 },
    { path: '/api/shutdown', method: 'POST', read: 403, deploy: 403, admin: 204 },
  ] as const;
  for (const row of rows) {
    for (const scope of ['read', 'deploy', 'admin'] as const) {
      const answer = await api.ask({ ...row, token: `${scope}-token` });
      assert.equal(answer.status, row[scope], `${scope} ${row.method} ${row.path}`);
    }
    assert.equal((await api.ask(row)).status, 401, row.path);
  }
  assert.equal(api.cloud.calls.filter((call) => call === 'shutdown').length, 1);
  const refused = await api.ask({ path: '/api/tokens', token: 'read-token' });
  assert.equal(refused.code(), 'API_FORBIDDEN');
  assert.match(refused.text, /needs scope \\"admin\\", the caller has \\"read\\"/);
});

test('a purge is checked before anything happens, and a URL is explained to who may read logs', async () => {
  await using api = await ApiUnderTest.start();
  const purge = (body: unknown, token = 'deploy-token'): ReturnType<typeof api.ask> =>
    api.ask({ path: '/api/cache/purge', method: 'POST', body, token });
  const targets = [{ kind: 'tag', tag: 'a' }];
  assert.equal((await purge({ targets }, 'read-token')).status, 403);
  for (const bad of [
    { targets: [{ kind: 'url', url: 'ftp://a.test/' }] },
    { targets: [{ kind: 'tag', tag: 'a b' }] },
    { targets: [{ kind: 'everything' }] },
    { soft: true },
  ]) {
    assert.equal((await purge(bad)).status, 400, JSON.stringify(bad));
  }
  assert.deepEqual(api.cloud.calls, []);
  assert.equal((await purge({ targets })).status, 200);
  assert.deepEqual(api.cloud.calls, [{ purgeCache: { targets, soft: false } }]);

  const path = '/api/cache/explain?url=http%3A%2F%2Fa.test%2F&field=Accept%3A%20*';
  assert.equal((await api.ask({ path })).status, 401);
  assert.equal((await api.ask({ path, token: 'read-token' })).status, 200);
  assert.deepEqual(api.cloud.calls.at(-1), {
    explainCache: ['http://a.test/', [['Accept', '*']]],
  });
  const slow = '/api/gateway/slow?url=http%3A%2F%2Fa.test%2F';
  assert.equal((await api.ask({ path: slow, token: 'read-token' })).status, 200);
  assert.deepEqual(api.cloud.calls.at(-1), { gatewaySlow: 'http://a.test/' });
  const bare = await api.ask({ path: `${path}&field=none`, token: 'read-token' });
  assert.equal(bare.status, 400);
});

test('health is for everybody and metrics are Prometheus text', async () => {
  await using api = await ApiUnderTest.start();
  const health = await api.ask({ path: '/healthz' });
  assert.deepEqual([health.status, health.text], [200, 'ok\n']);
  const metrics = await api.ask({ path: '/metrics', token: 'read-token' });
  assert.match(String(metrics.headers['content-type']), /^text\/plain; version=0\.0\.4/);
});

test('every answer is guarded against sniffing, framing and keeping', async () => {
  await using api = await ApiUnderTest.start();
  for (const path of ['/api/status', '/healthz', '/nothing', '/']) {
    const { headers } = await api.ask({ path, token: 'read-token' });
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/, path);
    assert.doesNotMatch(String(headers['content-security-policy']), /unsafe/, path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    assert.equal(headers['cache-control'], 'no-store', path);
  }
});

test('unknown addresses, methods, parameters and keys say what there is', async () => {
  await using api = await ApiUnderTest.start();
  const ask = (method: string, path: string, body?: unknown): ReturnType<typeof api.ask> =>
    api.ask({ method, path, token: 'admin-token', ...(body === undefined ? {} : { body }) });
  for (const path of [
    '/api/nope',
    '/api/apps/',
    '/api//status',
    '/api/apps/%2e%2e',
    '/api/apps/%zz',
  ]) {
    assert.equal((await ask('GET', path)).status, 404, path);
  }
  const method = await ask('DELETE', '/api/status');
  assert.deepEqual([method.status, method.headers.allow], [405, 'GET, HEAD']);
  assert.equal((await ask('HEAD', '/api/status')).status, 200);
  assert.equal((await ask('HEAD', '/api/live')).status, 405);
  const parameter = await ask('GET', '/api/apps/site/logs?folow=true');
  assert.equal(parameter.status, 400);
  assert.match(parameter.text, /did you mean \\"follow\\"/);
  assert.equal((await ask('GET', '/api/apps/site/logs?tail=-1')).status, 400);
  assert.equal((await ask('GET', '/api/apps/site/logs?tail=1&tail=2')).status, 400);
  const key = await ask('POST', '/api/apps/site/scale', { count: { web: 2 } });
  assert.equal(key.code(), 'CONFIG_INVALID');
  assert.match(key.text, /did you mean \\"counts\\"/);
  assert.equal((await ask('POST', '/api/apps/site/scale', { counts: { web: 1.5 } })).status, 400);
  assert.equal((await ask('POST', '/api/apps/site/stop', { now: true })).status, 400);
  assert.equal((await ask('POST', '/api/apps/site/stop', {})).status, 204);
  assert.equal((await ask('POST', '/api/tokens', { name: 'x', scope: 'root' })).status, 400);
});

test('errors of the parts keep code, sentence and hint, and get the status of their code', async () => {
  await using api = await ApiUnderTest.start();
  const missing = await api.ask({ path: '/api/apps/sit', token: 'read-token' });
  assert.equal(missing.status, 404);
  assert.deepEqual(missing.json(), {
    error: {
      code: 'APPS_NOT_FOUND',
      message: 'No app "sit": did you mean "site"?',
      retryable: false,
      hint: 'Run moln apps',
    },
  });
  const rows = [
    ['REGISTRY_CONFLICT', 409],
    ['APPS_BUSY', 409],
    ['DISK_FULL', 507],
    ['APPS_NOTHING_TO_DO', 422],
  ] as const;
  for (const [code, status] of rows) {
    api.cloud.failure = new MolnError(code, 'Not now');
    const answer = await api.ask({ path: '/api/status', token: 'read-token' });
    assert.deepEqual([answer.status, answer.code()], [status, code]);
  }
});

test('a bug is a 500 with an id; the stack is in the log under that id, not in the answer', async () => {
  await using api = await ApiUnderTest.start();
  api.cloud.failure = new TypeError('secret detail');
  const answer = await api.ask({ path: '/api/status', token: 'read-token' });
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /secret detail|TypeError|\.ts/);
  const { details } = answer.json()['error'] as { readonly details: { readonly id: string } };
  const record = api.records.find((entry) => entry.level === 'error');
  assert.equal(record?.fields['id'], details.id);
  assert.equal(record.fields['error'], api.cloud.failure);
});

test('a deploy streams a tar in and progress out', async () => {
  await using api = await ApiUnderTest.start();
  const request = api.open({
    method: 'POST',
    path: '/api/apps/site/deploy?domain=a.example&domain=b.example',
    token: 'deploy-token',
    headers: { 'content-type': 'application/x-tar' },
  });
  request.write(Buffer.alloc(700_000));
  const response = await answered(request);
  assert.equal(response.headers['content-type'], 'application/x-ndjson');
  // Progress is here although the upload has not ended.
  request.end(Buffer.alloc(300_000));
  const items = lines((await whole(response)).text);
  assert.deepEqual(items, [{ kind: 'step', at: 1, message: 'Receiving' }, DONE]);
  assert.deepEqual(api.cloud.calls, [
    { deploy: 'site', domains: ['a.example', 'b.example'], by: 'ci', bytes: 1_000_000 },
  ]);
});

test('a deploy that fails before its first item is an error, later it is the last line', async () => {
  await using api = await ApiUnderTest.start();
  const deploy = (app: string, body: unknown = 'tar', type = 'application/x-tar') =>
    api.ask({
      method: 'POST',
      path: `/api/apps/${app}/deploy`,
      over: 'unix',
      headers: { 'content-type': type },
      body,
    });
  const early = await deploy('bad%20name');
  assert.deepEqual([early.status, early.code()], [400, 'CONFIG_INVALID']);
  const late = await deploy('late');
  assert.equal(late.status, 200);
  const [, failed] = lines(late.text) as [unknown, { kind: string; error: { code: string } }];
  assert.deepEqual([failed.kind, failed.error.code], ['failed', 'APPS_BUILD_FAILED']);
  const bug = await deploy('bug');
  assert.match(bug.text, /"code":"API_INTERNAL"/);
  assert.doesNotMatch(bug.text, /not a function/);
  assert.equal((await deploy('site', 'zip', 'application/zip')).status, 415);
  const nothing = await api.ask({ method: 'POST', path: '/api/apps/site/deploy', over: 'unix' });
  assert.deepEqual([nothing.status, nothing.code()], [400, 'API_BODY_INVALID']);
});

test('a refused upload is answered, also while it is still being sent', async () => {
  await using api = await ApiUnderTest.start();
  const request = api.open({
    method: 'POST',
    path: '/api/apps/site/deploy',
    token: 'read-token',
    headers: { 'content-type': 'application/x-tar' },
  });
  request.on('error', () => undefined);
  request.write(Buffer.alloc(2_000_000));
  const answer = await whole(await answered(request));
  assert.equal(answer.status, 403);
  // Nothing more is sent: the connection is not kept for the rest of a body that nobody wants.
  await until('the refused connection to be cut', () => request.destroyed);
});

test('with Expect: 100-continue the body is asked for only when it is wanted', async () => {
  await using api = await ApiUnderTest.start();
  const send = async (token: string): Promise<{ asked: boolean; status: number }> => {
    let asked = false;
    const request = api.open({
      method: 'POST',
      path: '/api/apps/site/deploy',
      token,
      headers: {
        'content-type': 'application/x-tar',
        expect: '100-continue',
        'content-length': '3',
      },
    });
    request.on('error', () => undefined);
    request.on('continue', () => {
      asked = true;
      request.end('tar');
    });
    request.flushHeaders();
    const { status } = await whole(await answered(request));
    request.destroy();
    return { asked, status };
  };
  assert.deepEqual(await send('deploy-token'), { asked: true, status: 200 });
  assert.deepEqual(await send('read-token'), { asked: false, status: 403 });
});

test('JSON bodies have a type, a limit and a syntax', async () => {
  await using api = await ApiUnderTest.start();
  const send = (body: string, type = 'application/json'): ReturnType<typeof api.ask> =>
    api.ask({
      method: 'PUT',
      path: '/api/apps/site/domains',
      token: 'deploy-token',
      headers: { 'content-type': type },
      body,
    });
  assert.equal((await send('{"domains":["a.example"]}')).status, 204);
  assert.equal((await send('{"domains":[]}', 'application/json; charset=utf-8')).status, 204);
  assert.equal((await send('{"domains":')).status, 400);
  assert.equal((await send('domains=', 'application/x-www-form-urlencoded')).status, 415);
  assert.equal((await send(`"${'x'.repeat(1024 * 1024)}"`)).status, 413);
  const chunked = api.open({
    method: 'PUT',
    path: '/api/apps/site/domains',
    token: 'deploy-token',
    headers: { 'content-type': 'application/json' },
  });
  chunked.on('error', () => undefined);
  chunked.write('"');
  chunked.write('x'.repeat(2 * 1024 * 1024));
  assert.equal((await whole(await answered(chunked))).status, 413);
  chunked.destroy();
});

test('run carries standard input and output at the same time', async () => {
  await using api = await ApiUnderTest.start();
  const request = api.open({
    method: 'POST',
    path: '/api/apps/site/run?command=cat&command=-u&instance=site-web-1',
    over: 'unix',
    headers: { 'content-type': 'application/octet-stream' },
  });
  request.write('one');
  const response = await answered(request);
  const output = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = JSON.parse(String((await output.next()).value)) as { readonly base64: string };
  assert.equal(Buffer.from(first.base64, 'base64').toString(), 'one');
  request.write('two');
  const second = JSON.parse(String((await output.next()).value)) as { readonly base64: string };
  assert.equal(Buffer.from(second.base64, 'base64').toString(), 'two');
  request.end();
  assert.deepEqual(JSON.parse(String((await output.next()).value)), {
    kind: 'exit',
    code: 0,
    signal: null,
  });
  const [call] = api.cloud.calls;
  assert.deepEqual(call, {
    run: 'site',
    command: ['cat', '-u'],
    instance: 'site-web-1',
    stdin: true,
  });
  const without = await api.ask({ method: 'POST', path: '/api/apps/site/run', over: 'unix' });
  assert.equal(without.status, 400);
});

test('a client that leaves stops what it followed, and a rollback goes on without it', async () => {
  await using api = await ApiUnderTest.start();
  const logs = await api.head({ path: '/api/apps/site/logs?follow=1', token: 'read-token' });
  const iterator = logs[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  assert.match(String((await iterator.next()).value), /"text":"hello"/);
  logs.destroy();
  await until('the followed log to be stopped', () => api.cloud.stopped === 1);

  const rollback = await api.head({
    method: 'POST',
    path: '/api/apps/site/rollback',
    token: 'deploy-token',
    body: { release: 'r0' },
  });
  rollback.destroy();
  api.cloud.gate.resolve();
  await until('the rollback to reach its end', () => api.cloud.rollbackEnded);
});

test('a followed stream sends its head at once and empty lines while nothing happens', async () => {
  // A clock whose heartbeat is quick; everything else is as it is.
  const clock: Clock = { ...systemClock, every: (ms, call) => systemClock.every(ms / 1000, call) };
  await using api = await ApiUnderTest.start({ clock });
  const live = await api.head({ path: '/api/live', token: 'read-token' });
  const iterator = live[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  assert.match(String((await iterator.next()).value), /^\n+$/);
  live.destroy();
});

test('a client that does not read holds its source back instead of filling the memory', async () => {
  await using api = await ApiUnderTest.start();
  const logs = await api.head({
    path: '/api/apps/site/logs?process=endless&follow=1',
    token: 'read-token',
  });
  let before = -1;
  await until('the source to be held back', () => {
    const held = api.cloud.flooded === before;
    before = api.cloud.flooded;
    return held;
  });
  assert.ok(before > 0 && before < 50_000, `${before} lines were taken`);
  logs.destroy();
});

test('an upload that stalls is cut off and its deploy is told', async () => {
  // A clock whose minute is 60 ms.
  const clock: Clock = { ...systemClock, every: (ms, call) => systemClock.every(ms / 1000, call) };
  await using api = await ApiUnderTest.start({ clock });
  const request = api.open({
    method: 'POST',
    path: '/api/apps/site/deploy',
    token: 'deploy-token',
    headers: { 'content-type': 'application/x-tar' },
  });
  request.on('error', () => undefined);
  request.write('the beginning');
  const response = await answered(request);
  response.on('error', () => undefined).resume();
  await until('the deploy to be stopped', () => api.cloud.stopped === 1);
  await until('the connection to be cut', () => request.destroyed);
  assert.deepEqual(api.cloud.calls, []);
});

test('closing ends followed streams instead of waiting for them', async () => {
  await using api = await ApiUnderTest.start();
  const logs = await api.head({ path: '/api/apps/site/logs?follow=1', over: 'unix' });
  await api.server.close();
  assert.equal(
    (await whole(logs)).text,
    `${JSON.stringify({
      at: 1,
      instance: 'site-web-1',
      process: 'web',
      text: 'hello',
    })}\n`,
  );
});

test('the Host header must be one of this node, but not over the unix socket', async () => {
  await using api = await ApiUnderTest.start();
  const ask = async (host: string, over?: 'unix'): Promise<number> => {
    const where = over === undefined ? {} : { over };
    return (await api.ask({ path: '/healthz', headers: { host }, ...where })).status;
  };
  for (const host of ['localhost', 'LOCALHOST:7420', '127.0.0.1:1', '[::1]:7420', '192.0.2.7']) {
    assert.equal(await ask(host), 200, host);
  }
  assert.equal(await ask('moln.example:7420'), 200);
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'a b']) {
    assert.equal(await ask(host), 421, host);
  }
  assert.equal(await ask('whatever.example', 'unix'), 200);
});

test('whoever guesses is told to slow down, and locks nobody out who shares the address', async () => {
  await using api = await ApiUnderTest.start();
  const guess = (): Promise<number> =>
    api.ask({ path: '/api/status', token: 'guess' }).then(({ status }) => status);
  let status = await guess();
  for (let tries = 1; status === 401 && tries < 100; tries++) status = await guess();
  const wrong = await api.ask({ path: '/api/status', token: 'guess' });
  assert.deepEqual([status, wrong.status, wrong.headers['retry-after']], [429, 429, '30']);
  assert.equal((await api.ask({ path: '/api/status', token: 'read-token' })).status, 200);
  assert.equal((await api.ask({ path: '/login?code=good-code' })).status, 303);
  assert.equal((await api.ask({ path: '/api/status', over: 'unix' })).status, 200);
});

test('one port: TLS by its first byte, plain HTTP from loopback, a new certificate without a restart', async () => {
  await using api = await ApiUnderTest.start({ tls: true });
  assert.equal((await api.ask({ path: '/healthz' })).text, 'ok\n');
  assert.equal((await api.ask({ path: '/healthz', over: 'tls' })).text, 'ok\n');
  const big = await api.ask({
    method: 'POST',
    path: '/api/apps/site/deploy',
    token: 'deploy-token',
    over: 'tls',
    headers: { 'content-type': 'application/x-tar' },
    body: Buffer.alloc(3_000_000, 'x'),
  });
  assert.deepEqual(lines(big.text).at(-1), DONE);
  assert.equal((api.cloud.calls.at(-1) as { readonly bytes: number }).bytes, 3_000_000);
  const served = async (): Promise<string> => {
    const socket = tlsConnect({ host: '127.0.0.1', port: api.port, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const fingerprint = ({ cert }: { readonly cert: string }): string =>
    new X509Certificate(cert).fingerprint256;
  assert.equal(await served(), fingerprint(api.certificate ?? { cert: '' }));
  const second = await makeCertificate('second');
  api.server.setTls(second);
  assert.equal(await served(), fingerprint(second));
});

test('a head that trickles in is cut off', async () => {
  await using api = await ApiUnderTest.start({ headersTimeoutMs: 100 });
  const socket = connect(api.port, '127.0.0.1');
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString();
  assert.match(text, /^HTTP\/1\.1 408 /);
});

test('a taken port is one clear error, and what was begun can be disposed of', async () => {
  await using api = await ApiUnderTest.start();
  await using second = new ApiServer({
    cloud: api.cloud,
    log: { debug() {}, info() {}, warn() {}, error() {}, for: () => assert.fail('not asked') },
    clock: systemClock,
    version: '0.1.0',
  });
  await assert.rejects(
    second.listen({ tcp: { address: '127.0.0.1', port: api.port } }),
    (error: MolnError) => {
      assert.equal(error.code, 'API_PORT_TAKEN');
      assert.match(error.message, /^Port \d+ on 127\.0\.0\.1 is taken by process \d+ \(/);
      assert.match(error.hint ?? '', /--port/);
      return true;
    },
  );
  await assert.rejects(second.listen({ unixSocket: api.socketPath }), { code: 'NET_SOCKET_TAKEN' });
});
