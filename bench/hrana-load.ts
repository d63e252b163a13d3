/**
 * Clients of a database as a process of their own: `node hrana-load.ts JSON`, see `Load`. Each has one connection that is kept, and sends its next
 * statement when the last one is answered. Prints what they measured as JSON. Nothing of HTTP is read but what says where an answer ends: a client that costs
 * as much as the server would be what is measured. Goes on until its input ends, so that its CPU time can be read.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { latin1 } from '../src/http/latin1.ts';

export interface Load {
  /** A unix socket, or a port on loopback. */
  readonly at: { readonly path: string } | { readonly port: number };
  /** `/db/NAME/`, perhaps with a read level. */
  readonly base: string;
  readonly token: string | undefined;
  readonly kind: 'insert' | 'read';
  readonly clients: number;
  readonly warmSeconds: number;
  readonly seconds: number;
  /** Rows to read from, by ids from 1 on. */
  readonly rows: number;
  /** Bytes of text in a row that is inserted, of a kind that cannot be packed well; left out: some. */
  readonly rowBytes?: number;
}

export interface Measured {
  readonly statements: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const load = JSON.parse(process.argv[2] ?? '') as Load;
const times: number[] = [];
let next = 1;
let isMeasuring = false;

function requestOf(n: number): string {
  const id = { type: 'integer', value: String(load.kind === 'read' ? 1 + (n % load.rows) : n) };
  const stmt =
    load.kind === 'read'
      ? { sql: 'SELECT name, n FROM item WHERE id = ?', args: [id] }
      : {
          sql: 'INSERT INTO item (name, n) VALUES (?, ?)',
          args: [{ type: 'text', value: nameOf(n) }, id],
        };
  const body = JSON.stringify({ requests: [{ type: 'execute', stmt }, { type: 'close' }] });
  return `POST ${load.base}v2/pipeline HTTP/1.1\r\nhost: localhost\r\n${
    load.token === undefined ? '' : `authorization: Bearer ${load.token}\r\n`
  }content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function nameOf(n: number): string {
  if (load.rowBytes === undefined) return `name ${n}`;
  return randomBytes((load.rowBytes * 3) / 4).toString('base64');
}

function failed(what: string): never {
  process.stderr.write(`${what}\n`);
  process.exit(1);
}

function start(): Socket {
  let sentAt = 0;
  let answer = '';
  const send = (): void => {
    sentAt = performance.now();
    socket.write(requestOf(next++), 'latin1');
  };
  const take = (size: number, buffer: Uint8Array): boolean => {
    answer += latin1(buffer as Buffer, 0, size);
    const head = answer.indexOf('\r\n\r\n');
    const length = Number(/^content-length: (\d+)/im.exec(answer)?.[1] ?? Number.NaN);
    if (head < 0 || !(answer.length >= head + 4 + length)) return true;
    if (!answer.startsWith('HTTP/1.1 200') || answer.includes('"error"', head)) failed(answer);
    answer = '';
    if (isMeasuring) times.push(performance.now() - sentAt);
    send();
    return true;
  };
  const onread = { buffer: Buffer.alloc(16 * 1024), callback: take };
  const socket = connect({ ...load.at, onread }, send);
  socket.on('error', (error) => failed(error.message));
  socket.on('close', () => failed('A connection was closed'));
  return socket;
}

for (let client = 0; client < load.clients; client++) start();
process.stdin.on('end', () => process.exit(0)).resume();
setTimeout(() => {
  isMeasuring = true;
  const began = performance.now();
  process.stdout.write('measuring\n');
  setTimeout(() => {
    const seconds = (performance.now() - began) / 1000;
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
    const measured: Measured = {
      statements: times.length,
      seconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  }, load.seconds * 1000);
}, load.warmSeconds * 1000);
