/**
 * `null-crowd-main.ts PORT`: takes requests without looking at them, and answers all of them with the same few bytes when its parent
 * says so. What a crowd costs any process of Node on this machine: a write for each client, and nothing else.
 */
import { createServer } from 'node:net';
import { DirectWriter, proveHandles, takeReads } from '../src/net/net.ts';

const ANSWER =
  'HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nAge: 0\r\n' +
  'Content-Length: 10485760\r\nCache-Status: Moln; fwd=uri-miss; ttl=600; collapsed\r\n\r\nx';

const waiting: DirectWriter[] = [];

await proveHandles();
const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  const writer = new DirectWriter(socket);
  takeReads(socket, () => waiting.push(writer));
});
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096, reusePort: true });
server.once('listening', () => process.send?.('ready'));
process.on('message', () => {
  for (const writer of waiting.splice(0)) writer.writeText(ANSWER);
});
