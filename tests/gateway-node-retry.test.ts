/** Instances on other nodes that die, stand still or are full: who is asked instead, and how often. */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { freePorts } from '../testing/free-ports.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { NODE_CONNECTING_MAX, NODE_DOOR } from '../src/gateway/limits.ts';
import type { UpstreamConfig } from '../src/gateway/config.ts';
import { proxyRoute, RawOrigin, socketUpstream, startApp, until } from './gateway-kit.ts';
import { answer, HeldDoor, TwoNodes } from './gateway-node-kit.ts';

/** Requests that one beside the gateway has under way, so that others are asked on another node. */
const MANY = 100;

/** A process of its own at `place`, which ends with the nodes. */
async function startInstance(nodes: TwoNodes, place: string): Promise<ChildProcess> {
  const child = fork(`${import.meta.dirname}/gateway/instance-main.ts`, [place]);
  nodes.two.onDispose(() => child.kill('SIGKILL'));
  await once(child, 'message');
  return child;
}

test('a request whose instance is killed before a byte of the answer is answered by another', async () => {
  const path = (nodes: TwoNodes): string => `${nodes.two.folder}/dies.sock`;
  for (const [method, status, send] of [
    ['GET', 200, ''],
    ['PUT', 200, ''],
    ['POST', 502, ''],
    ['POST', 502, 'a body'],
    ['PUT', 502, 'a body'],
  ] as const) {
    await using nodes = await TwoNodes.start();
    const child = await startInstance(nodes, path(nodes));
    const held: (() => void)[] = [];
    const other = await startApp(nodes.one, (request, response) => {
      if (request.url === '/hold') held.push(() => response.end());
      else response.end('the other');
    });
    await nodes.one.route(proxyRoute([socketUpstream(other, 'other')]));
    const holding = Array.from({ length: MANY }, () => answer(nodes.one, { path: '/hold' }));
    await until('the other to be busy', () => held.length === MANY);
    nodes.two.locals = [socketUpstream(path(nodes), 'dies')];
    await nodes.two.route();
    // The other has so much to do that the one that dies is asked first, though it is on another node.
    await nodes.one.route(proxyRoute([nodes.far('dies'), socketUpstream(other, 'other')]));
    const asked = once(child, 'message');
    const headers = { 'Content-Length': send.length };
    const answered = answer(nodes.one, { method, path: '/never', headers, send });
    await asked;
    child.kill('SIGKILL');
    assert.equal((await answered).status, status, `${method} ${send}`);
    for (const end of held) end();
    await Promise.all(holding);
  }
});

test('a request is asked of three more instances that break off, then it is given up', async () => {
  await using nodes = await TwoNodes.start();
  await using stack = new AsyncDisposableStack();
  const locals: UpstreamConfig[] = [];
  let asked = 0;
  for (let count = 0; count < 7; count++) {
    const path = `${nodes.two.folder}/${count}.sock`;
    stack.use(
      await RawOrigin.start(path, ({ socket }) => {
        asked++;
        socket.destroy();
      }),
    );
    locals.push(socketUpstream(path, `app-${count}`));
  }
  await nodes.lead(...locals);
  assert.equal((await answer(nodes.one)).status, 502);
  assert.equal(asked, 4);
  assert.equal((await answer(nodes.one, { method: 'POST', send: 'a body' })).status, 502);
  assert.equal(asked, 5);
});

test('an instance whose backlog is full is waited for', async () => {
  await using nodes = await TwoNodes.start();
  const path = `${nodes.two.folder}/full.sock`;
  const child = await startInstance(nodes, path);
  await nodes.lead(socketUpstream(path));
  assert.equal((await answer(nodes.one)).text, 'ok');
  child.kill('SIGSTOP');
  const asked = Array.from({ length: 8 }, () => answer(nodes.one));
  await until('eight requests', () => nodes.one.plane.stats().upstreams['one']?.requests === 8);
  await answerOfDoor(nodes, 'nobody', '-');
  child.kill('SIGCONT');
  for (const { status, text } of await Promise.all(asked))
    assert.equal(`${status} ${text}`, '200 ok');
});

test('an instance that takes no connection is given up in time', async () => {
  const clock = new ManualClock();
  await using nodes = await TwoNodes.start({ clock });
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const path = `${nodes.two.folder}/full.sock`;
  const [byPath, byPort] = [
    await startInstance(nodes, path),
    await startInstance(nodes, `${port}`),
  ];
  const tcp = { id: 'tcp', address: { kind: 'tcp', host: '127.0.0.1', port } } as const;
  await nodes.lead(socketUpstream(path, 'unix'), tcp);
  byPath.kill('SIGSTOP');
  byPort.kill('SIGSTOP');
  for (const id of ['unix', 'tcp']) {
    const knocks = Array.from({ length: 6 }, () => nodes.knock().client);
    for (const client of knocks) client.send(`${id}\n`);
    // The kernel takes a few for an instance that does not.
    await until('two or more that it has taken', () => count(knocks, '+') >= 2);
    await until('the others are refused in time', () => {
      clock.advance(NODE_DOOR.connectTimeoutMs);
      return count(knocks, '+') + count(knocks, '-') === 6;
    });
    assert.ok(count(knocks, '-') >= 1, id);
  }
});

function count(clients: readonly { readonly text: string }[], said: string): number {
  return clients.filter(({ text }) => text === said).length;
}

/** What the door says to that name, and so has heard all that came before. */
async function answerOfDoor(nodes: TwoNodes, name: string, wanted: string): Promise<void> {
  const { client } = nodes.knock();
  client.send(`${name}\n`);
  await client.closed();
  assert.equal(client.text, wanted);
}

test('what waits for a node that fell silent is asked of another; what must not be sent twice waits on', async () => {
  await using nodes = await TwoNodes.start();
  const held: (() => void)[] = [];
  const other = await startApp(nodes.one, (request, response) => {
    if (request.url === '/hold') held.push(() => response.end());
    else response.end('the other');
  });
  await nodes.one.route(proxyRoute([socketUpstream(other, 'other')]));
  const holding = Array.from({ length: MANY }, () => answer(nodes.one, { path: '/hold' }));
  await until('the other to be busy', () => held.length === holding.length);
  await using silent = await RawOrigin.start(`${nodes.two.folder}/silent.sock`, () => {});
  const ids = ['a', 'b'] as const;
  nodes.two.locals = ids.map((id) => socketUpstream(silent.path, id));
  await nodes.two.route();
  await nodes.one.route(
    proxyRoute([...ids.map((id) => nodes.far(id)), socketUpstream(other, 'other')]),
  );
  const asked = [answer(nodes.one), answer(nodes.one)];
  const posted = answer(nodes.one, { method: 'POST', send: 'a body' });
  await until('three requests there', () => silent.seen.split('HTTP/1.1').length === 4);
  await until('the body too', () => silent.seen.includes('a body'));
  if (nodes.one.node !== undefined) nodes.one.node = { ...nodes.one.node, silent: ['two'] };
  await nodes.one.route(proxyRoute([socketUpstream(other, 'other')]));
  for (const one of asked) assert.deepEqual(await one, { status: 200, text: 'the other' });
  const late = silent.connections.find(({ seen }) => seen.includes('a body'));
  late?.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
  assert.deepEqual(await posted, { status: 200, text: 'late' });
  for (const end of held) end();
  await Promise.all(holding);
});

test('what waits for an upstream that says nothing is asked of its backups, which then come first', async () => {
  await using nodes = await TwoNodes.start();
  const { one } = nodes;
  await using silent = await RawOrigin.start(`${one.folder}/silent.sock`, () => {});
  const other = await startApp(nodes.two, (_, response) => response.end('the other'));
  nodes.two.locals = [socketUpstream(other, 'other')];
  await nodes.two.route();
  const [here, there] = [socketUpstream(silent.path, 'here'), nodes.far('other')];
  await one.route(proxyRoute([here, { ...there, backup: true }]));
  const asked = [answer(one), answer(one)];
  await until('two requests there', () => silent.seen.split('HTTP/1.1').length === 3);
  one.silent = ['here'];
  const elsewhere = proxyRoute([there, { ...here, backup: true }]);
  await one.route(elsewhere);
  for (const each of asked) assert.deepEqual(await each, { status: 200, text: 'the other' });
  assert.deepEqual(await answer(one), { status: 200, text: 'the other' });
  assert.equal(silent.seen.split('HTTP/1.1').length, 3);
});

test('what waits for a node that fell silent waits on while nobody else is well', async () => {
  await using nodes = await TwoNodes.start();
  const says = (text: string): string =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  await using silent = await RawOrigin.start(`${nodes.two.folder}/silent.sock`, (one, origin) => {
    if (origin.connections.length > 1) one.socket.write(says('moved'));
  });
  const ids = ['a', 'b'] as const;
  await nodes.lead(...ids.map((id) => socketUpstream(silent.path, id)));
  const asked = answer(nodes.one);
  await until('the request there', () => silent.seen.includes('\r\n\r\n'));
  if (nodes.one.node !== undefined) nodes.one.node = { ...nodes.one.node, silent: ['two'] };
  await nodes.one.route(proxyRoute(ids.map((id) => nodes.far(id))));
  silent.connections[0]?.socket.write(says('late'));
  assert.deepEqual(await asked, { status: 200, text: 'late' });
});

test('a request that still connects to a node that fell silent goes to another one, whatever its method', async () => {
  const clock = new ManualClock();
  await using nodes = await TwoNodes.start({ clock });
  await using door = await HeldDoor.start(nodes);
  const held: (() => void)[] = [];
  const other = await startApp(nodes.one, (request, response) => {
    if (request.url === '/hold') held.push(() => response.end());
    else response.end('the other');
  });
  const well = socketUpstream(other, 'other');
  // Knows nobody else.
  const only = { ...proxyRoute([door.far('one')]), id: 'only', path: '/only' };
  await nodes.one.route(only, proxyRoute([well]));
  const holding = Array.from({ length: MANY }, () => answer(nodes.one, { path: '/hold' }));
  await until('the other to be busy', () => held.length === holding.length);
  const post = { method: 'POST', send: 'a body' } as const;
  const alone = answer(nodes.one, { ...post, path: '/only' });
  await until('its connection', () => door.held.length === 1);
  await nodes.one.route(only, proxyRoute([door.far('one'), well]));
  const posted = [answer(nodes.one, post), answer(nodes.one, post)];
  await until('their connections', () => door.held.length === 3);
  if (nodes.one.node !== undefined) nodes.one.node = { ...nodes.one.node, silent: ['two'] };
  await nodes.one.route(only, proxyRoute([door.far('one'), well]));
  for (const one of posted) assert.deepEqual(await one, { status: 200, text: 'the other' });
  // As soon as it is heard again it is asked again, however many have left it.
  if (nodes.one.node !== undefined) nodes.one.node = { ...nodes.one.node, silent: [] };
  await nodes.one.route(only, proxyRoute([door.far('one'), well]));
  clock.advance(600);
  const again = answer(nodes.one, post);
  await until('one more connection', () => door.held.length === 4);
  nodes.two.locals = [socketUpstream(other)];
  await nodes.two.route();
  door.lead();
  for (const one of [alone, again]) assert.deepEqual(await one, { status: 200, text: 'the other' });
  for (const end of held) end();
  await Promise.all(holding);
});

test('so many handshakes with a node are under way and no more; who waits gets a connection that is free', async () => {
  await using nodes = await TwoNodes.start({ clock: new ManualClock() });
  await using door = await HeldDoor.start(nodes);
  const more = 8;
  await nodes.lead(socketUpstream(await startApp(nodes.two, (_, response) => response.end('ok'))));
  await nodes.one.route(proxyRoute([door.far('one')]));
  const all = NODE_CONNECTING_MAX + more;
  let answered = 0;
  const asked = Array.from({ length: all }, async () => {
    const { status } = await answer(nodes.one);
    assert.equal(status, 200);
    answered++;
  });
  await until(
    'all to be under way',
    () => nodes.one.plane.stats().upstreams['one']?.requests === all,
  );
  await door.settled();
  assert.equal(door.held.length, NODE_CONNECTING_MAX);
  door.leadFirst();
  // One has the connection, one the turn that was free then; all others who wait get the connection after it.
  await until('those who waited', () => answered === more);
  assert.equal(door.held.length, NODE_CONNECTING_MAX);
  door.lead();
  await Promise.all(asked);
});
