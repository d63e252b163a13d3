/** One append to a log in etcd, alone: what a database's insert of one client is compared with. */
import { randomBytes } from 'node:crypto';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { openEtcdRegistry } from '../src/registry/registry.ts';

const WARM = 200;
/** An entry of one small row. */
const ENTRY_BYTES = 220;
const HEAD_BYTES = 60;

/** Milliseconds at the half and at 99 % of those that followed each other for so long: two conditions and two keys, as `RegistryLog` has them. */
export async function oneAppend(
  endpoints: readonly string[],
  seconds: number,
): Promise<{ readonly p50Ms: number; readonly p99Ms: number }> {
  await using registry = await openEtcdRegistry({
    endpoints,
    prefix: '/one-append/',
    client: 'bench',
    clock: systemClock,
    log: silentLogger,
  });
  const put = (key: string, bytes: number) =>
    ({ kind: 'put', key, value: randomBytes(bytes) }) as const;
  const claimed = await registry.commit([], [put('/primary', HEAD_BYTES)]);
  let revision = 0;
  const times: number[] = [];
  let endsMs = Infinity;
  for (let index = 1; performance.now() < endsMs; index++) {
    if (index === WARM) endsMs = performance.now() + seconds * 1000;
    const began = performance.now();
    const done = await registry.commit(
      [
        { key: '/primary', revision: claimed.revision },
        { key: '/head', revision },
      ],
      [put(`/entry/${index}`, ENTRY_BYTES), put('/head', HEAD_BYTES)],
    );
    if (done.kind !== 'committed') throw new Error('An append was refused');
    ({ revision } = done);
    if (index >= WARM) times.push(performance.now() - began);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
