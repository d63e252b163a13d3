/** A small upstream for gateway tests: says its name, answers late when asked, echoes after an upgrade. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';

export class UpstreamServer implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #upgraded = new Set<Socket>();
  /** Called by a request for `/late`; its answer goes out when the promise resolves. */
  onLate: () => Promise<void> = async () => {};

  constructor(path: string, name: string) {
    this.path = path;
    this.#server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
      const late = request.url === '/late' ? this.onLate() : Promise.resolve();
      late.then(
        () => response.end(name),
        () => response.destroy(),
      );
    });
    this.#server.on('upgrade', (_request, socket: Socket) => {
      this.#upgraded.add(socket);
      socket.on('close', () => this.#upgraded.delete(socket));
      socket.on('error', () => socket.destroy());
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n',
      );
      socket.pipe(socket);
    });
  }

  async start(): Promise<void> {
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#upgraded) socket.destroy();
    this.#server.closeAllConnections();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }
}
