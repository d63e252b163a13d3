import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PlaceClaim, placeTaken, type PortClaim, portTaken } from './claims.ts';

function route(name: string, hosts: readonly string[], path = '/', app?: string): PlaceClaim {
  return { kind: 'route', name, hosts, path, ...(app === undefined ? {} : { app }) };
}

const BLOG: PlaceClaim = {
  kind: 'app',
  name: 'blog',
  hosts: ['blog.localhost', 'b.example'],
  path: '/',
};

test('a host with a path is one route or one app', () => {
  const others = [route('shop', ['a.example', 'www.a.example'], '/x'), BLOG];
  const table: readonly (readonly [PlaceClaim, RegExp | undefined])[] = [
    [route('x', ['c.example']), undefined],
    [route('x', ['a.example']), undefined],
    [
      route('x', ['z.example', 'a.example'], '/x/'),
      /^Route "shop" already has host "a.example" with path "\/x"/,
    ],
    [route('x', ['b.example']), /^App "blog" already has host "b.example"/],
    [route('x', ['b.example'], '/', 'blog'), undefined],
    [route('x', ['b.example'], '/', 'other'), /^App "blog"/],
    [route('x', ['b.example'], '/api'), undefined],
  ];
  for (const [wanted, sentence] of table) {
    const taken = placeTaken(wanted, others);
    if (sentence === undefined) assert.equal(taken, undefined);
    else assert.match(taken?.message ?? '', sentence);
  }
  const domain = placeTaken(BLOG, [route('r', ['b.example'])]);
  assert.match(domain?.message ?? '', /^Route "r" already has host "b.example"/);
  assert.equal(placeTaken(BLOG, [route('r', ['b.example'], '/', 'blog')]), undefined);
});

test('a port is one listener for each of TCP and UDP, on addresses that meet', () => {
  const mail: PortClaim = {
    who: 'Listener "mail"',
    protocol: 'tcp',
    address: '10.0.0.1',
    port: 25,
  };
  const table: readonly (readonly [Partial<PortClaim>, boolean])[] = [
    [{}, true],
    [{ protocol: 'http' }, true],
    [{ protocol: 'udp' }, false],
    [{ port: 26 }, false],
    [{ address: '10.0.0.2' }, false],
    [{ address: '::' }, true],
    [{ address: '0.0.0.0' }, true],
  ];
  for (const [change, isTaken] of table) {
    assert.equal(
      portTaken({ ...mail, ...change }, [mail]) !== undefined,
      isTaken,
      JSON.stringify(change),
    );
  }
});
