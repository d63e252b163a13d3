/** A write without an end cannot be stopped by SQLite: the process ends, and everything that was acknowledged is there. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { look, startDatabase } from '../testing/database-kit.ts';

for (const way of ['batch', 'steps']) {
  test(`an endless write (${way}) ends its process, and nothing is lost`, async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'moln-stuck-'));
    context.after(() => rm(folder, { recursive: true }));
    const script = join(import.meta.dirname, 'database-stuck-node.ts');
    const child = spawn(process.execPath, [script, folder, way], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    context.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (data: Buffer) => (output += data.toString()));
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    assert.equal(signal, 'SIGKILL');
    assert.equal(output, 'acknowledged\n');
    await using on = await startDatabase({ folder });
    const again = await on.copy('n1');
    assert.deepEqual(await look(again, 'SELECT id FROM t'), [[1n]]);
  });
}
