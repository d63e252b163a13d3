import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { createAuthority } from '../cluster/x509.ts';
import { type GatewayFile, readGatewayFile } from './gateway-file.ts';

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'moln-gateway-file-'));
  mkdirSync(join(folder, 'public'));
});

after(() => rmSync(folder, { recursive: true }));

function read(text: string): GatewayFile {
  const path = join(folder, 'gateway.yml');
  writeFileSync(path, text);
  return readGatewayFile(path);
}

/** The sentence with which the file is refused. */
function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    assert.ok(isMolnError(error, 'CONFIG_INVALID'));
    return error.message.replace(join(folder, 'gateway.yml'), 'FILE');
  }
  return assert.fail(`accepted: ${text}`);
}

const LISTENERS = 'listeners: [{ port: 8080 }]\n';

test('a small file gets what is usual', () => {
  const { workers, content } = read(`${LISTENERS}routes: [{ upstreams: [{ url: "http://a" }] }]`);
  assert.equal(workers, undefined);
  assert.deepEqual(content.listeners, [
    { id: 'http-::-8080', address: '::', port: 8080, protocol: 'http' },
  ]);
  assert.deepEqual(content.routes, [
    {
      id: '*/',
      hosts: ['*'],
      path: '/',
      target: {
        kind: 'upstreams',
        upstreams: [{ id: 'http://a:80', address: { kind: 'tcp', host: 'a', port: 80 } }],
      },
      limits: {},
    },
  ]);
});

test('JSON is read too, times and sizes are as people write them, paths go from the file', () => {
  const { workers, content } = read(
    JSON.stringify({
      workers: 3,
      listeners: [{ address: '127.0.0.1', port: 0 }],
      limits: { requestHead: '64KiB', keepAliveTimeout: '2m', connections: 7 },
      routes: [
        {
          host: ['a.example', '*.b.example'],
          upstreams: [{ url: 'http://[::1]:9000' }, { url: 'unix:/run/app.sock' }],
          timeouts: { connect: '500ms', response: '1h' },
          limits: { requestBody: '1MB' },
        },
        { path: '/assets', static: { root: './public', notFound: '404.html' } },
        { path: '/old', redirect: { to: '/new' } },
        { path: '/gone', respond: { status: 410 } },
      ],
    }),
  );
  assert.equal(workers, 3);
  const { limits, routes } = content;
  assert.equal(limits.requestHeadBytesMax, 65_536);
  assert.equal(limits.keepAliveTimeoutMs, 120_000);
  assert.equal(limits.connectionsMax, 7);
  assert.deepEqual(routes[0]?.hosts, ['a.example', '*.b.example']);
  assert.deepEqual(routes[0]?.limits, {
    connectTimeoutMs: 500,
    responseTimeoutMs: 3_600_000,
    requestBodyBytesMax: 1_000_000,
  });
  assert.deepEqual(
    routes.map(({ target }) => target),
    [
      {
        kind: 'upstreams',
        upstreams: [
          { id: 'http://[::1]:9000', address: { kind: 'tcp', host: '::1', port: 9000 } },
          { id: 'unix:/run/app.sock', address: { kind: 'socket', path: '/run/app.sock' } },
        ],
      },
      { kind: 'static', root: join(folder, 'public'), notFound: '404.html' },
      { kind: 'redirect', status: 308, location: '/new' },
      { kind: 'respond', status: 410, message: '' },
    ],
  );
});

test('what a route chooses about its upstreams reaches the workers', () => {
  const { content } = read(
    `workers: 1\n${LISTENERS}routes: [{ upstreams: [{ url: "http://a", weight: 3 }, { url: "http://b" }], balance: weighted }]`,
  );
  const [route] = content.routes;
  assert.deepEqual(route?.balance, { algorithm: 'weighted' });
  assert.ok(route.target.kind === 'upstreams');
  assert.deepEqual(
    route.target.upstreams.map(({ weight }) => weight),
    [3, undefined],
  );
});

test('which upstreams are backups reaches the workers', () => {
  const { content } = read(
    `${LISTENERS}routes: [{ upstreams: [{ url: "http://a" }, { url: "http://b", backup: true }] }]`,
  );
  const [route] = content.routes;
  assert.ok(route?.target.kind === 'upstreams');
  assert.deepEqual(
    route.target.upstreams.map(({ backup }) => backup),
    [undefined, true],
  );
  assert.equal(route.balance, undefined, 'it needs no weights');
});

describe('what is wrong is said with line and key', () => {
  const cases: readonly (readonly [what: string, text: string, refusal: RegExp])[] = [
    ['no YAML', 'listeners: [', /^FILE: Line 1 is not valid YAML: /],
    [
      'a backup that is neither',
      `${LISTENERS}routes:\n  - upstreams: [{ url: "http://a", backup: 1 }]`,
      /^FILE:3: Key "routes\[0\]\.upstreams\[0\]\.backup" is a number, want true or false$/,
    ],
    [
      'a key twice',
      `${LISTENERS}${LISTENERS}`,
      /^FILE: Line 2 is not valid YAML: Map keys must be unique/,
    ],
    ['nothing', '', /^FILE: The file is empty, want "listeners" and "routes"$/],
    [
      'no listener',
      'listeners: []\nroutes: []',
      /^FILE:1: Key "listeners" is empty, want at least one$/,
    ],
    [
      'an unknown key',
      `${LISTENERS}routes:\n  - path: /\n    upstream: []`,
      /^FILE:4: Unknown key "routes\[0\]\.upstream": did you mean "upstreams"\?$/,
    ],
    [
      'no target',
      `${LISTENERS}routes:\n  - path: /a`,
      /^FILE:3: "routes\[0\]" has none of them, want one of upstreams, static, redirect, respond, ready$/,
    ],
    [
      'two targets',
      `${LISTENERS}routes: [{ static: { root: public }, redirect: { to: /a } }]`,
      /^FILE:2: "routes\[0\]" has static and redirect, want one of/,
    ],
    [
      'an upstream with a path',
      `${LISTENERS}routes:\n  - upstreams:\n      - url: http://a/b`,
      /^FILE:4: Key "routes\[0\]\.upstreams\[0\]\.url" is "http:\/\/a\/b", want http:\/\/HOST:PORT, https:\/\/HOST:PORT or unix:\/PATH$/,
    ],
    [
      'an upstream twice',
      `${LISTENERS}routes: [{ upstreams: [{ url: "http://a" }, { url: "http://a:80" }] }]`,
      /^FILE:2: "routes\[0\]\.upstreams\[1\]" repeats "http:\/\/a:80"$/,
    ],
    [
      'a hash of nothing',
      `${LISTENERS}routes:\n- upstreams: [{ url: "http://a" }]\n  balance: hash`,
      /^FILE:4: Key "routes\[0\]\.balance" is "hash" and needs "routes\[0\]\.hash": by what\?$/,
    ],
    [
      'a folder that is not there',
      `${LISTENERS}routes: [{ static: { root: publik } }]`,
      /^FILE:2: Key "routes\[0\]\.static\.root" is "publik": ".*publik" is no folder$/,
    ],
    [
      'a place twice',
      `${LISTENERS}routes:\n- { redirect: { to: /a } }\n- { redirect: { to: /b } }`,
      /^FILE:4: "routes\[1\]" has the host and path of "\*\/"$/,
    ],
    [
      'a port twice',
      `listeners:\n- port: 80\n- port: 80\nroutes: []`,
      /^FILE:3: "listeners\[1\]" has the port of "http-::-80"$/,
    ],
    [
      'an address that is none, under the key that was written',
      `${LISTENERS}routes:\n- redirect: { to: /a }\n  trust: [10.0.0.0/33]`,
      /^FILE:4: Key "routes\[0\]\.trust\[0\]" is "10\.0\.0\.0\/33", want an IP address/,
    ],
    [
      'a host in other letters',
      `${LISTENERS}routes: [{ host: bücher.example, redirect: { to: /a } }]`,
      /^FILE:2: Key "routes\[0\]\.host\[0\]" is "bücher\.example", want a lower-case host name/,
    ],
    [
      'a time that is a number',
      `${LISTENERS}routes: [{ redirect: { to: /a }, timeouts: { idle: 30 } }]`,
      /^FILE:2: Key "routes\[0\]\.timeouts\.idle" is 30, want a time with its unit, such as "30s"$/,
    ],
    [
      'https without a certificate',
      'listeners: [{ port: 1, protocol: https }]\nroutes: []',
      /^FILE:1: Listener "https-::-1" is https and needs "tls"$/,
    ],
    [
      'a certificate that is not there',
      'listeners:\n- port: 1\n  protocol: https\n  tls: { cert: no.pem, key: no.key }\nroutes: []',
      /^FILE:4: Key "listeners\[0\]\.tls\.cert" names a file that cannot be read: ENOENT/,
    ],
    [
      'a certificate that is none',
      'listeners:\n- port: 1\n  protocol: https\n  tls: { cert: gateway.yml, key: gateway.yml }\nroutes: []',
      /^FILE:4: Certificate and key of "listeners\[0\]\.tls" cannot be used: /,
    ],
    [
      'no certificate among none',
      'listeners:\n- port: 1\n  protocol: https\n  tls: []\nroutes: []',
      /^FILE:4: Key "listeners\[0\]\.tls" is empty, want at least one$/,
    ],
    [
      'HSTS over http',
      'listeners: [{ port: 1, hsts: true }]\nroutes: []',
      /^FILE:1: Listener "http-::-1" is http and cannot have "hsts"$/,
    ],
    [
      'a redirect to something else',
      'listeners: [{ port: 1, redirect: http }]\nroutes: []',
      /^FILE:1: Key "listeners\[0\]\.redirect" is "http", /,
    ],
    [
      'a time without a unit',
      `${LISTENERS}routes: [{ redirect: { to: /a }, timeouts: { idle: "30" } }]`,
      /^FILE:2: Duration "30" of "routes\[0\]\.timeouts\.idle" is not understood$/,
    ],
    [
      'a status that is no redirect',
      `${LISTENERS}routes: [{ redirect: { to: /a, status: 304 } }]`,
      /^FILE:2: Key "routes\[0\]\.redirect\.status" is 304, want 301, 302, 307 or 308$/,
    ],
    [
      'checks of what is no upstream',
      `${LISTENERS}routes:\n- redirect: { to: /a }\n  health: { path: / }\n`,
      /^FILE:4: Key "routes\[0\]\.health" is for routes with upstreams$/,
    ],
    [
      'an agent of a unix socket',
      `${LISTENERS}routes:\n- upstreams: [{ url: "unix:/a" }]\n  agent: { port: 1 }\n`,
      /^FILE:4: Key "routes\[0\]\.agent" is for upstreams with a host and port$/,
    ],
    [
      'no routes where there could be some',
      'listeners: [{ port: 1 }]',
      /^FILE:1: Key "routes" is missing, want a list of them$/,
    ],
    [
      'a log that is none',
      `${LISTENERS}routes: []\naccessLog: clf`,
      /^FILE:3: Key "accessLog" is "clf", want one of json, combined, off$/,
    ],
    [
      'a collector that is no URL',
      `${LISTENERS}routes: []\ntrace: { export: "collector:4318" }`,
      /^FILE:3: Key "trace\.export" is no such URL, want the URL of a collector/,
    ],
    [
      'a share beyond all',
      `${LISTENERS}routes: []\ntrace: { sample: 2 }`,
      /^FILE:3: Key "trace\.sample" is 2, want 0 to 1$/,
    ],
    [
      'a cache of files',
      `${LISTENERS}routes:\n- path: /\n  static: { root: . }\n  cache: true\n`,
      /^FILE:5: Key "routes\[0\]\.cache" is for routes with upstreams$/,
    ],
    [
      'a cache beyond the machine',
      `workers: 1\n${LISTENERS}routes: [{ upstreams: [{ url: "unix:/a" }], cache: true }]\ncache: { memory: 9999GB }`,
      /^FILE:4: The config wants .* of memory for the cache, and .* is the most that fits here$/,
    ],
    [
      'a cache of all workers beyond the machine',
      `workers: 64\n${LISTENERS}routes: [{ upstreams: [{ url: "unix:/a" }], cache: true }]\ncache: { memory: ${totalmem()} }`,
      /^FILE:4: The config wants .* of memory for the cache, and/,
    ],
    [
      'aliases that grow without end',
      `a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]`,
      /^FILE: The text is not valid YAML: Excessive alias count/,
    ],
  ];
  for (const [what, text, expected] of cases) {
    test(what, () => assert.match(refusal(text), expected));
  }
});

test('upstreams over TLS, by the authority of a file', async () => {
  const validity = { notBefore: Date.now() - 1000, notAfter: Date.now() + 86_400_000 };
  const { certificatePem } = await createAuthority({ commonName: 'Test', validity });
  writeFileSync(join(folder, 'ca.pem'), certificatePem);
  const two = '[https://a, { url: "https://b:8443", tls: { ca: ca.pem, name: c } }]';
  const { content } = read(`${LISTENERS}routes: [{ upstreams: ${two} }]`);
  const target = content.routes[0]?.target;
  const upstreams = target?.kind === 'upstreams' ? target.upstreams : [];
  assert.match(upstreams[1]?.id ?? '', /^https:\/\/b:8443#[0-9a-f]{16}$/);
  assert.deepEqual(upstreams, [
    { id: 'https://a:443', address: { kind: 'tcp', host: 'a', port: 443, tls: {} } },
    {
      id: upstreams[1]?.id,
      address: { kind: 'tcp', host: 'b', port: 8443, tls: { ca: certificatePem, name: 'c' } },
    },
  ]);
  const none = 'routes: [{ upstreams: { url: "https://a", tls: { ca: gateway.yml } } }]';
  assert.match(
    refusal(`${LISTENERS}${none}`),
    /^FILE:2: Key "routes\[0\]\.upstreams\[0\]\.tls\.ca" is "gateway\.yml", which is no certificate/,
  );
});

test('routes may reach one place over TLS in several ways', () => {
  const ways = ['{}', '{ verify: false }', '{ name: b }', '{ name: c }'];
  const routes = ways.map(
    (tls, at) => `{ path: /${at}, upstreams: { url: "https://a", tls: ${tls} } }`,
  );
  const plain = '{ upstreams: https://a }';
  const { content } = read(`${LISTENERS}routes: [${[plain, ...routes].join(', ')}]`);
  const ids = content.routes.map(({ target }) =>
    target.kind === 'upstreams' ? target.upstreams[0]?.id : undefined,
  );
  assert.equal(new Set(ids).size, ways.length);
});

test('a route has as many hosts as it wants', () => {
  const hosts = Array.from({ length: 100 }, (_, at) => `shop-${at}.example.org`);
  const route = (host: readonly string[]): string =>
    `{ host: [${host.join(', ')}], redirect: { to: /a } }`;
  const two = `${route(hosts)}, ${route(hosts.map((host) => `x.${host}`))}`;
  const ids = read(`${LISTENERS}routes: [${two}]`).content.routes.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2);
  for (const id of ids) assert.equal(id.length, 200);
  const again = refusal(`${LISTENERS}routes: [${route(hosts)}, ${route(hosts)}]`);
  assert.match(again, /^FILE:2: "routes\[1\]" has the host and path of "shop-0\.example/);
});

test('certificates, HSTS and the way from http', async () => {
  const validity = { notBefore: Date.now() - 1000, notAfter: Date.now() + 86_400_000 };
  const pair = await createAuthority({ commonName: 'Test', validity });
  const tls = { cert: pair.certificatePem, key: pair.keyPem };
  writeFileSync(join(folder, 'a.pem'), tls.cert);
  writeFileSync(join(folder, 'a.key'), tls.key);
  const one = '{ cert: a.pem, key: a.key }';
  const { content } = read(`
listeners:
- { port: 80, redirect: https }
- { port: 8443, protocol: https, tls: ${one}, hsts: true }
- { port: 9443, protocol: https, tls: [${one}, ${one}], hsts: { maxAge: 1h, preload: true } }
routes: []
`);
  const [http, first, second] = content.listeners;
  assert.equal(http?.redirectHttpsPort, 8443);
  assert.deepEqual(first?.tls, tls);
  assert.equal(first?.certificates, undefined);
  assert.deepEqual(first?.hsts, { maxAgeS: 31_536_000 });
  assert.deepEqual(second?.certificates, [tls]);
  assert.deepEqual(second?.hsts, { maxAgeS: 3600, preload: true });
});

test('a file that is not there is named', () => {
  assert.throws(
    () => readGatewayFile(join(folder, 'none.yml')),
    /none\.yml" cannot be read: ENOENT/,
  );
});

test('what a route wants around its target is read, with the files that it names', () => {
  writeFileSync(join(folder, 'users'), '# people\n\nanna:{SHA256}' + 'A'.repeat(43) + '=\n');
  writeFileSync(join(folder, '404.html'), '<p>none</p>');
  const { content } = read(`${LISTENERS}routes:
  - path: /api
    upstreams: [{ url: "http://a" }]
    headers: { response: { set: { Strict-Transport-Security: max-age=31536000 }, remove: Server } }
    rewrite: { strip: /api, prefix: /v1 }
    compress: { min: 2KB, codings: [br] }
    errors: { 404: 404.html }
    allow: 10.0.0.0/8
    trust: [127.0.0.1]
    rate: { by: header X-Key, requests: 100, per: 1s, burst: 200 }
    cors: { origins: "https://a.example", credentials: true, maxAge: 10m }
    auth: { basic: { realm: site, users: users } }
    buffer: 1MB
  - { path: /old, redirect: { from: "/old/{id}", to: "https://$host/new/$id" }, compress: true }
  - { path: /files, static: { root: public, list: true, index: start.html } }
`);
  const [api, old, files] = content.routes;
  assert.deepEqual(api?.site, {
    headers: {
      response: {
        set: { 'Strict-Transport-Security': 'max-age=31536000' },
        remove: ['Server'],
      },
    },
    rewrite: { strip: '/api', prefix: '/v1' },
    compress: { codings: ['br'], bytesMin: 2000 },
    errors: [{ status: '404', html: '<p>none</p>' }],
    access: { allow: ['10.0.0.0/8'], trust: ['127.0.0.1'] },
    rate: { requests: 100, perMs: 1000, header: 'x-key', burst: 200 },
    cors: { origins: ['https://a.example'], credentials: true, maxAgeS: 600 },
    auth: { realm: 'site', users: [{ name: 'anna', hash: `{SHA256}${'A'.repeat(43)}=` }] },
    bufferBytes: 1_000_000,
  });
  assert.deepEqual(old?.site, { compress: {} });
  assert.equal(old?.target.kind === 'redirect' ? old.target.from : '', '/old/{id}');
  assert.deepEqual(files?.target, {
    kind: 'static',
    root: join(folder, 'public'),
    list: true,
    index: ['start.html'],
  });
  assert.equal(files?.site, undefined);
});

test('a cache may be in MongoDB in place of a disk', () => {
  const cacheOf = (keys: string): string =>
    `${LISTENERS}workers: 2\nroutes: [{ upstreams: [{ url: "http://a" }], cache: true }]\ncache: { ${keys} }\n`;
  const mongodb =
    'mongodb: { url: "mongodb://u:secret@db", database: moln, size: 1GB, name: edge }';
  assert.equal(read(cacheOf('share: false')).content.cache?.share, false);
  const { content } = read(cacheOf(mongodb));
  const url = 'mongodb://u:secret@db';
  assert.deepEqual(content.cache?.mongodb, {
    url,
    database: 'moln',
    bytes: 500_000_000,
    name: 'edge',
  });
  assert.match(refusal(cacheOf(`${mongodb}, disk: { path: d, size: 1GB }`)), /want one of them/);
  const odd = refusal(cacheOf(mongodb.replace('mongodb://', 'http://')));
  assert.match(odd, /cache\.mongodb\.url.*want mongodb:\/\/HOST/);
  assert.doesNotMatch(odd, /secret/);
});

test('mistakes about it are named', () => {
  const route = (keys: string): string =>
    refusal(`${LISTENERS}routes: [{ upstreams: [{ url: "http://a" }], ${keys} }]`);
  assert.match(route('errors: { 404: none.html }'), /routes\[0\]\.errors\.404.*cannot be read/);
  writeFileSync(join(folder, 'bad-users'), 'anna\n');
  assert.match(route('auth: { basic: { realm: r, users: bad-users } }'), /NAME:HASH/);
  writeFileSync(join(folder, 'bad-users'), 'anna:$2y$05$abc\n');
  assert.match(route('auth: { basic: { realm: r, users: bad-users } }'), /users\[0\]\.hash/);
  assert.match(route('rate: { by: moon, requests: 1, per: 1s }'), /rate\.by.*moon/);
  assert.match(route('headers: { response: { set: { Connection: x } } }'), /no rule may change/);
  assert.match(route('allow: 10.0.0.0/33'), /10\.0\.0\.0\/33/);
  assert.match(route('cors: { origins: "*", credentials: true }'), /origins by name/);
  assert.match(route('compres: true'), /did you mean "compress"/);
});
