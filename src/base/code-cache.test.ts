import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { codeCacheEnvironment, fillCodeCache, loadCode } from './code-cache.ts';
import { randomId } from './ids.ts';

test('the cache is filled once for each kind of process, user and code; what does not load is tried again', async (t) => {
  const runFolder = mkdtempSync(join(tmpdir(), 'moln-code-'));
  const { NODE_COMPILE_CACHE: cache = '' } = codeCacheEnvironment(runFolder);
  const kind = `test-${randomId(12)}`;
  const markers = (): string[] => readdirSync(cache).filter((name) => name.includes(kind));
  t.after(() => {
    for (const name of markers()) rmSync(join(cache, name));
    rmSync(runFolder, { recursive: true });
  });
  const loads = join(runFolder, 'loads');
  const words = [
    '-e',
    `fs.appendFileSync(${JSON.stringify(loads)}, process.env.NODE_COMPILE_CACHE)`,
  ];
  await fillCodeCache(kind, 'one', { runFolder, words: ['-e', 'process.exit(1)'] });
  assert.deepEqual(markers(), []);
  for (const code of ['one', 'one', 'two']) await fillCodeCache(kind, code, { runFolder, words });
  assert.equal(readFileSync(loads, 'utf8'), cache + cache);
  assert.deepEqual(markers(), [`filled-${kind}-${process.getuid?.()}`]);
  const broken = await loadCode({ runFolder, words: ['-e', 'throw new Error("no such part")'] });
  assert.match(broken ?? '', /no such part/);
});
