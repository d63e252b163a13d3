/** An instance as a process of its own, to be killed or stopped: `fork(this, [socket path or port])`. Says `ready`; its backlog is soon full. */
import { createServer } from 'node:http';

const [place = ''] = process.argv.slice(2);
const server = createServer((request, response) => {
  if (request.url === '/never') process.send?.('asked');
  else response.end('ok');
});
const where = /^\d+$/.test(place) ? { host: '127.0.0.1', port: Number(place) } : { path: place };
server.listen({ ...where, backlog: 1 }, () => process.send?.('ready'));
process.on('disconnect', () => process.exit(0));
