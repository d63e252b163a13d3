/** TCP through balancers of the data plane, over real sockets. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import {
  ask,
  balancer,
  closedPort,
  dial,
  echo,
  named,
  rebalance,
  startBalancer,
  TcpUpstream,
  upstreamAt,
} from './gateway-balancer-kit.ts';
import { until } from './gateway-kit.ts';

const MIB = 1024 * 1024;

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

describe('bytes through a TCP balancer', () => {
  test('10 MB go through both ways unchanged, the end of one side too', async () => {
    await using upstream = await echo();
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const sent = randomBytes(10 * MIB);
    const came: Buffer[] = [];
    const { socket } = dial(gateway);
    socket.on('data', (chunk: Buffer) => came.push(chunk));
    socket.end(sent);
    await until('the end', () => socket.readableEnded);
    assert.equal(sha256(Buffer.concat(came)), sha256(sent));
    await until('the log line', () => gateway.entries.length === 1);
    const [entry] = gateway.entries;
    assert.equal(entry?.bytesIn, sent.length);
    assert.equal(entry.bytesOut, sent.length);
    assert.equal(entry.client, '127.0.0.1');
    assert.equal(entry.upstream, upstream.config().id);
    assert.equal(entry.protocol, 'tcp');
    assert.equal(entry.error, undefined);
    assert.deepEqual(gateway.plane.balancers.totals(), {
      balancer: {
        connections: 0,
        accepted: 1,
        failed: 0,
        bytesIn: sent.length,
        bytesOut: sent.length,
      },
    });
    assert.equal(gateway.plane.stats().connections, 0);
  });

  test('a slow reader holds up the upstream, and gets all in the end', async () => {
    const size = 64 * MIB;
    const piece = Buffer.alloc(MIB, 'x');
    let written = 0;
    await using upstream = await TcpUpstream.start((socket) => {
      socket.resume();
      const write = (): void => {
        while (written < size) {
          written += piece.length;
          if (!socket.write(piece)) return;
        }
        socket.end();
      };
      socket.on('drain', write);
      write();
    });
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const { socket } = dial(gateway);
    socket.pause();
    let before = -1;
    await until('a standstill', async () => {
      const isStill = written > 0 && written === before;
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return isStill && written === before;
    });
    assert.ok(written < size, `${written} bytes were taken from the upstream`);
    let came = 0;
    socket.on('data', (chunk: Buffer) => (came += chunk.length));
    socket.resume();
    await until('the end', () => socket.readableEnded);
    assert.equal(came, size);
  });

  test('an upstream that reads slowly holds up the client', async () => {
    await using upstream = await TcpUpstream.start((socket) => socket.pause());
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const { socket } = dial(gateway);
    const piece = Buffer.alloc(MIB, 'x');
    let written = 0;
    const write = (): void => {
      while (written < 64 * MIB) {
        written += piece.length;
        if (!socket.write(piece)) return;
      }
      socket.end();
    };
    socket.on('drain', write);
    write();
    let before = -1;
    await until('a standstill', async () => {
      const isStill = upstream.sockets.length > 0 && written === before;
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return isStill && written === before;
    });
    assert.ok(written < 64 * MIB, `${written} bytes were taken from the client`);
    let came = 0;
    const [there] = upstream.sockets;
    there?.on('data', (chunk: Buffer) => (came += chunk.length));
    there?.resume();
    await until('all bytes', () => came === 64 * MIB);
  });

  test('a client that has ended still gets its answer', async () => {
    await using upstream = await TcpUpstream.start((socket) => {
      let seen = '';
      socket.on('data', (chunk: Buffer) => (seen += String(chunk)));
      socket.on('end', () => socket.end(`seen ${seen}`));
    });
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const client = dial(gateway);
    client.socket.end('all');
    await client.see(/^seen all$/);
  });

  test('an upstream that has ended still gets what the client says', async () => {
    let seen = '';
    await using upstream = await TcpUpstream.start((socket) => {
      socket.end('bye');
      socket.on('data', (chunk: Buffer) => (seen += String(chunk)));
    });
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const { socket } = dial(gateway);
    // Against the kit's client, which ends when the other side does.
    socket.removeAllListeners('end');
    await until('the end of one side', () => socket.readableEnded);
    socket.end('late');
    await until('the late word', () => seen === 'late');
  });

  test('a reset goes through, from either side', async () => {
    await using upstream = await echo();
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const one = dial(gateway);
    one.send('hello');
    await one.see(/hello/);
    upstream.sockets[0]?.resetAndDestroy();
    await until('the reset', () => one.error !== undefined);
    assert.match(String(one.error), /ECONNRESET/);
    const other = dial(gateway);
    other.send('hello');
    await other.see(/hello/);
    let failure: Error | undefined;
    upstream.sockets[1]?.on('error', (error) => (failure = error));
    other.socket.resetAndDestroy();
    await until('the reset', () => failure !== undefined);
    await until('both log lines', () => gateway.entries.length === 2);
    assert.ok(gateway.entries.every(({ error }) => error !== undefined));
    assert.equal(gateway.plane.stats().connections, 0);
  });
});

describe('upstreams of a TCP balancer', () => {
  test('each gets its turn, and one that takes no connection is passed over', async () => {
    await using a = await named('a');
    await using b = await named('b');
    const gone = upstreamAt(await closedPort());
    await using gateway = await startBalancer(balancer([gone, a.config(), b.config()]));
    let answers = '';
    for (let index = 0; index < 6; index++) answers += await ask(gateway, '');
    assert.match(answers, /^(?:ab|ba)+$|^a(?:ab|ba)+b?$|^[ab]{6}$/);
    assert.equal(answers.length, 6);
    assert.ok(answers.includes('a') && answers.includes('b'));
    const families = gateway.plane.balancers.families();
    const failures = families.find(({ name }) => name.endsWith('upstream_failures_total'));
    const sample = failures?.samples.find(({ labels }) => labels.upstream === gone.id);
    assert.equal(sample?.value, 1);
  });

  test('when nobody takes the connection, it is reset and logged', async () => {
    const gone = upstreamAt(await closedPort());
    await using gateway = await startBalancer(balancer([gone]));
    const client = dial(gateway);
    await client.closed();
    await until('the log line', () => gateway.entries.length === 1);
    assert.match(gateway.entries[0]?.error ?? '', /ECONNREFUSED/);
    assert.equal(gateway.plane.balancers.totals().balancer?.failed, 1);
  });

  test('one client keeps its upstream by source-hash', async () => {
    await using a = await named('a');
    await using b = await named('b');
    const config = balancer([a.config(), b.config()], { balance: 'source-hash' });
    await using gateway = await startBalancer(config);
    const first = await ask(gateway, '');
    for (let index = 0; index < 4; index++) assert.equal(await ask(gateway, ''), first);
  });

  test('checks take out who is gone and bring back who is there again', async () => {
    await using a = await named('a');
    const b = await named('b');
    const { port } = b;
    const health = { intervalMs: 20, timeoutMs: 1000 };
    await using gateway = await startBalancer(balancer([a.config(), b.config()], { health }));
    const up = (): number | undefined =>
      gateway.plane.balancers
        .families()
        .find(({ name }) => name.endsWith('upstream_up'))
        ?.samples.find(({ labels }) => labels.upstream === upstreamAt(port).id)?.value;
    assert.equal(up(), 1);
    await b[Symbol.asyncDispose]();
    await until('it to be out', () => up() === 0);
    assert.equal((await ask(gateway, '')) + (await ask(gateway, '')), 'aa');
    await using _again = await TcpUpstream.start((socket) => socket.resume().end('c'), port);
    await until('it to be back', () => up() === 1);
    assert.equal([await ask(gateway, ''), await ask(gateway, '')].toSorted().join(''), 'ac');
  });

  test('a name that a TLS client wants decides, and nothing is decrypted', async () => {
    const greetings: Buffer[] = [];
    const see = (name: string) => (socket: import('node:net').Socket) => {
      socket.once('data', (chunk: Buffer) => {
        greetings.push(chunk);
        socket.end(name);
      });
    };
    await using mail = await TcpUpstream.start(see('mail'));
    await using wild = await TcpUpstream.start(see('wild'));
    await using rest = await TcpUpstream.start(see('rest'));
    const sni = { 'mail.example.org': [mail.config()], '*.example.org': [wild.config()] };
    await using gateway = await startBalancer(balancer([rest.config()], { sni }));
    const connected = (upstream: TcpUpstream): number => upstream.sockets.length;
    for (const servername of ['mail.example.org', 'a.b.example.org', 'example.org', undefined]) {
      const port = gateway.plane.port('balancer');
      const name = servername === undefined ? {} : { servername };
      const socket = connectTls({ port, host: '127.0.0.1', ...name });
      const failed = Promise.withResolvers<void>();
      // What answers is no TLS server.
      socket.on('error', () => failed.resolve());
      await failed.promise;
    }
    assert.deepEqual([connected(mail), connected(wild), connected(rest)], [1, 1, 2]);
    assert.ok(greetings.every((bytes) => bytes[0] === 0x16));
    assert.match(await ask(gateway, 'SSH-2.0-x\r\n'), /^rest$/);
    const names = gateway.entries.map(({ host }) => host);
    assert.deepEqual(names, ['mail.example.org', 'a.b.example.org', 'example.org', '', '']);
  });

  test('a name that nobody is meant for is reset', async () => {
    await using mail = await named('mail');
    const config = balancer([], { sni: { 'mail.example.org': [mail.config()] } });
    await using gateway = await startBalancer(config);
    const client = dial(gateway);
    client.send('GET / HTTP/1.1\r\n\r\n');
    await client.closed();
    assert.equal(client.text, '');
    assert.equal(mail.sockets.length, 0);
  });
});

describe('limits and changes of a TCP balancer', () => {
  test('a connection without a byte is ended', async () => {
    await using upstream = await echo();
    const timeouts = { connectMs: 2000, idleMs: 60 };
    await using gateway = await startBalancer(balancer([upstream.config()], { timeouts }));
    const client = dial(gateway);
    client.send('x');
    await client.closed();
    await until('the log line', () => gateway.entries.length === 1);
    assert.equal(gateway.entries[0]?.error, 'Not a byte for 60 ms');
    await until('the end there', () => upstream.sockets[0]?.destroyed === true);
  });

  test('who says nothing where a name is waited for is cut off', async () => {
    await using upstream = await named('a');
    const config = balancer([], { sni: { a: [upstream.config()] } });
    await using gateway = await startBalancer(config);
    gateway.limits = { ...gateway.limits, requestHeadTimeoutMs: 60 };
    await rebalance(gateway, config);
    await dial(gateway).closed();
    await until('the log line', () => gateway.entries.length === 1);
    assert.equal(gateway.entries[0]?.error, 'The client did not say enough in time');
  });

  test('connections beyond the limit are closed, and room is used again', async () => {
    await using upstream = await echo();
    await using gateway = await startBalancer(balancer([upstream.config()], { connectionsMax: 1 }));
    const first = dial(gateway);
    first.send('x');
    await first.see(/x/);
    await dial(gateway).closed();
    first.socket.end();
    await until('room', () => gateway.plane.stats().connections === 0);
    const next = dial(gateway);
    next.send('y');
    await next.see(/y/);
  });

  test('a change cuts no connection: neither of an upstream that goes nor of a port that goes', async () => {
    await using a = await echo();
    await using b = await named('b');
    await using gateway = await startBalancer(balancer([a.config()]));
    const client = dial(gateway);
    client.send('1');
    await client.see(/^1$/);
    await rebalance(gateway, balancer([b.config()]));
    assert.equal(await ask(gateway, ''), 'b');
    client.send('2');
    await client.see(/^12$/);
    await rebalance(gateway);
    client.send('3');
    await client.see(/^123$/);
    client.socket.end();
    await until('the end', () => gateway.plane.stats().connections === 0);
  });

  test('a drain lets connections end, and breaks what is left at its deadline', async () => {
    await using upstream = await echo();
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const port = gateway.plane.port('balancer');
    const client = dial(gateway);
    client.send('1');
    await client.see(/^1$/);
    const drained = gateway.plane.drain(60_000);
    client.send('2');
    await client.see(/^12$/);
    client.socket.end();
    await drained;
    assert.equal(client.text, '12');
    await using other = await startBalancer(balancer([upstream.config()], { port: port ?? 0 }));
    const stuck = dial(other);
    stuck.send('x');
    await stuck.see(/x/);
    await other.plane.drain(0);
    await stuck.closed();
  });

  test('a port that is taken refuses the config, and the one before stays', async () => {
    await using upstream = await named('a');
    await using gateway = await startBalancer(balancer([upstream.config()]));
    const { port } = upstream;
    const second = balancer([upstream.config()], { id: 'second', port });
    const third = balancer([upstream.config()], { id: 'third' });
    await assert.rejects(rebalance(gateway, third, second), { code: 'GATEWAY_PORT_TAKEN' });
    assert.equal(gateway.plane.port('third'), undefined);
    assert.equal(await ask(gateway, ''), 'a');
  });
});
