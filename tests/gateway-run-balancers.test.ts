/** `moln gateway run FILE` with listeners for TCP and UDP, over several workers. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';
import { echo, TcpUpstream } from './gateway-balancer-kit.ts';

/** All that comes on a new connection that says nothing. */
async function listen(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += String(chunk)));
  socket.end();
  await once(socket, 'close');
  return text;
}

test('a file with TCP and UDP is served by two workers, and a change cuts no connection', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-balancers-'));
  t.after(() => {
    killProcesses(processesOf(folder));
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'gateway.yml');
  const [tcpPort = 0, udpPort = 0] = await freePorts('127.0.0.1', 2);
  await using upstream = await echo();
  await using next = await TcpUpstream.start((socket) => socket.resume().end('next'));
  const names = createSocket('udp4', (bytes, { port, address }) =>
    names.send(`seen ${String(bytes)}`, port, address),
  );
  t.after(() => names.close());
  names.bind(0, '127.0.0.1');
  await once(names, 'listening');
  const write = (port: number): void =>
    writeFileSync(
      file,
      `workers: 2
listeners:
  - { address: 127.0.0.1, port: ${tcpPort}, protocol: tcp, upstreams: [{ url: "tcp://127.0.0.1:${port}" }], health: {} }
  - { address: 127.0.0.1, port: ${udpPort}, protocol: udp, upstreams: [{ url: "udp://127.0.0.1:${names.address().port}" }] }
routes: []
`,
    );
  write(upstream.port);
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  await using cli = new FollowedCli(['gateway', 'run', file], env);
  await cli.says(new RegExp(`Serving tcp://127\\.0\\.0\\.1:${tcpPort}`));
  await cli.says(new RegExp(`Serving udp://127\\.0\\.0\\.1:${udpPort}`));

  await step(t, 'datagrams of many clients are answered, each to its own', async () => {
    for (let index = 0; index < 20; index++) {
      const client = createSocket('udp4');
      let answer = '';
      client.on('message', (bytes) => (answer = String(bytes)));
      await until(`an answer to ${index}`, () => {
        client.send(String(index), udpPort, '127.0.0.1');
        return answer === `seen ${index}`;
      });
      client.close();
    }
  });

  await step(t, 'a reload takes new upstreams and keeps connections', async () => {
    const kept = connect({ port: tcpPort, host: '127.0.0.1' });
    t.after(() => kept.destroy());
    let text = '';
    kept.on('data', (chunk: Buffer) => (text += String(chunk)));
    kept.write('1');
    await until('the echo', () => text === '1');
    write(next.port);
    process.kill(cli.pid, 'SIGHUP');
    await until('the change', () => (cli.stdout + cli.stderr).includes('and is in use'));
    for (let index = 0; index < 10; index++) assert.equal(await listen(tcpPort), 'next');
    kept.end('2');
    await until('the echo', () => text === '12');
  });
});
