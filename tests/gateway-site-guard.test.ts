/** Who is let in: addresses, rates, other origins, names and passwords; and bodies that are gathered first. */
import assert from 'node:assert/strict';
import { createHash, scryptSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { until } from './gateway-kit.ts';
import { ask, siteAt, siteBefore } from './gateway-site-kit.ts';

const echo = (request: IncomingMessage, response: ServerResponse): void => {
  response.end(JSON.stringify(request.headers));
};

function sentFor(body: Buffer): Record<string, string> {
  return JSON.parse(body.toString()) as Record<string, string>;
}

const LISTS = [
  [{ allow: ['10.0.0.0/8'] }, 403],
  [{ allow: ['127.0.0.0/8'] }, 200],
  [{ deny: ['127.0.0.1'] }, 403],
  [{ deny: ['::1', '10.0.0.0/8'] }, 200],
  [{ allow: ['127.0.0.1'], deny: ['127.0.0.0/8'] }, 403],
] as const;

test('addresses are let in by lists', async (t) => {
  for (const [access, status] of LISTS) {
    const gateway = await siteBefore(t, { access }, echo);
    // The word of a client about itself counts for nothing.
    const headers = { 'X-Forwarded-For': '10.1.1.1' };
    assert.equal((await ask(gateway, '/', { headers })).status, status, JSON.stringify(access));
  }
});

const CHAINS = [
  ['203.0.113.7', 200, '203.0.113.7'],
  ['198.51.100.1, 203.0.113.7', 200, '203.0.113.7'],
  ['203.0.113.7, 10.0.0.5', 200, '203.0.113.7'],
  ['203.0.113.7, 198.51.100.1', 403, ''],
  ['203.0.113.7, 198.51.100.1, 10.0.0.5', 403, ''],
  ['[2001:db8::7]:4711', 200, '2001:db8::7'],
  ['203.0.113.7, nonsense', 403, ''],
  ['', 403, ''],
] as const;

test('behind trusted proxies the client is read from the right', async (t) => {
  const access = {
    trust: ['127.0.0.1', '10.0.0.0/8'],
    allow: ['203.0.113.0/24', '2001:db8::/32'],
  };
  const gateway = await siteBefore(t, { access }, echo);
  for (const [chain, status, client] of CHAINS) {
    const headers = { 'X-Forwarded-For': chain, 'X-Forwarded-Proto': 'https' };
    const answer = await ask(gateway, '/', { headers });
    assert.equal(answer.status, status, chain);
    if (status !== 200) continue;
    assert.equal(sentFor(answer.body)['x-forwarded-for'], client);
    assert.equal(sentFor(answer.body)['x-forwarded-proto'], 'https');
    assert.equal(gateway.entries.at(-1)?.client, client);
  }
});

test('a cache keeps apart what a trusted proxy says was asked over TLS', async (t) => {
  let asked = 0;
  const app = (incoming: IncomingMessage, response: ServerResponse): void => {
    asked++;
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('Vary', 'X-Forwarded-Proto');
    response.end(incoming.headers['x-forwarded-proto']);
  };
  const site = { access: { trust: ['127.0.0.1'] } };
  const gateway = await siteBefore(t, site, app, { cache: {} });
  for (const scheme of ['http', 'https', 'http', 'https', 'HTTPS']) {
    const { body } = await ask(gateway, '/', { headers: { 'X-Forwarded-Proto': scheme } });
    assert.equal(body.toString(), scheme.toLowerCase());
  }
  assert.equal(asked, 2);
});

test('a rate lets a burst in, and tells the rest when to come again', async (t) => {
  const rate = { requests: 1, perMs: 60_000, burst: 3, header: 'x-key' };
  const gateway = await siteBefore(t, { rate }, echo);
  const from = (key: string): ReturnType<typeof ask> =>
    ask(gateway, '/', { headers: { 'X-Key': key } });
  for (const left of [2, 1, 0]) {
    const { status, headers } = await from('a');
    assert.equal(status, 200);
    assert.match(String(headers.ratelimit), new RegExp(`^"default";r=${left};t=\\d+$`));
    assert.equal(headers['ratelimit-policy'], '"default";q=3;w=180');
  }
  const refused = await from('a');
  assert.equal(refused.status, 429);
  assert.ok(Number(refused.headers['retry-after']) > 0);
  assert.equal((await from('b')).status, 200);
  // A change of the config that is not about it forgets nothing.
  const [route] = [...gateway.plane.table().routes()];
  assert.ok(route !== undefined);
  await gateway.route({ ...route.config, limits: { idleTimeoutMs: 1000 } });
  assert.equal((await from('a')).status, 429);
});

test('pages of other origins may read what they are let to', async (t) => {
  const cors = {
    origins: ['https://a.test'],
    methods: ['GET', 'PUT'],
    headers: ['x-one'],
    credentials: true,
    maxAgeS: 600,
  };
  const users = [{ name: 'anna', hash: sha256Of('right') }];
  const site = { cors, auth: { realm: 'site', users } };
  const gateway = await siteBefore(t, site, (_request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.end();
  });
  const asked = { 'Access-Control-Request-Method': 'PUT' };
  const flight = await ask(gateway, '/', {
    method: 'OPTIONS',
    headers: { Origin: 'https://a.test', ...asked },
  });
  assert.equal(flight.status, 204);
  assert.equal(flight.headers['access-control-allow-origin'], 'https://a.test');
  assert.equal(flight.headers['access-control-allow-credentials'], 'true');
  assert.equal(flight.headers['access-control-allow-methods'], 'GET, PUT');
  assert.equal(flight.headers['access-control-allow-headers'], 'x-one');
  assert.equal(flight.headers['access-control-max-age'], '600');
  assert.equal(flight.headers.vary, 'Origin');
  const strange = { method: 'OPTIONS', headers: { Origin: 'https://b.test', ...asked } };
  assert.equal((await ask(gateway, '/', strange)).status, 403);
  const get = (origin: string, authorization: string): ReturnType<typeof ask> =>
    ask(gateway, '/', { headers: { Origin: origin, Authorization: authorization } });
  const right = basic('anna', 'right');
  const good = await get('https://a.test', right);
  assert.equal(good.headers['access-control-allow-origin'], 'https://a.test');
  assert.equal(
    (await get('https://b.test', right)).headers['access-control-allow-origin'],
    undefined,
  );
  // A page must be able to see that its credentials were wrong.
  const wrong = await get('https://a.test', basic('anna', 'wrong'));
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers['access-control-allow-origin'], 'https://a.test');
});

function sha256Of(password: string): string {
  return `{SHA256}${createHash('sha256').update(password).digest('base64')}`;
}

function scryptOf(password: string): string {
  const salt = Buffer.from('a salt of ours..');
  const plain = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
  const hash = scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 });
  return `$scrypt$ln=10,r=8,p=1$${plain(salt)}$${plain(hash)}`;
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/** Of `secret`, as `openssl passwd -apr1 -salt saltsalt secret` prints it. */
const APR1 = '$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0';

test('names and passwords are asked for', async (t) => {
  const users = [
    { name: 'anna', hash: scryptOf('pässword:1') },
    { name: 'bert', hash: sha256Of('token') },
    { name: 'carl', hash: APR1 },
  ];
  let asked = 0;
  const gateway = await siteBefore(
    t,
    { auth: { realm: 'the site', users } },
    (request, response) => {
      asked++;
      request.pipe(response);
    },
  );
  const bare = await ask(gateway, '/');
  assert.equal(bare.status, 401);
  assert.equal(bare.headers['www-authenticate'], 'Basic realm="the site", charset="UTF-8"');
  for (const wrong of [
    basic('anna', 'pässword:2'),
    basic('nobody', 'pässword:1'),
    basic('carl', 'token'),
    'Basic !!!',
    'Bearer x',
    '',
  ]) {
    const { status } = await ask(gateway, '/', { headers: { Authorization: wrong } });
    assert.equal(status, 401, wrong);
  }
  assert.equal(asked, 0);
  for (const right of [
    basic('anna', 'pässword:1'),
    basic('bert', 'token'),
    basic('carl', 'secret'),
    basic('anna', 'pässword:1'),
  ]) {
    const body = 'a body that waits for the verdict'.repeat(10_000);
    const answer = await ask(gateway, '/', {
      method: 'POST',
      headers: { Authorization: right },
      body,
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), body);
  }
});

test('a cache does not give what one may see to another', async (t) => {
  let asked = 0;
  const users = ['anna', 'bert'].map((name) => ({ name, hash: sha256Of(name) }));
  const app = (request: IncomingMessage, response: ServerResponse): void => {
    asked++;
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(request.headers.authorization);
  };
  const gateway = await siteBefore(t, { auth: { realm: 'r', users } }, app, { cache: {} });
  for (const name of ['anna', 'bert', 'anna']) {
    const authorization = basic(name, name);
    const { body } = await ask(gateway, '/', { headers: { Authorization: authorization } });
    assert.equal(body.toString(), authorization);
  }
  assert.equal(asked, 3);
  assert.equal((await ask(gateway, '/')).status, 401);
});

test('files wait for the verdict too', async (t) => {
  const users = [{ name: 'anna', hash: scryptOf('x') }];
  const gateway = await siteAt(t, { auth: { realm: 'r', users } }, async (folder) => {
    await writeFile(`${folder}/a.txt`, 'a file');
    return { kind: 'static', root: folder };
  });
  const headers = { Authorization: basic('anna', 'x') };
  assert.equal((await ask(gateway, '/a.txt', { headers })).body.toString(), 'a file');
  assert.equal((await ask(gateway, '/a.txt')).status, 401);
});

test('an upstream is asked when the body is there', async (t) => {
  const seen: string[] = [];
  const gateway = await siteBefore(t, { bufferBytes: 100_000 }, (request, response) => {
    seen.push(String(request.headers['content-length'] ?? request.headers['transfer-encoding']));
    request.pipe(response);
  });
  const client = gateway.connect();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
  // What another request needs to come back, this one had as well.
  assert.equal(
    (await ask(gateway, '/', { method: 'POST', body: 'quick' })).body.toString(),
    'quick',
  );
  assert.deepEqual(seen, ['5']);
  client.send('3\r\ntwo\r\n0\r\n\r\n');
  await client.see(/onetwo/);
  assert.deepEqual(seen, ['5', '6']);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n');
  await client.see(/100 Continue\r\n\r\n$/);
  client.send('last');
  await client.see(/last/);
  assert.equal(client.text.split('100 Continue').length, 2);
});

test('a body that is too large for it goes on as it comes', async (t) => {
  const gateway = await siteBefore(t, { bufferBytes: 10 }, (request, response) => {
    request.pipe(response);
  });
  const part = 'x'.repeat(50_000);
  const client = gateway.connect();
  const chunk = `${part.length.toString(16)}\r\n${part}\r\n`;
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
  // The upstream is at it before the end has come.
  await client.see(/200 OK/);
  client.send(`${chunk}0\r\n\r\n`);
  await until('all of it to be back', () => client.text.split('x').length === 100_001);
  const known = await ask(gateway, '/', { method: 'POST', body: part });
  assert.equal(known.body.toString(), part);
});
