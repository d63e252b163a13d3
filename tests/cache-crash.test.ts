/**
 * The disk tier of the cache through the worst: kill -9 at any moment, and a disk that is full. It may lose what it likes, but whatever it
 * gives is complete, and nothing that was replaced or removed comes back.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { DiskTier } from '../src/cache/cache.ts';
import { bodyOf, contents, storedOf } from '../testing/tier-conformance.ts';

const ROUNDS = 12;
const KEYS = 30;
const DISK_BYTES = 4 * 1024 * 1024;

function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'moln-cache-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The highest stamp that was confirmed for each key. */
type Confirmed = Map<number, number>;

async function writeAndKill(folder: string, confirmed: Confirmed, changes: number): Promise<void> {
  const script = join(import.meta.dirname, 'cache-crash-writer.ts');
  const first = Math.max(0, ...confirmed.values()) + 1000;
  const child = spawn(process.execPath, [script, folder, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [number, stamp] = line.split(' ').map(Number);
    if (number === undefined || stamp === undefined) continue;
    confirmed.set(number, Math.max(stamp, confirmed.get(number) ?? 0));
    if (++seen === changes) child.kill('SIGKILL');
  }
  const [, signal] = (await exit) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself');
}

test('kill -9 in the middle of writing leaves nothing wrong', async (context) => {
  const folder = folderOf(context);
  const confirmed: Confirmed = new Map();
  let found = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await writeAndKill(folder, confirmed, 50 + round * 37);
    await using tier = await DiskTier.open({ folder, bytesMax: DISK_BYTES });
    for (let number = 0; number < KEYS; number++) {
      const key = `key ${number}`;
      for (const [entry, stamp, body] of await contents(tier, key)) {
        const wanted = bodyOf(`${key} at ${stamp}`, entry.length).toString('latin1');
        assert.equal(body, wanted);
        const last = confirmed.get(number) ?? 0;
        assert(stamp >= last, `${key} of ${stamp} is there, ${last} was confirmed`);
        found++;
      }
    }
  }
  assert(found > ROUNDS * 5, `only ${found} were found`);
});

/** A folder with a disk of its own, or undefined where that is not allowed. */
function smallDisk(context: TestContext): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'moln-cache-full-'));
  try {
    const options = ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', folder];
    execFileSync('mount', options, { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  context.after(() => {
    execFileSync('umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

test('a full disk is a miss, and nothing that was removed comes back', async (context) => {
  const folder = smallDisk(context);
  if (folder === undefined) return context.skip('cannot mount a small disk here');
  let troubles = 0;
  const options = { folder, bytesMax: 64 * 1024 * 1024, onTrouble: () => void troubles++ };
  const last = new Map<string, string | undefined>();
  const check = async (tier: DiskTier): Promise<number> => {
    let there = 0;
    for (const [key, body] of last) {
      for (const [, , found] of await contents(tier, key)) {
        assert.equal(found, body, key);
        there++;
      }
    }
    return there;
  };
  {
    await using tier = await DiskTier.open(options);
    for (let count = 0; count < 400; count++) {
      // Somebody else fills the rest of the disk, and makes room again.
      if (count === 150) writeFileSync(join(folder, 'ballast'), Buffer.alloc(DISK_BYTES / 4));
      if (count === 300) rmSync(join(folder, 'ballast'));
      const key = `k${count % 70}`;
      const body = count % 7 === 0 ? undefined : bodyOf(`${key} ${count}`, 90_000);
      await tier.set(key, body === undefined ? [] : [storedOf(key, body)]);
      last.set(key, body?.toString('latin1'));
      if (count % 50 === 0) await check(tier);
    }
    assert(troubles > 0, 'the disk was never full');
    assert((await check(tier)) > 5);
  }
  await using tier = await DiskTier.open(options);
  assert((await check(tier)) > 5);
});
