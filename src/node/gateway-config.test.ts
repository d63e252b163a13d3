import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MolnError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { NodeDoorConfig } from '../gateway/config.ts';
import type { GatewayConfigContent } from '../gateway/gateway.ts';
import { GatewayConfigurer } from './gateway-config.ts';

const DOOR: NodeDoorConfig = {
  address: '::',
  port: 7423,
  cert: 'CERT',
  key: 'KEY',
  authority: 'CA',
  clusterId: 'c1',
  revoked: [],
  silent: [],
};
const SET = {
  routes: [
    {
      id: 'app/shop',
      hosts: ['shop.test'],
      path: '/',
      target: { kind: 'respond', status: 503, message: '' },
    },
  ],
  locals: [{ id: 'a', address: { kind: 'socket', path: '/s' } }],
} as const;

const SHARING = { self: { node: 'a', name: 'a', region: 'home' }, nodes: [] };

function configurer(
  node: NodeDoorConfig | undefined,
  take: (content: GatewayConfigContent) => void,
): GatewayConfigurer {
  return new GatewayConfigurer({
    supervisor: {
      apply: async (content) => {
        take(content);
        return 1;
      },
    },
    certificate: { of: async (hosts) => [{ cert: [...hosts].join(), key: '' }] },
    certs: {
      now: () => ({
        state: { settings: undefined, certificates: [], orders: [], failures: [] },
        certificates: [],
        challenges: undefined,
        ticketKeys: undefined,
      }),
    },
    places: [
      { id: 'http', address: '::', port: 8080, protocol: 'http' },
      { id: 'https', address: '::', port: 8443, protocol: 'https' },
    ],
    door: { config: () => node },
    sharing: { config: () => SHARING },
    ports: { applyWith: (ports, apply) => apply(ports) },
    region: () => 'east',
    log: silentLogger,
  });
}

function refused(code: string): MolnError {
  return new MolnError('GATEWAY_CONFIG_REFUSED', 'Refused', { cause: new MolnError(code, 'Why') });
}

test('alone there is no word of other nodes; in company there is', async () => {
  const taken: GatewayConfigContent[] = [];
  await configurer(undefined, (content) => void taken.push(content)).apply(SET);
  await configurer(DOOR, (content) => void taken.push(content)).apply(SET);
  const [alone, together] = taken;
  assert.ok(alone !== undefined && !('node' in alone) && !('locals' in alone));
  assert.deepEqual(alone.listeners[1]?.tls, { cert: 'shop.test', key: '' });
  assert.deepEqual([together?.node, together?.locals], [DOOR, SET.locals]);
});

test('a taken port for other nodes does not keep the routes back', async () => {
  const ports: (number | undefined)[] = [];
  const gateways = configurer(DOOR, ({ node }) => {
    ports.push(node?.port);
    if (node?.port !== 0) throw refused('GATEWAY_PORT_TAKEN');
  });
  await gateways.apply(SET);
  assert.deepEqual(ports, [7423, 0]);
  await gateways.apply(SET);
  assert.deepEqual(ports, [7423, 0, 7423, 0], 'it is tried again each time');
});

test('what else is refused stays refused', async () => {
  const other = configurer(DOOR, () => {
    throw refused('CONFIG_INVALID');
  });
  await assert.rejects(other.apply(SET), { code: 'GATEWAY_CONFIG_REFUSED' });
  const clients = configurer(DOOR, () => {
    throw new MolnError('GATEWAY_PORT_TAKEN', 'Port 8080 is taken');
  });
  await assert.rejects(clients.apply(SET), { code: 'GATEWAY_PORT_TAKEN' });
});
