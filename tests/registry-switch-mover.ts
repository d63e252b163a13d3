/**
 * The victim of `registry-switch.test.ts`: copies an embedded registry to etcd and then waits, as a node that has not noted yet
 * that it uses the copy. Usage: `node registry-switch-mover.ts FILE ENDPOINT`.
 */
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { copyRegistry, openEtcdRegistry, openSqliteRegistry } from '../src/registry/registry.ts';

const [path = '', endpoint = ''] = process.argv.slice(2);
const common = { clock: systemClock, log: silentLogger } as const;
const from = await openSqliteRegistry({ path, ...common });
const to = await openEtcdRegistry({ endpoints: [endpoint], prefix: '/moln/', ...common });
await copyRegistry({ from, to, freeze: () => Promise.resolve() });
// Longer than any test: somebody kills it.
await systemClock.sleep(600_000);
