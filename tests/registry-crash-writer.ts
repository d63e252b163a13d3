/**
 * The victim of `registry-crash.test.ts`: writes to a registry as fast as it can and prints a line for each commit that
 * was acknowledged, until it is killed. Usage: `node registry-crash-writer.ts FILE WRITERS`.
 */
import { writeSync } from 'node:fs';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { type Operation, openSqliteRegistry, type Registry } from '../src/registry/registry.ts';

const [path = '', writers = '1'] = process.argv.slice(2);
// Small, so that compaction and checkpoints happen between the kills.
const history = { revisionsMax: 300, bytesMax: 200_000 };
const registry = await openSqliteRegistry({
  path,
  clock: systemClock,
  log: silentLogger,
  history,
});
await Promise.all(Array.from({ length: Number(writers) }, (_, id) => write(registry, id)));

/** Every commit moves a counter, its copy and one entry of a log; all three or none may be found later. */
async function write(on: Registry, id: number): Promise<never> {
  const stored = await on.get(`/counter/${id}`);
  let revision = stored?.revision ?? 0;
  let count = Number(Buffer.from(stored?.value ?? '0').toString());
  for (;;) {
    count++;
    const value = Buffer.from(String(count));
    const padding = Buffer.alloc((count * 97) % 3000, 46);
    const operations: Operation[] = [
      { kind: 'put', key: `/counter/${id}`, value },
      { kind: 'put', key: `/copy/${id}`, value },
      { kind: 'put', key: `/log/${id}/${count}`, value: Buffer.concat([value, padding]) },
    ];
    if (count > 20) operations.push({ kind: 'delete', key: `/log/${id}/${count - 20}` });
    const result = await on.commit([{ key: `/counter/${id}`, revision }], operations);
    if (result.kind === 'conflict') throw new Error(`somebody else wrote counter ${id}`);
    ({ revision } = result);
    writeSync(1, `${id} ${count} ${revision}\n`);
  }
}
