/** Sealed values open where they belong and nowhere else. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { openSealer, Sealer } from './sealing.ts';

const sealer = new Sealer(Buffer.alloc(32, 7));
const CONTEXT = '/secrets/guestbook/PASSWORD';

function refuses(call: () => unknown, code: string): void {
  assert.throws(call, (error) => isMolnError(error, code));
}

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-sealing-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

test('what is sealed opens again', () => {
  for (const text of ['', 'secret', 'ünïcode 😀', 'x'.repeat(100_000)]) {
    assert.equal(sealer.open(sealer.seal(text, CONTEXT), CONTEXT).toString(), text);
  }
});

test('the same text is sealed differently each time and does not show', () => {
  const [one, two] = [sealer.seal('password', CONTEXT), sealer.seal('password', CONTEXT)];
  assert.notDeepEqual(one, two);
  assert.ok(!Buffer.from(one).includes('password'));
});

test('any changed bit is found', () => {
  const sealed = sealer.seal('secret', CONTEXT);
  for (let at = 0; at < sealed.length; at++) {
    const tampered = Uint8Array.from(sealed);
    tampered[at] = (tampered[at] ?? 0) ^ 0x10;
    assert.throws(() => sealer.open(tampered, CONTEXT), isMolnError, `byte ${at}`);
  }
  for (const length of [0, 1, sealed.length - 1]) {
    refuses(() => sealer.open(sealed.subarray(0, length), CONTEXT), 'CLUSTER_SEAL_BROKEN');
  }
});

test('a value moved to another key is refused', () => {
  const sealed = sealer.seal('secret', CONTEXT);
  refuses(() => sealer.open(sealed, '/secrets/other/PASSWORD'), 'CLUSTER_SEAL_BROKEN');
  refuses(() => sealer.open(sealed, ''), 'CLUSTER_SEAL_BROKEN');
});

test('a value of another key or a newer format is named', () => {
  const other = new Sealer(Buffer.alloc(32, 8));
  refuses(() => sealer.open(other.seal('secret', CONTEXT), CONTEXT), 'CLUSTER_SEAL_KEY');
  const newer = sealer.seal('secret', CONTEXT);
  newer[0] = 2;
  refuses(() => sealer.open(newer, CONTEXT), 'CLUSTER_DATA_TOO_NEW');
});

test('a value of format 1 opens for ever', () => {
  const golden = 'AUuwb45OOncVj+AuBQQVR9HRWrVRq35smaJMM5VRy14KFrb6K0gzOsOWHQ==';
  assert.equal(sealer.open(Buffer.from(golden, 'base64'), CONTEXT).toString(), 'golden');
});

test('the key is made once and kept private', async (context) => {
  const path = join(await temporaryFolder(context), 'seal.key');
  assert.equal(await openSealer(path, { create: false }), undefined);
  const made = await openSealer(path, { create: true });
  const again = await openSealer(path, { create: true });
  assert.equal(again?.keyId, made?.keyId);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const sealed = made?.seal('secret', CONTEXT) ?? new Uint8Array();
  assert.equal(again?.open(sealed, CONTEXT).toString(), 'secret');
});

test('a key file that is damaged or newer is refused, not replaced', async (context) => {
  const path = join(await temporaryFolder(context), 'seal.key');
  const cases = [
    ['', 'CLUSTER_DATA_DAMAGED'],
    ['moln-seal-key 1 c2hvcnQ=\n', 'CLUSTER_DATA_DAMAGED'],
    [`moln-seal-key 2 ${Buffer.alloc(32).toString('base64')}\n`, 'CLUSTER_DATA_TOO_NEW'],
  ] as const;
  for (const [text, code] of cases) {
    await writeFile(path, text);
    await assert.rejects(openSealer(path, { create: true }), (error) => isMolnError(error, code));
    assert.equal(await readFile(path, 'utf8'), text);
  }
});
