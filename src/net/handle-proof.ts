/**
 * Whether what is beneath `node:net` in this Node is what `direct-reads.ts` and `direct-writes.ts` take it for: tried once, over a
 * socket that nobody else knows of. Before that, and when it fails, everything goes through streams, and only speed is lost.
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
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const path = `\0moln-${randomBytes(12).toString('hex')}`;
  let client: Socket | undefined;
  let accepted: Socket | undefined;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    server.listen(path);
    await once(server, 'listening', { signal });
    const came = once(server, 'connection', { signal }) as Promise<[Socket]>;
    client = connect({ path, allowHalfOpen: true });
    // What breaks does not go on: that is what is looked at.
    client.on('error', () => undefined);
    [accepted] = await came;
    accepted.on('error', () => undefined);
    if (client.connecting) await once(client, 'connect', { signal });
    if (await carries(accepted, client, signal)) return true;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  } finally {
    client?.destroy();
    accepted?.destroy();
    server.close();
  }
  trust(undefined);
  return false;
}

function byteAt(position: number): number {
  return Math.floor(position / PIECE_BYTES) % 251;
}

/** All that is written comes, in order, though the reader pauses until the kernel takes no more. */
async function carries(writing: Socket, reading: Socket, signal: AbortSignal): Promise<boolean> {
  const writer = new DirectWriter(writing);
  let sent = 0;
  let freed = 0;
  const send = (): void => {
    writer.write(Buffer.alloc(PIECE_BYTES, byteAt(sent * PIECE_BYTES)), () => freed++);
    sent++;
  };
  send();
  if (freed !== 1) return false;
  while (!writer.blocked && sent < PIECES_MAX) send();
  let received = 0;
  let isInOrder = true;
  const drained = once(writing, 'drain', { signal });
  takeReads(reading, (bytes, size) => {
    // Of each read the first byte and the last.
    isInOrder &&= bytes[0] === byteAt(received) && bytes[size - 1] === byteAt(received + size - 1);
    received += size;
  });
  await drained;
  send();
  // It has not ended before; a promise that nobody awaits yet could fail unheard.
  const ended = once(reading, 'end', { signal });
  writing.end();
  await ended;
  return isInOrder && received === sent * PIECE_BYTES && freed === sent;
}
