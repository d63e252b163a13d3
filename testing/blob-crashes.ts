/** Kills a process that writes blobs, at a random moment, again and again on one folder, and looks at what is there each time. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LocalBlobs } from '../src/blobs/blobs.ts';
import { blobBytes, blobId, bytesOf } from './blob-conformance.ts';
import { BlobNode } from './blob-kit.ts';
import { type Seeded, seeded } from './seeded.ts';

const WRITER = join(import.meta.dirname, 'blob-writer-main.ts');
const GROWN_BYTES_MAX = 600_000;
/** Acknowledgements before the kill. */
const ACKNOWLEDGED_MOST = 200;

interface Known {
  /** Undefined: it grows. */
  length: number | undefined;
  /** At least so many bytes of one that grows. */
  grown: number;
  acknowledged: boolean;
  deleting: boolean;
  deleted: boolean;
}

/** What a process must have left, by what it has said. */
class Ledger {
  readonly known = new Map<number, Known>();

  note(line: string): void {
    const [state, verb, id = '', size = ''] = line.split(' ');
    const n = Number(id);
    const known = this.known.get(n) ?? {
      length: verb === 'grow' ? undefined : Number(size),
      grown: 0,
      acknowledged: false,
      deleting: false,
      deleted: false,
    };
    this.known.set(n, known);
    const did = state === 'did';
    if (verb === 'delete') {
      known.deleting = true;
      known.deleted ||= did;
    } else if (did) {
      known.acknowledged = true;
      if (verb === 'grow') known.grown = Number(size);
    }
  }

  async check(store: LocalBlobs): Promise<void> {
    for (const [n, known] of this.known) await checkOne(store, n, known);
    const usage = (await store.usage()).backends[0];
    const listed = await store.list(undefined, 10_000);
    assert.equal(usage?.blobs, listed.length);
    for (const { id } of listed) assert.equal(await store.verify(id), 'good');
  }
}

async function checkOne(store: LocalBlobs, n: number, known: Known): Promise<void> {
  const stat = await store.stat(blobId(n));
  if (known.deleted) {
    assert.equal(stat, undefined, `blob ${n} was deleted and is back`);
    return;
  }
  if (stat === undefined) {
    assert.ok(!known.acknowledged || known.deleting, `blob ${n} was acknowledged and is gone`);
    return;
  }
  const wanted = blobBytes(n, known.length ?? GROWN_BYTES_MAX).subarray(0, stat.length);
  assert.equal(wanted.length, stat.length);
  if (known.length === undefined) {
    assert.ok(stat.length >= known.grown, `blob ${n} has ${stat.length} of ${known.grown} bytes`);
  } else assert.equal(stat.length, known.length);
  assert.ok((await bytesOf(await store.get(blobId(n)))).equals(wanted), `blob ${n} has changed`);
}

/** Returns how much was acknowledged in all. */
export async function crashWriters(rounds: number, seed: number): Promise<number> {
  const random = seeded(seed);
  const ledger = new Ledger();
  let acknowledged = 0;
  await using node = await BlobNode.start();
  await node.close();
  for (let round = 0; round < rounds; round++) {
    acknowledged += await killOne(node.folder, seed + round, random, ledger);
    await node.open({});
    assert.deepEqual(readdirSync(join(node.folder, 't')), []);
    await ledger.check(node.store);
    await node.close();
  }
  return acknowledged;
}

async function killOne(
  folder: string,
  seed: number,
  random: Seeded,
  ledger: Ledger,
): Promise<number> {
  const most = 1 + random.below(ACKNOWLEDGED_MOST);
  const child = spawn(process.execPath, [WRITER, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let count = 0;
  for await (const line of createInterface(child.stdout)) {
    ledger.note(line);
    if (!line.startsWith('did ')) continue;
    count++;
    if (count === most) child.kill('SIGKILL');
  }
  assert.equal(child.signalCode ?? (await ended(child)), 'SIGKILL');
  return count;
}

function ended(child: ReturnType<typeof spawn>): Promise<string | null> {
  return new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
}
