/** Listeners for TCP and UDP in a gateway's file, and the PROXY protocol of all. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { type GatewayFile, readGatewayFile } from '../standalone/gateway-file.ts';

let path: string;

before(() => {
  path = join(mkdtempSync(join(tmpdir(), 'moln-balancer-file-')), 'gateway.yml');
});

after(() => rmSync(join(path, '..'), { recursive: true }));

function read(listeners: string): GatewayFile['content'] {
  writeFileSync(path, `listeners:\n${listeners}\n${isPure(listeners) ? '' : 'routes: []\n'}`);
  return readGatewayFile(path).content;
}

/** Ports that lead bytes on need no routes. */
function isPure(listeners: string): boolean {
  return /protocol: (?:tcp|udp)/.test(listeners) && !/^- \{ port: \d+ \}$/m.test(listeners);
}

function refusal(listeners: string): string {
  try {
    read(listeners);
  } catch (error) {
    assert.ok(isMolnError(error, 'CONFIG_INVALID'));
    return error.message.replace(path, 'FILE');
  }
  return assert.fail(`accepted: ${listeners}`);
}

test('a small balancer gets what is usual', () => {
  const { balancers, listeners } = read(
    '- { port: 25, protocol: tcp, upstreams: [{ url: "tcp://127.0.0.1:2525" }] }\n' +
      '- { port: 8080 }\n' +
      '- { address: 10.0.0.1, port: 53, protocol: udp, upstreams: [{ url: "udp://[::1]:5353" }] }',
  );
  assert.deepEqual(
    listeners.map(({ id }) => id),
    ['http-::-8080'],
  );
  assert.deepEqual(balancers, [
    {
      id: 'tcp-::-25',
      address: '::',
      port: 25,
      protocol: 'tcp',
      balance: 'round-robin',
      upstreams: [
        {
          id: 'tcp://127.0.0.1:2525',
          address: { kind: 'port', host: '127.0.0.1', port: 2525 },
          weight: 1,
        },
      ],
      timeouts: { connectMs: 5000, idleMs: 3_600_000 },
      connectionsMax: 20_000,
    },
    {
      id: 'udp-10.0.0.1-53',
      address: '10.0.0.1',
      port: 53,
      protocol: 'udp',
      balance: 'round-robin',
      upstreams: [
        { id: 'udp://[::1]:5353', address: { kind: 'port', host: '::1', port: 5353 }, weight: 1 },
      ],
      timeouts: { connectMs: 5000, idleMs: 60_000 },
      connectionsMax: 4000,
    },
  ]);
});

test('all that can be chosen is taken as it is meant', () => {
  const { balancers } = read(
    `- port: 443
  protocol: tcp
  balance: least
  upstreams: [{ url: "unix:/run/rest.sock", weight: 3 }]
  sni: { mail.example.org: [{ url: "tcp://mail:993" }] }
  health: { interval: 1s }
  timeouts: { connect: 500ms, idle: 5m }
  limits: { connections: 7 }
  proxyProtocol: { in: true, trust: [10.0.0.0/8], out: v2 }`,
  );
  const [one] = balancers ?? [];
  assert.equal(one?.balance, 'least');
  assert.deepEqual(one.upstreams, [
    { id: 'unix:/run/rest.sock', address: { kind: 'socket', path: '/run/rest.sock' }, weight: 3 },
  ]);
  assert.deepEqual(one.sni, {
    'mail.example.org': [
      { id: 'tcp://mail:993', address: { kind: 'port', host: 'mail', port: 993 }, weight: 1 },
    ],
  });
  assert.deepEqual(one.health, { intervalMs: 1000, timeoutMs: 2000 });
  assert.deepEqual(one.timeouts, { connectMs: 500, idleMs: 300_000 });
  assert.equal(one.connectionsMax, 7);
  assert.deepEqual(one.proxyProtocol, { trust: ['10.0.0.0/8'], out: 'v2' });
});

test('HTTP listeners believe the proxies that are named', () => {
  const { listeners } = read('- { port: 80, proxyProtocol: { in: true, trust: [10.0.0.1] } }');
  assert.deepEqual(listeners[0]?.proxyProtocol, { trust: ['10.0.0.1'] });
});

describe('what is wrong is said with line and key', () => {
  const upstreams = 'upstreams: [{ url: "tcp://a:1" }]';
  const cases: readonly (readonly [what: string, listeners: string, refusal: RegExp])[] = [
    [
      'an unknown protocol',
      '- { port: 1, protocol: tpc }',
      /^FILE:2: Key "listeners\[0\]\.protocol" is "tpc", want one of http, https, tcp, udp$/,
    ],
    [
      'a key of another protocol',
      `- { port: 1, protocol: tcp, tls: {}, ${upstreams} }`,
      /^FILE:2: Unknown key "listeners\[0\]\.tls"/,
    ],
    [
      'no upstreams',
      '- { port: 80 }\n- { port: 1, protocol: tcp }',
      /^FILE:3: Key "listeners\[1\]\.upstreams" is empty, want at least one$/,
    ],
    [
      'an upstream without a port',
      '- { port: 1, protocol: tcp, upstreams: [{ url: "tcp://a" }] }',
      /^FILE:2: Key "listeners\[0\]\.upstreams\[0\]\.url" is "tcp:\/\/a", want tcp:\/\/HOST:PORT or unix:\/PATH$/,
    ],
    [
      'an upstream with a path',
      '- { port: 1, protocol: tcp, upstreams: [{ url: "tcp://a:1/b" }] }',
      /want tcp:\/\/HOST:PORT or unix:\/PATH$/,
    ],
    [
      'an upstream of the other protocol',
      `- { port: 1, protocol: udp, ${upstreams} }`,
      /"tcp:\/\/a:1", want udp:\/\/HOST:PORT$/,
    ],
    [
      'an upstream twice',
      '- { port: 1, protocol: tcp, upstreams: [{ url: "tcp://a:1" }, { url: "tcp://a:1" }] }',
      /^FILE:2: Key "listeners\[0\]\.upstreams\[1\]" repeats "tcp:\/\/a:1"$/,
    ],
    [
      'a place twice',
      `- { port: 7, protocol: tcp, ${upstreams} }\n- { port: 7 }`,
      /^FILE:2: Listeners "http-::-7" and "tcp-::-7" both want :: port 7$/,
    ],
    [
      'a name that is none',
      `- { port: 1, protocol: tcp, sni: { "*": [{ url: "tcp://a:1" }] } }`,
      /^FILE:2: Name "\*" in "listeners\[0\]\.sni" is not valid, want a lower-case host name, or "\*\." and one$/,
    ],
    [
      'a name without upstreams',
      '- { port: 1, protocol: tcp, sni: { a: [] } }',
      /^FILE:2: Key "listeners\[0\]\.sni\.a" is empty, want at least one$/,
    ],
    [
      'names for datagrams',
      '- port: 1\n  protocol: udp\n  sni: { a: [{ url: "udp://a:1" }] }',
      /^FILE:4: Key "listeners\[0\]\.sni" is for protocol tcp, not udp$/,
    ],
    [
      'a header believed of everybody',
      '- { port: 80, proxyProtocol: { in: true } }',
      /^FILE:2: Key "listeners\[0\]\.proxyProtocol\.in" needs "listeners\[0\]\.proxyProtocol\.trust"/,
    ],
    [
      'trust for nothing',
      `- { port: 1, protocol: tcp, ${upstreams}, proxyProtocol: { trust: [10.0.0.1], out: v1 } }`,
      /^FILE:2: Key "listeners\[0\]\.proxyProtocol\.trust" is for "listeners\[0\]\.proxyProtocol\.in: true"$/,
    ],
    [
      'a range that is none',
      '- port: 80\n  proxyProtocol: { in: true, trust: [10.0.0.0/33] }',
      /^FILE:3: Key "listeners\[0\]\.proxyProtocol\.trust\[0\]" is "10\.0\.0\.0\/33", want an IP address, or a range such as 10\.0\.0\.0\/8$/,
    ],
    [
      'a header to HTTP upstreams',
      '- { port: 80, proxyProtocol: { out: v1 } }',
      /^FILE:2: Key "listeners\[0\]\.proxyProtocol\.out" is for protocol tcp, not http$/,
    ],
    [
      'an unknown way to balance',
      `- { port: 1, protocol: tcp, ${upstreams}, balance: rr }`,
      /^FILE:2: Key "listeners\[0\]\.balance" is "rr", want one of round-robin, least, source-hash$/,
    ],
  ];
  for (const [what, listeners, wanted] of cases) {
    test(what, () => assert.match(refusal(listeners), wanted));
  }
});
