/**
 * Certificates of a cluster: the leader orders, any gateway answers the authority, and the next leader goes on where one
 * was killed. Sessions are resumed at whatever gateway.
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { CertificateList, CertificateRow } from '../../src/api/api.ts';
import type { Status } from '../../src/api/model.ts';
import { Pebble } from '../../testing/pebble-kit.ts';
import { Invariants } from '../../testing/invariants.ts';
import { failuresOf } from '../../testing/paced-load.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const HOSTS = ['a.mail.example.com', 'b.mail.example.com'] as const;

function dial(node: TestNode, host: string, session?: Buffer): TLSSocket {
  return connect({
    port: node.ports.https,
    host: node.address,
    servername: host,
    rejectUnauthorized: false,
    ...(session === undefined ? {} : { session }),
  });
}

async function served(node: TestNode, host: string): Promise<X509Certificate> {
  const socket = dial(node, host);
  try {
    await once(socket, 'secureConnect');
    return new X509Certificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0));
  } finally {
    socket.destroy();
  }
}

/** Where the authority asks: it waits there until it is led to a node. */
async function entrance(
  t: TestContext,
): Promise<{ readonly port: number; readonly open: (to: TestNode) => void }> {
  const place = { port: 0, to: undefined as TestNode | undefined };
  const held: (() => void)[] = [];
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const { to } = place;
    if (to === undefined) return void held.push(() => lead(client, place.to));
    lead(client, to);
  });
  const lead = (client: Socket, to: TestNode | undefined): void => {
    if (to === undefined) throw new Error('The entrance leads nowhere yet');
    const target = connectTcp({ host: to.address, port: to.ports.http });
    client.on('error', () => target.destroy()).on('close', () => target.destroy());
    target.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.pipe(target).pipe(client);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  place.port = (server.address() as AddressInfo).port;
  return {
    port: place.port,
    open: (to) => {
      place.to = to;
      for (const go of held.splice(0)) go();
    },
  };
}

async function leaderOf(cluster: TestCluster, seer: TestNode): Promise<TestNode> {
  return until('a leader', async () => {
    const { leader } = await seer.json<Status>('status');
    return leader === '' ? undefined : cluster.node(leader);
  });
}

test('the leader is killed in the middle of an order, and the next one brings it to its end', async (t) => {
  await using cluster = await TestCluster.form(t, ['a', 'b', 'c']);
  const [a] = cluster.nodes;
  assert.ok(a !== undefined);
  await cluster.isManagedBy(3, 'a');
  const door = await entrance(t);
  await using pebble = await Pebble.start(t, { httpPort: door.port, tlsPort: 1 });
  const leader = await leaderOf(cluster, a);
  const others = cluster.nodes.filter((node) => node !== leader);
  const [seer, second] = others;
  assert.ok(seer !== undefined && second !== undefined);
  await seer.json(
    'deploy',
    'examples/site',
    '--name',
    'site',
    ...HOSTS.flatMap((host) => ['--domain', host]),
  );
  const list = (): Promise<CertificateList> => seer.json<CertificateList>('certificate', 'list');

  await using watched = await Invariants.watch(t, cluster);
  await using load = cluster.load('site', cluster.names);
  await step(t, 'the order is under way when its leader is killed', async () => {
    await seer.json(
      'certificate',
      'acme',
      '--email',
      'me@mail.example.com',
      '--terms-agreed',
      '--challenge',
      'http-01',
      '--directory',
      pebble.directory,
      '--directory-ca',
      pebble.caFile,
    );
    // The authority waits at the entrance, so no order can have ended.
    await until('orders under way', async () => {
      const { certificates } = await list();
      return certificates.length === 2 && certificates.every(({ state }) => state === 'ordering');
    });
    await leader.crash();
  });

  await step(t, 'the next leader goes on, and a gateway that does not lead answers', async () => {
    const next = await until('another leader', async () => {
      const now = await leaderOf(cluster, seer);
      return now === leader ? undefined : now;
    });
    door.open(next === seer ? second : seer);
    for (const node of others) {
      for (const host of HOSTS) {
        await until(
          `${host} at ${node.name}`,
          async () => {
            const { issuer } = await served(node, host);
            if (/Pebble/.test(issuer)) return true;
            const { state } = await seer.json<CertificateRow>('certificate', 'show', host);
            // It waited too long at the entrance: that is a failure as any other.
            if (state === 'failing') await seer.cli('certificate', 'order', host);
            throw new Error(JSON.stringify(await list()) + pebble.output.slice(-1500));
          },
          { withinMs: 60_000 },
        );
      }
    }
    assert.deepEqual(
      (await list()).certificates.map(({ state }) => state),
      ['good', 'good'],
    );
  });

  await step(t, 'the one that was away has them when it is back', async () => {
    await leader.restart();
    for (const host of HOSTS) {
      await until(`${host} at ${leader.name}`, async () =>
        /Pebble/.test((await served(leader, host)).issuer),
      );
    }
    await watched.hold();
    assert.deepEqual(failuresOf(await load.stop()), []);
  });

  await step(t, 'a session of one node is resumed at the others', async () => {
    const [host] = HOSTS;
    const first = dial(seer, host);
    let session: Buffer | undefined;
    first.on('session', (said: Buffer) => (session = said));
    first.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    first.on('data', () => undefined);
    await until('a ticket', () => session !== undefined);
    first.destroy();
    for (const node of [second, leader]) {
      const again = dial(node, host, session);
      await once(again, 'secureConnect');
      assert.equal(again.isSessionReused(), true, node.name);
      again.destroy();
    }
  });
});
