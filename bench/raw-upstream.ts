/**
 * The fastest upstream that we can write: `node raw-upstream.ts PORT`. It answers every head with the same bytes: 1 KB,
 * or 1 MB for targets that begin with `/large`. It trusts its caller and is for measurements only.
 */
import { createServer } from 'node:net';

const SMALL = answer(1024);
const LARGE = answer(1024 * 1024);
const HEAD_END = '\r\n\r\n';

function answer(bytes: number): Buffer {
  const head =
    'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: max-age=3600\r\n' +
    `Content-Length: ${bytes}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, 'x')]);
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('data', (chunk: Buffer) => {
    const text = rest + chunk.toString('latin1');
    let from = 0;
    for (;;) {
      const end = text.indexOf(HEAD_END, from);
      if (end < 0) break;
      socket.write(text.startsWith('GET /large', from) ? LARGE : SMALL);
      from = end + HEAD_END.length;
    }
    rest = from === text.length ? '' : text.slice(from);
  });
  socket.on('error', () => socket.destroy());
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
