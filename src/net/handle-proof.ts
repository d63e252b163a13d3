/**
 * Whether what is beneath `node:net` in this Node is what `direct-reads.ts` and `direct-writes.ts` take it for: tried once, over
 * sockets of its own. Before that, and when it fails, everything goes through streams, and only speed is lost.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { takeReads } from './direct-reads.ts';
import { DirectWriter } from './direct-writes.ts';
import { streamBinding, trust } from './stream-binding.ts';

const PIECE_BYTES = 16 * 1024;
/** More than any kernel keeps for a reader that does not read. */
const PIECES_MAX = 4096;
const PATIENCE_MS = 5000;

let proof: Promise<boolean> | undefined;

/** True when sockets are read and written directly from now on. */
export async function proveHandles(): Promise<boolean> {
  proof ??= prove();
  return await proof;
}

async function prove(): Promise<boolean> {
  const found = streamBinding();
  if (found === undefined) return false;
  trust(found);
  // Each kind of socket has a handle of its own.
  const path = `\0moln-${randomBytes(12).toString('hex')}`;
  if ((await isProven({ path })) && (await isProven({ host: '127.0.0.1', port: 0 }))) return true;
  trust(undefined);
  return false;
}

type Place = { readonly path: string } | { readonly host: string; readonly port: number };

async function isProven(place: Place): Promise<boolean> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  let client: Socket | undefined;
  let accepted: Socket | undefined;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    server.listen(place);
    await once(server, 'listening', { signal });
    const came = once(server, 'connection', { signal }) as Promise<[Socket]>;
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    client = connect({ ...place, ...('port' in place && { port }), allowHalfOpen: true });
    // What breaks does not go on: that is what is looked at.
    client.on('error', () => undefined);
    [accepted] = await came;
    accepted.on('error', () => undefined);
    if (client.connecting) await once(client, 'connect', { signal });
    return await carries(accepted, client, signal);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  } finally {
    client?.destroy();
    accepted?.destroy();
    server.close();
  }
}

function byteAt(position: number): number {
  return Math.floor(position / PIECE_BYTES) % 251;
}

/** All that is written comes, in order, though the reader pauses until the kernel takes no more. */
async function carries(writing: Socket, reading: Socket, signal: AbortSignal): Promise<boolean> {
  const writer = new DirectWriter(writing);
  let sent = 0;
  let freed = 0;
  const piece = (size: number): Buffer => Buffer.alloc(size, byteAt(sent * PIECE_BYTES));
  const send = (): void => {
    const free = (): unknown => freed++;
    const half = PIECE_BYTES / 2;
    if (sent % 3 === 0) writer.write(piece(PIECE_BYTES), free);
    else if (sent % 3 === 1) writer.writeAll([piece(half), piece(half)], free);
    else {
      writer.writeText(piece(PIECE_BYTES).toString('latin1'));
      freed++;
    }
    sent++;
  };
  send();
  if (freed !== 1) return false;
  while (!writer.blocked && sent < PIECES_MAX) send();
  let received = 0;
  let isInOrder = true;
  const drained = once(writing, 'drain', { signal });
  const take = (bytes: Buffer, size: number): void => {
    // Of each read the first byte and the last.
    isInOrder &&= bytes[0] === byteAt(received) && bytes[size - 1] === byteAt(received + size - 1);
    received += size;
  };
  takeReads(reading, take, { mayOwn: true });
  await drained;
  send();
  // It has not ended before; a promise that nobody awaits yet could fail unheard.
  const ended = once(reading, 'end', { signal });
  writing.end();
  await ended;
  return isInOrder && received === sent * PIECE_BYTES && freed === sent;
}
