/** A gateway that runs by itself goes over to new code, and to fewer workers: under load, and nobody notices. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask, type Answer } from '../testing/http.ts';
import { Load } from '../testing/load.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { ProgramCopy } from '../testing/program-copy.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';
import { openWebSocket, startEchoServer } from './web-socket-kit.ts';

/** Of each load, before what happens and after it. */
const ANSWERS = 300;
/** Programs are started, and the load takes every processor that there is. */
const SLOW = { withinMs: 60_000 };

test('new code, more and fewer workers, and nobody notices', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-upgrade-'));
  const [port = 0, tcpPort = 0] = await freePorts('127.0.0.1', 2);
  const origin = createServer((request, response) => response.end(`origin ${request.url}`));
  using _echo = await startEchoServer(join(folder, 'echo.sock'));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const kept = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => {
    killProcesses(processesOf(folder));
    kept.destroy();
    origin.closeAllConnections();
    origin.close();
    rmSync(folder, { recursive: true });
  });
  // A copy of the program, which is updated later.
  const program = new ProgramCopy(folder);
  const file = join(folder, 'gateway.yml');
  const place = `127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const write = (workers: number): void =>
    writeFileSync(
      file,
      `workers: ${workers}\nlisteners:\n  - { address: 127.0.0.1, port: ${port} }\n` +
        `  - { address: 127.0.0.1, port: ${tcpPort}, protocol: tcp, upstreams: [{ url: "tcp://${place}" }] }\n` +
        `cache: { memory: 64MB, disk: { path: cache, size: 1GB } }\n` +
        `routes:\n  - { upstreams: [{ url: "http://${place}" }] }\n` +
        `  - { host: 127.0.0.1, upstreams: [{ url: "unix:${join(folder, 'echo.sock')}" }] }\n` +
        `  - { path: /cached, upstreams: [{ url: "http://${place}" }], cache: true }\n`,
    );
  write(3);
  const workers = (): readonly number[] =>
    processesOf(folder)
      .filter(({ command }) => command.includes('gateway-main'))
      .map(({ pid }) => pid);
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  await using run = new FollowedCli(['gateway', 'run', file], env, program.moln);
  await run.says(/Serving/);

  const get = (at: number, agent?: Agent): Promise<Answer> =>
    ask({ address: '127.0.0.1', port: at, host: 'localhost', path: '/x', ...(agent && { agent }) });
  /** Connections of one request, kept ones and those that are led on unread, while something happens. */
  const undisturbed = async (happens: () => Promise<void>): Promise<void> => {
    await using once = new Load(() => get(port), { parallel: 8 });
    await using again = new Load(() => get(port, kept), { parallel: 4 });
    await using tcp = new Load(() => get(tcpPort), { parallel: 4 });
    const loads = [once, again, tcp];
    const more = async (): Promise<void> => {
      const from = loads.map(({ answers }) => answers);
      await until('further answers', () =>
        loads.every(({ answers }, index) => answers > (from[index] ?? 0) + ANSWERS),
      );
    };
    await more();
    await happens();
    await more();
    for (const load of loads) assert.deepEqual((await load.stop()).failures, []);
  };

  const socket = await openWebSocket(port);
  const echo = async (text: string): Promise<void> => {
    socket.send(text);
    const [data] = (await once(socket, 'message')) as [Buffer];
    assert.equal(data.toString(), text);
  };

  await step(t, 'new code takes over; an open WebSocket stays with the old one', async () => {
    const before = workers();
    await undisturbed(async () => {
      program.add('src/gateway/limits.ts', '// Another release.');
      process.kill(run.pid, 'SIGUSR2');
      const areNew = (): boolean => {
        const now = workers();
        return now.filter((pid) => !before.includes(pid)).length === 3 && now.length === 4;
      };
      await until('three new workers', areNew, SLOW);
    });
    await echo('over the worker of before');
    socket.close();
    await once(socket, 'close');
    await until('the old one to go', () => workers().length === 3);
  });

  await step(t, 'a program that does not run is not gone over to', async () => {
    const before = workers();
    program.add('src/gateway/data-plane.ts', 'this is no program');
    process.kill(run.pid, 'SIGUSR2');
    await until('the words', () => run.stderr.includes('The program on disk is not used'), SLOW);
    assert.equal((await get(port)).status, 200);
    assert.deepEqual(workers(), before);
    program.restore('src/gateway/data-plane.ts');
  });

  await step(t, 'fewer workers lose nothing that the kernel has accepted for them', async () => {
    await undisturbed(async () => {
      write(1);
      process.kill(run.pid, 'SIGHUP');
      await until('one worker', () => workers().length === 1, SLOW);
    });
    // What the others had on disk is of use to nobody.
    await until('one folder', () => readdirSync(join(folder, 'cache')).length === 1);
  });

  await step(t, 'and more again', async () => {
    await undisturbed(async () => {
      write(2);
      process.kill(run.pid, 'SIGHUP');
      await until('two workers', () => workers().length === 2, SLOW);
    });
  });

  await step(t, 'what waits in the kernel for a worker that leaves is answered', async () => {
    // Stopped, so that it can accept nothing before it is told to leave.
    const [, leaving = 0] = workers();
    process.kill(leaving, 'SIGSTOP');
    const clients = Array.from({ length: 64 }, () => connect(port, '127.0.0.1'));
    const answers = clients.map(async (client) => {
      let text = '';
      client.setEncoding('utf8').on('data', (part: string) => (text += part));
      client.write('GET /w HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      await once(client, 'close');
      return text;
    });
    await Promise.all(clients.map((client) => once(client, 'connect')));
    write(1);
    process.kill(run.pid, 'SIGHUP');
    process.kill(leaving, 'SIGCONT');
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 200 OK/);
    await until('one worker', () => workers().length === 1, SLOW);
  });

  assert.equal((await run.interrupt()).code, 0);
  await until('no process', () => workers().length === 0);
});
