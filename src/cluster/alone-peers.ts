/** The peers of a node that has none: itself, always ready. For parts that run without a cluster around them. */
import { PassThrough } from 'node:stream';
import { nodeUnknown } from './join-errors.ts';
import type { PeerNode, Peers } from './peers.ts';

const MEMORY_MIB = 1024 * 1024;

export function alonePeers(node: { readonly id: string; readonly name: string }): Peers {
  const own: PeerNode = {
    ...node,
    region: 'home',
    labels: {},
    state: 'ready',
    silentMs: 0,
    address: '127.0.0.1',
    port: 0,
    gatewayPort: 0,
    memoryMiB: MEMORY_MIB,
    load: 0,
    isManager: true,
  };
  return {
    self: node.id,
    all: () => [own],
    ready: () => [own],
    get: (id) => (id === node.id ? own : undefined),
    goneMs: () => Infinity,
    call: () => Promise.reject(nodeUnknown()),
    open: () => Promise.resolve(new PassThrough().destroy(nodeUnknown())),
    onChange: () => ({ [Symbol.dispose]: () => {} }),
  };
}
