/**
 * One node of `database-failover.test.ts`: a copy of a stripe on a real etcd, which leads when nobody does. Asked over IPC. Usage:
 * `node database-node.ts FOLDER NAME PREFIX ENDPOINTS [CRASH_POINT]`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  failureOfError,
  type NodeReply,
  type NodeRequest,
  SUCCESSION,
} from '../testing/database-nodes.ts';
import { randomId } from '../src/base/ids.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { runCandidate, setCrashHook } from '../src/database/database.ts';
import { openEtcdRegistry } from '../src/registry/registry.ts';
import { startDatabase } from '../testing/database-kit.ts';

const [folder = '', node = '', prefix = '', endpoints = '', crashAt = ''] = process.argv.slice(2);
/** etcd grants two seconds at least. */
const TTL_MS = 2000;

await mkdir(join(folder, node), { recursive: true });
const registry = await openEtcdRegistry({
  endpoints: endpoints.split(','),
  prefix,
  client: node,
  clock: systemClock,
  log: silentLogger,
});
const on = await startDatabase({ registry, folder });
const record = { node, life: randomId() };
setCrashHook((point) => {
  if (point === crashAt) process.kill(process.pid, 'SIGKILL');
});
const stripe = await on.copy(node, { record, primaryTtlMs: TTL_MS });
let succeeded = Promise.withResolvers<void>();
process.on('message', (request: NodeRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
process.send?.({ id: -1, value: 'ready' } satisfies NodeReply);
await runCandidate(
  { stripe, record, clock: systemClock, logger: silentLogger, everyMs: 200 },
  new AbortController().signal,
);

async function answer({ id, ask }: NodeRequest): Promise<NodeReply> {
  try {
    switch (ask.kind) {
      case 'execute':
        return { id, value: await stripe.execute(ask.statements) };
      case 'query':
        return { id, value: await stripe.query(ask.statement, ask.level) };
      case 'status':
        return { id, value: stripe.status };
      case 'digest':
        return { id, value: (await stripe.catchUp(), await stripe.digest()) };
      case 'release':
        return { id, value: await stripe.release() };
      case 'lead':
        return { id, value: await stripe.lead({ replaces: ask.replaces }) };
      case 'move':
        succeeded = Promise.withResolvers();
        await stripe.release((replaces) => {
          process.send?.({ id: SUCCESSION, value: replaces } satisfies NodeReply);
          return succeeded.promise;
        });
        return { id, value: undefined };
      case 'led':
        return { id, value: succeeded.resolve() };
    }
  } catch (error) {
    return { id, error: failureOfError(error) };
  }
}
