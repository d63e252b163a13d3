import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runDnsHook } from './dns-hook.ts';

test('the hook gets verb, name and value, and what goes wrong is said with its last words', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-hook-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'hook.sh');
  const write = (text: string): void => {
    writeFileSync(program, `#!/bin/sh\n${text}\n`);
    chmodSync(program, 0o755);
  };
  const { signal } = new AbortController();
  const run = (): Promise<void> =>
    runDnsHook(program, 'set', { host: 'a.org', value: 'v' }, signal);
  write(`echo "$1 $2 $3" > '${join(folder, 'said')}'`);
  await run();
  assert.equal(readFileSync(join(folder, 'said'), 'utf8'), 'set _acme-challenge.a.org v\n');
  write('echo "no such zone" >&2; exit 3');
  await assert.rejects(run(), {
    code: 'CERTS_HOOK_FAILED',
    message: `"${program} set" for a.org ended with 3: no such zone`,
  });
  write('kill -9 $$');
  await assert.rejects(run(), /was ended by SIGKILL/);
  chmodSync(program, 0o777);
  await assert.rejects(run(), /is not run, for others may change it/);
  chmodSync(program, 0o644);
  await assert.rejects(run(), /did not run: .*EACCES/);
  rmSync(program);
  await assert.rejects(run(), /cannot be looked at: ENOENT/);
});
