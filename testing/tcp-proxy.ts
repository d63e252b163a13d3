/** A TCP proxy that can be as bad as a network: slow, cut, or silent in one direction or both. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Taken so far. */
  readonly connections: number;
  /** Bytes that came from clients so far, forwarded or held. */
  readonly bytesAsked: number;
  /** Bytes that came from the target so far. */
  readonly bytesAnswered: number;
  /** Every piece comes so much later, in order. */
  delay(ms: number): void;
  /** Keeps what clients say, what they are answered, or both, until `release`; new connections too. */
  hold(direction: 'requests' | 'answers' | 'both'): void;
  /** Passes on what was held, also when the other end has gone meanwhile, and everything from now on. */
  release(): void;
  /** Resets all connections of clients; what is held for the target stays, and its side stays open. */
  cutClients(): void;
  /** Resets all connections on both sides and, if so wished, refuses new ones until `accept`. */
  cut(options?: { readonly refuse?: boolean }): void;
  accept(): void;
}

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
  held: (() => void)[];
  /** What comes later, by the socket that it goes to: in order, also when the delay changes. */
  readonly late: Map<Socket, { readonly dueMs: number; readonly write: () => void }[]>;
}

/** Writes what is due and comes again for the rest. */
function passLate(pair: Pair, to: Socket): void {
  const late = pair.late.get(to) ?? [];
  for (let first = late[0]; first !== undefined; first = late[0]) {
    const waitMs = first.dueMs - performance.now();
    if (waitMs > 0) return void setTimeout(() => passLate(pair, to), waitMs);
    late.shift();
    first.write();
  }
  pair.late.delete(to);
}

export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let delayMs = 0;
  let holding: 'none' | 'requests' | 'answers' | 'both' = 'none';
  let refusing = false;
  let connections = 0;
  let bytesAsked = 0;
  let bytesAnswered = 0;
  const pass = (pair: Pair, to: Socket, data: Buffer): void => {
    const write = (): void => {
      if (to.writable) to.write(data);
    };
    const direction = to === pair.target ? 'requests' : 'answers';
    if (holding === 'both' || holding === direction) pair.held.push(write);
    else if (delayMs > 0 || pair.late.has(to)) {
      const late = pair.late.get(to);
      const one = { dueMs: performance.now() + delayMs, write };
      if (late !== undefined) return void late.push(one);
      pair.late.set(to, [one]);
      passLate(pair, to);
    } else write();
  };
  const server = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    connections++;
    const pair: Pair = {
      client,
      target: connect(target.port, '127.0.0.1'),
      held: [],
      late: new Map(),
    };
    pairs.add(pair);
    client.on('data', (data) => {
      bytesAsked += data.length;
      pass(pair, pair.target, data);
    });
    pair.target.on('data', (data) => {
      bytesAnswered += data.length;
      pass(pair, client, data);
    });
    // A reset is what this is for; the other side learns of it unless something is still held for it.
    for (const socket of [client, pair.target]) {
      const other = socket === client ? pair.target : client;
      socket.on('error', () => {});
      socket.on('close', () => {
        if (pair.held.length === 0) other.destroy();
        if (pair.client.destroyed && pair.target.destroyed) pairs.delete(pair);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = ({ refuse = false } = {}): void => {
    refusing = refuse;
    for (const pair of pairs) {
      pair.held = [];
      pair.client.resetAndDestroy();
      pair.target.resetAndDestroy();
    }
  };
  return {
    port,
    get connections() {
      return connections;
    },
    get bytesAsked() {
      return bytesAsked;
    },
    get bytesAnswered() {
      return bytesAnswered;
    },
    delay: (ms) => void (delayMs = ms),
    hold: (direction) => void (holding = direction),
    release() {
      holding = 'none';
      for (const pair of pairs) for (const write of pair.held.splice(0)) write();
    },
    cutClients() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    cut,
    accept: () => void (refusing = false),
    async [Symbol.asyncDispose]() {
      cut({ refuse: true });
      server.close();
      await once(server, 'close');
    },
  };
}
