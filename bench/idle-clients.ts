/**
 * Holds idle kept-alive connections: `node idle-clients.ts PORT COUNT PATH`. Each has asked once and read its answer,
 * as a browser's would. Prints `ready` when all are idle, and stays until killed.
 */
import { connect } from 'node:net';

const [port = 0, count = 0] = process.argv.slice(2, 4).map(Number);
const path = process.argv[4] ?? '/';
/** Connections being opened at one time: below every server's backlog. */
const PARALLEL = 64;
let opened = 0;
let ready = 0;

function openNext(): void {
  if (opened >= count) return;
  opened++;
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: bench.test\r\n\r\n`);
  socket.once('data', () => {
    socket.resume();
    ready++;
    if (ready === count) process.stdout.write('ready\n');
    openNext();
  });
  const lost = (): void => {
    process.stderr.write(`A connection was lost with ${ready} of ${count} open\n`);
    process.exit(1);
  };
  socket.on('error', lost);
  socket.on('close', lost);
}

for (let index = 0; index < PARALLEL; index++) openNext();
