/** Routes and listeners of a cluster: set on one node, in use at all, changed under load without a lost request. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { ListenerDetail, RouteAnswer, RouteDetail } from '../../src/api/api.ts';
import { freePorts } from '../../testing/free-ports.ts';
import { failuresOf, PacedLoad } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import { until } from '../../testing/until.ts';
import { askHost, firstWords, startServer, startTcp } from '../routes-kit.ts';
import { echoed, openWebSocket } from '../web-socket-kit.ts';

const HOST = 'shop.example.org';
const CHANGES = 8;

test('all gateways take a change as a diff', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two', 'three']);
  const [one, two, three] = ['one', 'two', 'three'].map((name) => cluster.node(name));
  assert.ok(one !== undefined && two !== undefined && three !== undefined);
  const [red, blue] = [await startServer(t, 'red'), await startServer(t, 'blue')];

  await step(t, 'set on one, asked through all', async () => {
    const words = ['route', 'set', 'shop', `host=${HOST}`, `upstreams=${red}`];
    const answer = await one.json<RouteAnswer>(...words);
    assert.deepEqual([answer.nodes.toSorted(), answer.away], [['one', 'three', 'two'], []]);
    for (const node of cluster.nodes) {
      assert.match((await askHost(node, HOST)).body, /^red \/ /, node.name);
    }
  });

  await step(t, 'changed on another under load, with an open web socket', async () => {
    const socket = await openWebSocket(three.ports.http, { address: three.address, host: HOST });
    assert.equal(await echoed(socket, 'before'), 'before');
    await using load = new PacedLoad(60, (count) => {
      const node = cluster.nodes[count % cluster.nodes.length] ?? one;
      return askHost(node, HOST, `/${count}`);
    });
    for (let change = 0; change < CHANGES; change++) {
      const server = change % 2 === 0 ? blue : red;
      await two.json(
        'route',
        'set',
        'shop',
        `upstreams=${server}`,
        `rate.requests=${9000 + change}`,
        'rate.per=1s',
      );
      const word = server === blue ? /^blue / : /^red /;
      for (const node of cluster.nodes) assert.match((await askHost(node, HOST)).body, word);
    }
    const asked = await load.stop();
    assert.deepEqual(failuresOf(asked), []);
    assert.ok(asked.length > 10 * CHANGES, `${asked.length} requests`);
    assert.equal(await echoed(socket, 'after'), 'after');
    socket.close();
  });

  await step(t, 'who was away has it when it is back', async () => {
    two.pause();
    await until('two to be missed', async () => (await cluster.states('one'))['two'] !== 'ready');
    const answer = await one.json<RouteAnswer>('route', 'set', 'shop', `upstreams=${blue}`);
    assert.deepEqual(answer.away, ['two']);
    two.resume();
    await cluster.sees('one', { one: 'ready', two: 'ready', three: 'ready' });
    await until('two to follow', async () => (await askHost(two, HOST)).body.startsWith('blue'));
  });

  const [port = 0] = await freePorts(one.address, 1);
  const words = ['listener', 'set', 'mail', `port=${port}`, 'protocol=tcp'];
  await step(t, 'a TCP port at all gateways, refused while one node cannot give it', async () => {
    const upstream = await startTcp(t, 'hello');
    const holder = createServer();
    await new Promise<void>((done) => holder.listen(port, three.address, done));
    const refused = await one.cli(...words, `upstreams=${upstream}`);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, new RegExp(`Node "three": Port ${port} is taken by`));
    await new Promise((done) => holder.close(done));
    await one.json(...words, `upstreams=${upstream}`);
    for (const { address } of cluster.nodes) assert.equal(await firstWords(address, port), 'hello');
    const other = await startTcp(t, 'other');
    await two.json('listener', 'set', 'mail', `upstreams=${other}`);
    for (const { address } of cluster.nodes) assert.equal(await firstWords(address, port), 'other');
  });

  await step(t, 'a node that cannot give it later says so, and serves the rest', async () => {
    const holder = createServer();
    await three.stop();
    await new Promise<void>((done) => holder.listen(port, three.address, done));
    await three.restart();
    await cluster.sees('one', { one: 'ready', two: 'ready', three: 'ready' });
    const [mail] = await one.json<readonly ListenerDetail[]>('listener', 'list');
    assert.deepEqual(
      mail?.troubles.map(({ node }) => node),
      ['three'],
    );
    assert.match((await two.status()).sentence, /listener "mail" is not open on three: Port/i);
    assert.match((await askHost(three, HOST)).body, /^blue /);
    await new Promise((done) => holder.close(done));
    await until('three to have it', async () => {
      return (await firstWords(three.address, port).catch(() => '')) === 'other';
    });
  });

  await step(t, 'removed is gone everywhere', async () => {
    await three.json('listener', 'remove', 'mail');
    await three.json('route', 'remove', 'shop');
    for (const node of cluster.nodes) {
      await assert.rejects(firstWords(node.address, port));
      assert.equal((await askHost(node, HOST)).status, 404, node.name);
    }
    assert.deepEqual(await one.json<readonly RouteDetail[]>('route', 'list'), []);
  });
});
