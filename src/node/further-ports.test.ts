import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { type PortConfig, readPort } from '../routes/routes.ts';
import { FurtherPorts } from './further-ports.ts';

const GROUND = { address: '::', httpsPort: 443 };

function port(name: string, number: number): PortConfig {
  return readPort(name, { port: number, protocol: 'tcp', upstreams: 'tcp://a:1' }, GROUND);
}

test('a port that is not to be had is left out, said, and tried again', async () => {
  const clock = new ManualClock();
  let retries = 0;
  using ports = new FurtherPorts({ clock, log: silentLogger, onRetry: () => retries++ });
  const taken = new Set([2]);
  let open: readonly number[] = [];
  const apply = async (list: readonly PortConfig[]): Promise<void> => {
    const bad = list.find(({ config }) => taken.has(config.port));
    if (bad !== undefined) {
      const details = { port: bad.config.port };
      throw new MolnError('GATEWAY_PORT_TAKEN', `Port ${bad.config.port} is taken`, { details });
    }
    open = list.map(({ config }) => config.port);
  };
  const wanted = [port('a', 1), port('b', 2), port('c', 3)];
  await ports.applyWith(wanted, apply);
  assert.deepEqual(open, [1, 3]);
  assert.deepEqual(ports.troubles, [{ listener: 'b', message: 'Port 2 is taken' }]);
  clock.advance(10_000);
  assert.equal(retries, 1);
  taken.clear();
  await ports.applyWith(wanted, apply);
  assert.deepEqual([open, ports.troubles], [[1, 2, 3], []]);
});

test('what a gateway process finds out is laid on those that were not open; other errors are not theirs', async () => {
  using ports = new FurtherPorts({
    clock: new ManualClock(),
    log: silentLogger,
    onRetry: () => {},
  });
  await ports.applyWith([port('a', 1)], () => Promise.resolve());
  const calls: number[] = [];
  await ports.applyWith([port('a', 1), port('b', 2)], async (list) => {
    calls.push(list.length);
    const cause = new MolnError('GATEWAY_LISTEN_FAILED', 'It needs root');
    if (list.length > 1) throw new MolnError('GATEWAY_CONFIG_REFUSED', 'Refused', { cause });
  });
  assert.deepEqual(
    [calls, ports.troubles],
    [[2, 1], [{ listener: 'b', message: 'It needs root' }]],
  );
  const other = new MolnError('GATEWAY_PORT_TAKEN', 'Port 8080 is taken', {
    details: { port: 8080 },
  });
  await assert.rejects(
    ports.applyWith([port('a', 1)], () => Promise.reject(other)),
    { code: 'GATEWAY_PORT_TAKEN' },
  );
});
