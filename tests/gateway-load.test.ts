/** Instances that state how busy they are on their answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { STATED_LOAD_MS } from '../src/gateway/limits.ts';
import { Gateway, proxyRoute, RawOrigin, socketUpstream, startApp } from './gateway-kit.ts';
import { answer, TwoNodes } from './gateway-node-kit.ts';

const FIELD = 'Endpoint-Load-Metrics';
const REQUESTS = 400;
/** Of the requests: fewer than half by more than chance, and more than an instance at 0.95 gets. */
const FEW = 140;

/** How many of the requests the one called `busy` answers. */
async function shareOfBusy(gateway: Gateway): Promise<number> {
  let share = 0;
  for (let count = 0; count < REQUESTS; count++) {
    if ((await answer(gateway)).text === 'busy') share++;
  }
  return share;
}

test('requests move away from an instance that says it is busy, and come back', async () => {
  const clock = new ManualClock();
  await using gateway = await Gateway.start([], { clock });
  let report: string | undefined;
  const busy = await startApp(
    gateway,
    (_request, response) => {
      if (report !== undefined) response.setHeader(FIELD, report);
      response.end('busy');
    },
    'busy',
  );
  const other = await startApp(gateway, (_request, response) => response.end('other'), 'other');
  await gateway.route(proxyRoute([socketUpstream(busy, 'busy'), socketUpstream(other, 'other')]));
  assert.ok((await shareOfBusy(gateway)) > FEW, 'nobody says anything');
  report = 'TEXT application_utilization=0.95,cpu_utilization=0.1';
  const share = await shareOfBusy(gateway);
  assert.ok(share < FEW && share > 0, `${share} of ${REQUESTS} went to the busy one`);
  report = 'JSON {"cpu_utilization":0.01}';
  await shareOfBusy(gateway);
  assert.ok((await shareOfBusy(gateway)) > FEW, 'it is idle again');
  report = 'TEXT cpu_utilization=0.95';
  await shareOfBusy(gateway);
  report = 'TEXT cpu_utilization=much';
  assert.ok((await shareOfBusy(gateway)) < FEW, 'what is not understood changes nothing');
  report = undefined;
  clock.advance(STATED_LOAD_MS);
  assert.ok((await shareOfBusy(gateway)) > FEW, 'its word is old');
});

test('an instance on another node says it to the gateway where the client is, not to the client', async () => {
  await using nodes = await TwoNodes.start();
  await using origin = await RawOrigin.start(`${nodes.two.folder}/o.sock`, ({ socket, seen }) => {
    if (!seen.endsWith('\r\n\r\n')) return;
    const field = `${FIELD}: TEXT cpu_utilization=0.95\r\n`;
    socket.write(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n${field}\r\n`);
    socket.write(`HTTP/1.1 200 OK\r\nA: b\r\n${field}Transfer-Encoding: chunked\r\n\r\n`);
    socket.write(`4\r\nbusy\r\n0\r\nC: d\r\n${field}\r\n`);
  });
  await nodes.lead(socketUpstream(origin.path, 'app'));
  const client = nodes.one.connect();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.see(/Link: <\/a>[^]*A: b\r\n[^]*busy\r\n0\r\nC: d\r\n\r\n$/);
  assert.doesNotMatch(client.text, /load-metrics/i);
  const other = await startApp(nodes.two, (_request, response) => response.end('other'), 'other');
  await nodes.lead(socketUpstream(origin.path, 'app'), socketUpstream(other, 'other'));
  const share = await shareOfBusy(nodes.one);
  assert.ok(share < FEW && share > 0, `${share} of ${REQUESTS} went to the busy one`);
});
