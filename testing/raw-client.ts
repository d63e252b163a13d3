/** Connections to a server of files of which a test writes each byte itself. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** `server` listens until the stack is disposed. Gives what opens a connection to it, with its first bytes. */
export async function listenRaw(
  stack: AsyncDisposableStack,
  server: Server,
): Promise<(text: string) => Socket> {
  server.listen(0, '127.0.0.1');
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return (text) => {
    const socket = connect(port, '127.0.0.1');
    stack.defer(() => void socket.destroy());
    socket.on('error', () => undefined);
    socket.write(text);
    return socket;
  };
}

/** All that came until the connection was closed. */
export async function said(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
  await once(socket, 'close');
  return text;
}
