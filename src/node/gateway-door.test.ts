import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../testing/until.ts';
import { silentLogger } from '../base/log.ts';
import { systemClock } from '../base/time.ts';
import type { Certificate, Identity, PeerNode, RevokedNode } from '../cluster/cluster.ts';
import { GatewayDoor } from './gateway-door.ts';

function peer(id: string): PeerNode {
  const rest = { region: 'home', labels: {}, silentMs: 0, address: '', port: 1, gatewayPort: 1 };
  return { id, name: id, state: 'ready', memoryMiB: 0, load: 0, isManager: false, ...rest };
}

/** Stands for what the door follows. */
class Around {
  nodes = [peer('here')];
  certificate = 'CERT1';
  changes = 0;
  revoke: (...ids: readonly string[]) => void = () => {};
  readonly #calls = new Set<() => void>();
  readonly door: GatewayDoor;

  constructor() {
    const identity = (): Pick<Identity, 'cluster' | 'certificate' | 'trustedPem'> => ({
      cluster: { id: 'c1', name: 'moln' },
      trustedPem: 'CA',
      certificate: { certificatePem: this.certificate, keyPem: 'KEY' } as Certificate,
    });
    this.door = new GatewayDoor({
      place: { address: '::', port: 7423 },
      peers: {
        all: () => this.nodes,
        onChange: (call) => {
          this.#calls.add(call);
          return { [Symbol.dispose]: () => this.#calls.delete(call) };
        },
      },
      members: { watchRevoked: (signal) => this.#watch(signal) },
      get identity() {
        return identity();
      },
      clock: systemClock,
      log: silentLogger,
      onChange: () => void this.changes++,
    });
  }

  members(...ids: readonly string[]): void {
    this.#tell(ids.map(peer));
  }

  become(changed: PeerNode): void {
    this.#tell(this.nodes.map((node) => (node.id === changed.id ? changed : node)));
  }

  #tell(nodes: PeerNode[]): void {
    this.nodes = nodes;
    for (const call of this.#calls) call();
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, RevokedNode>> {
    const queue: (readonly string[])[] = [[]];
    let wake = (): void => {};
    this.revoke = (...ids) => {
      queue.push(ids);
      wake();
    };
    signal.addEventListener('abort', () => wake(), { once: true });
    while (!signal.aborted) {
      const next = queue.shift();
      if (next !== undefined) {
        const revoked = { at: 0, serials: [], isCutOff: false };
        yield new Map(next.map((id) => [id, { id, name: id, ...revoked }]));
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
}

test('no door while the node is alone; one as soon as it has company', async () => {
  const around = new Around();
  await using door = around.door;
  door.start();
  assert.equal(door.config(), undefined);
  around.members('here', 'there');
  assert.equal(around.changes, 1);
  assert.deepEqual(door.config(), {
    address: '::',
    port: 7423,
    cert: 'CERT1',
    key: 'KEY',
    authority: 'CA',
    clusterId: 'c1',
    revoked: [],
    silent: [],
  });
  around.members('here', 'there', 'far');
  assert.equal(around.changes, 1, 'more company is no news');
  around.certificate = 'CERT2';
  assert.equal(door.config()?.cert, 'CERT2', 'the newest certificate');
  around.members('here');
  assert.notEqual(door.config(), undefined, 'routes may lead out for a moment more');
  assert.equal(around.changes, 1);
});

test('who is not heard is named, once', async () => {
  const around = new Around();
  around.nodes = [peer('here'), peer('there')];
  await using door = around.door;
  door.start();
  around.become({ ...peer('there'), state: 'suspect' });
  assert.deepEqual(door.config()?.silent, ['there']);
  around.become({ ...peer('there'), state: 'lost' });
  assert.equal(around.changes, 1, 'lost is no news');
  around.become(peer('there'));
  assert.deepEqual(door.config()?.silent, []);
  assert.equal(around.changes, 2);
});

test('who is forgotten is refused from then on', async () => {
  const around = new Around();
  around.nodes = [peer('here'), peer('there')];
  await using door = around.door;
  door.start();
  around.revoke('b', 'a');
  await until('the list is there', () => around.changes === 1);
  assert.deepEqual(door.config()?.revoked, ['a', 'b']);
  around.revoke('a', 'b');
  around.revoke('a', 'b', 'c');
  await until('the longer list is there', () => door.config()?.revoked.length === 3);
  assert.equal(around.changes, 2, 'the same list is no news');
});
