/** An instance whose backlog is soon full: `fork(this, [socket path or port])`. Says `ready`, and answers while it is not stopped. */
import { createServer } from 'node:http';

const [place = ''] = process.argv.slice(2);
const server = createServer((request, response) => {
  if (request.url === '/never') process.send?.('asked');
  else response.end('ok');
});
const where = /^\d+$/.test(place) ? { host: '127.0.0.1', port: Number(place) } : { path: place };
server.listen({ ...where, backlog: 1 }, () => process.send?.('ready'));
process.on('disconnect', () => process.exit(0));
