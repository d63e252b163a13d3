/** A data plane in a process of its own, so that its memory can be measured: `fork(this, [socket, root])`. */
import { silentLogger } from '../src/base/log.ts';
import { DataPlane } from '../src/gateway/data-plane.ts';
import { DEFAULT_GATEWAY_LIMITS } from '../src/gateway/limits.ts';

const [upstream = '', root = ''] = process.argv.slice(2);
const plane = new DataPlane({ log: silentLogger, reusePort: false });
await plane.apply({
  version: 1,
  limits: DEFAULT_GATEWAY_LIMITS,
  listeners: [{ id: 'http', address: '127.0.0.1', port: 0, protocol: 'http' }],
  routes: [
    {
      id: 'app',
      hosts: ['*'],
      path: '/',
      target: {
        kind: 'upstreams',
        upstreams: [{ id: 'one', address: { kind: 'socket', path: upstream } }],
      },
    },
    { id: 'files', hosts: ['*'], path: '/static', target: { kind: 'static', root } },
  ],
});
let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 10);
process.on('message', () => {
  process.send?.({ port: plane.port('http'), rss: process.memoryUsage.rss(), peak });
  peak = process.memoryUsage.rss();
});
process.on('disconnect', () => {
  clearInterval(watch);
  void plane[Symbol.asyncDispose]();
});
process.send?.({ port: plane.port('http'), rss: process.memoryUsage.rss(), peak });
