/** A gateway alone behind HAProxy: it tells its load by the agent-check, and drains without a failed request. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FollowedCli } from '../testing/followed-cli.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask, type Answer } from '../testing/http.ts';
import { Load } from '../testing/load.ts';
import { runMoln } from '../testing/moln.ts';
import { killProcesses, processesOf } from '../testing/processes.ts';
import { step } from '../testing/step.ts';
import { until } from '../testing/until.ts';

async function talk(place: string | number, words: string): Promise<string> {
  const socket = typeof place === 'number' ? connect(place, '127.0.0.1') : connect(place);
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  socket.write(words);
  await once(socket, 'close');
  return text;
}

test('behind a HAProxy that reads our agent-check', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-run-drain-'));
  const [front = 0, one = 0, two = 0, agent = 0] = await freePorts('127.0.0.1', 4);
  const origin = createServer((_request, response) => response.end('origin'));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const upstream = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const kept = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => {
    killProcesses(processesOf(folder));
    kept.destroy();
    origin.closeAllConnections();
    origin.close();
    rmSync(folder, { recursive: true });
  });
  const write = (
    name: string,
    port: number,
    lines: readonly string[],
    connections = 30,
  ): string => {
    const file = join(folder, name);
    const routes = [`{ upstreams: [{ url: "${upstream}" }] }`, '{ path: /ready, ready: true }'];
    const head = [
      'workers: 2',
      `listeners: [{ address: 127.0.0.1, port: ${port} }]`,
      `routes: [${routes.join(', ')}]`,
      ...lines.map((line) => line.replace('CONNECTIONS', String(connections))),
    ];
    writeFileSync(file, `${head.join('\n')}\n`);
    return file;
  };
  const agentLine = `agent: { address: 127.0.0.1, port: ${agent}, connections: CONNECTIONS }`;
  const first = write('one.yml', one, [agentLine, 'drain: 1s']);
  const second = write('two.yml', two, []);
  const env = { ...process.env, MOLN_DATA: join(folder, 'data') };
  await using run = new FollowedCli(['gateway', 'run', first], env);
  await using other = new FollowedCli(['gateway', 'run', second], env);
  await run.says(/Serving/);
  await other.says(/Serving/);
  const ready = (): Promise<Answer> =>
    ask({ address: '127.0.0.1', port: one, host: 'localhost', path: '/ready' });

  await step(t, 'one line says what this machine can take', async () => {
    assert.match(await talk(agent, ''), /^up ready \d{1,3}% maxconn:30\n$/);
    write('one.yml', one, [agentLine, 'drain: 1s'], 20);
    process.kill(run.pid, 'SIGHUP');
    await until('the new number', async () => (await talk(agent, '')).includes('maxconn:20'));
    assert.deepEqual([(await ready()).status, (await ready()).body], [200, 'ready\n']);
  });

  const admin = join(folder, 'haproxy.sock');
  const config = join(folder, 'haproxy.cfg');
  const check = 'check inter 100ms fall 2 rise 1';
  writeFileSync(
    config,
    `global
  stats socket ${admin} mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:${front}
  default_backend gateways
backend gateways
  option httpchk GET /ready
  option redispatch
  server one 127.0.0.1:${one} weight 100 ${check} agent-check agent-port ${agent} agent-inter 100ms
  server two 127.0.0.1:${two} weight 100 ${check}
`,
  );
  const haproxy = spawn('haproxy', ['-db', '-f', config], { stdio: 'ignore' });
  t.after(() => haproxy.kill('SIGKILL'));
  const stat = async (field: string): Promise<string> => {
    const [head = '', ...rows] = (await talk(admin, 'show stat\n')).replace('# ', '').split('\n');
    const row = rows.find((line) => line.startsWith('gateways,one,'))?.split(',');
    return row?.[head.split(',').indexOf(field)] ?? '';
  };

  await step(t, 'HAProxy takes its weight from it', async () => {
    await until('HAProxy', async () => {
      try {
        return (await stat('status')).startsWith('UP') && (await stat('agent_status')) === 'L7OK';
      } catch (error) {
        return error instanceof Error && 'code' in error ? false : Promise.reject(error as Error);
      }
    });
    await until('a weight of ours', async () => {
      const weight = Number(await stat('weight'));
      return weight >= 1 && weight <= 100;
    });
    assert.match(await stat('slim'), /^20$/);
  });

  await step(t, 'a drain is said first, and no request fails', async () => {
    const get = (agentOf?: Agent): Promise<Answer> =>
      ask({
        address: '127.0.0.1',
        port: front,
        host: 'localhost',
        path: '/',
        ...(agentOf && { agent: agentOf }),
      });
    await using once = new Load(() => get(), { parallel: 4 });
    await using again = new Load(() => get(kept), { parallel: 4 });
    await until('answers', () => once.answers > 100 && again.answers > 100);
    const draining = runMoln(['gateway', 'drain', first], { env });
    await until('the words', async () => (await talk(agent, '')).includes('drain'));
    const told = await ready();
    assert.deepEqual(
      [told.status, told.body, told.headers.connection],
      [503, 'leaving\n', 'close'],
    );
    await until('DRAIN or DOWN', async () => /^(?:DRAIN|DOWN)/.test(await stat('status')));
    const { code, stdout } = await draining;
    assert.equal(code, 0);
    assert.match(stdout, /Drained and stopped/);
    assert.equal((await run.ended()).code, 0);
    const from = once.answers;
    await until('further answers', () => once.answers > from + 100);
    for (const load of [once, again]) assert.deepEqual((await load.stop()).failures, []);
    const nobody = await runMoln(['gateway', 'drain', first], { env });
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /No gateway runs with/);
  });
});
