import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { relocateVenv } from './venv.ts';

/** Says what it is asked to run. */
const INTERPRETER = '#!/bin/sh\necho "$@"\n';
/** What pip writes after the first lines. */
const REST = 'import sys\nsys.exit(0)\n';

interface Moving {
  readonly tree: string;
  readonly finalTree: string;
  /** Where it is after it was moved once more, with a blank in its path. */
  readonly elsewhere: string;
  /** Relocates, and moves to the last place. */
  readonly move: () => Promise<void>;
}

async function environment(t: TestContext): Promise<Moving> {
  const top = await mkdtemp(join(tmpdir(), 'moln-venv-'));
  t.after(() => rm(top, { recursive: true, force: true }));
  const tree = join(top, 'incoming');
  const finalTree = join(top, 'release');
  const elsewhere = join(top, 'other node');
  await mkdir(join(tree, '.venv/bin'), { recursive: true });
  await writeFile(join(tree, '.venv/bin/python3'), INTERPRETER, { mode: 0o755 });
  const move = async (): Promise<void> => {
    await relocateVenv(tree, finalTree);
    await rename(tree, elsewhere);
  };
  return { tree, finalTree, elsewhere, move };
}

const FIRST_LINES: Readonly<Record<string, (python: string) => string>> = {
  'the usual first line': (python) => `#!${python}\n`,
  'the form for long paths': (python) => `#!/bin/sh\n'''exec' ${python} "$0" "$@"\n' '''\n`,
  'the form for paths with blanks': (python) =>
    `#!/bin/sh\n'''exec' "${python}" "$0" "$@"\n' '''\n`,
};

for (const [what, lines] of Object.entries(FIRST_LINES)) {
  test(`${what}: the script runs wherever the release goes`, async (t) => {
    const { tree, elsewhere, move } = await environment(t);
    const python = join(tree, '.venv/bin/python3');
    await writeFile(join(tree, '.venv/bin/greet'), `${lines(python)}${REST}`, { mode: 0o755 });
    await move();
    const script = join(elsewhere, '.venv/bin/greet');
    const run = (path: string): string =>
      execFileSync(path, ['one', 'two words'], { encoding: 'utf8' });
    assert.equal(run(script), `${script} one two words\n`);
    await symlink(script, join(elsewhere, 'link'));
    assert.equal(run(join(elsewhere, 'link')), `${join(elsewhere, 'link')} one two words\n`);
    const text = await readFile(script, 'utf8');
    assert.ok(text.endsWith(REST));
    assert.ok(!text.includes(tree));
    assert.match(text, /^#!\/bin\/sh\n'''exec' .*\n' '''\n/, 'a string, to Python');
  });
}

test('the options of the interpreter stay', async (t) => {
  const { tree, elsewhere, move } = await environment(t);
  const lines = `#!${tree}/.venv/bin/python3 -s -E\n`;
  await writeFile(join(tree, '.venv/bin/greet'), `${lines}${REST}`, { mode: 0o755 });
  await move();
  const script = join(elsewhere, '.venv/bin/greet');
  assert.equal(execFileSync(script, { encoding: 'utf8' }), `-s -E ${script}\n`);
});

test('other paths lead to the final place; what is not of this environment stays', async (t) => {
  const { tree, finalTree, elsewhere, move } = await environment(t);
  const texts = {
    activate: `VIRTUAL_ENV="${tree}/.venv"\n`,
    system: '#!/usr/bin/python3\nprint(1)\n',
    shell: '#!/bin/sh\necho hej\n',
    empty: '',
  };
  for (const [name, text] of Object.entries(texts)) {
    await writeFile(join(tree, '.venv/bin', name), text);
  }
  await writeFile(join(tree, 'outside'), 'kept');
  await symlink('../../outside', join(tree, '.venv/bin/link'));
  await move();
  const read = (name: string): Promise<string> =>
    readFile(join(elsewhere, '.venv/bin', name), 'utf8');
  assert.equal(await read('activate'), `VIRTUAL_ENV="${finalTree}/.venv"\n`);
  for (const name of ['system', 'shell', 'empty'] as const) {
    assert.equal(await read(name), texts[name]);
  }
  assert.equal(await read('link'), 'kept');
});

test('no environment, or a link in its place, is left alone', async (t) => {
  const { tree, finalTree } = await environment(t);
  const script = join(tree, '.venv/bin/greet');
  await writeFile(script, `#!${tree}/.venv/bin/python3\n`);
  const linked = `${tree}-linked`;
  await mkdir(linked);
  await symlink(join(tree, '.venv'), join(linked, '.venv'));
  await relocateVenv(linked, finalTree);
  await relocateVenv(`${tree}-absent`, finalTree);
  assert.equal(await readFile(script, 'utf8'), `#!${tree}/.venv/bin/python3\n`);
});
