/** What a person sees in the first minutes: one command, two apps, Ctrl-C, and again. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TestNode } from '../testing/test-node.ts';

const run = promisify(execFile);
const EXAMPLES = ['site', 'guestbook'].map((name) =>
  fileURLToPath(new URL(`../examples/${name}`, import.meta.url)),
);
const UP = { args: EXAMPLES.flatMap((folder) => ['--deploy', folder]) };

/** A client that is not ours; it resolves `*.localhost` by itself, as browsers do. */
async function curl(...words: readonly string[]): Promise<string> {
  const { stdout } = await run('curl', ['--silent', '--show-error', '--fail', ...words]);
  return stdout;
}

test('one command starts a cloud with two apps; Ctrl-C and again loses nothing', async (t) => {
  await using node = await TestNode.start(t, UP);

  await t.test('it prints where everything is and what to type next', () => {
    const { output } = node;
    assert.match(output, /Moln is up: node "/);
    assert.ok(output.includes(`http://127.0.0.1:${node.ports.http}`), output);
    for (const app of ['site', 'guestbook']) assert.ok(output.includes(node.url(app)), output);
    assert.match(output, new RegExp(`http://\\S+:${node.ports.api}/login\\?code=\\S+`));
    assert.ok(output.includes(node.dataFolder), output);
    assert.match(output, /moln --data \S+ deploy DIR --name NAME/);
    assert.ok(!output.includes('\u001B'), 'no escape codes outside a terminal');
  });

  await t.test('both apps answer a real client at their names', async () => {
    assert.match(await curl(`${node.url('site')}/`), /<html/i);
    assert.match(await curl(`${node.url('guestbook')}/`), /<form/i);
  });

  await t.test('the login link opens the console once', async () => {
    const link = /http:\/\/\S+\/login\?code=\S+/.exec(node.output)?.[0] ?? '';
    const jar = ['--cookie-jar', `${node.dataFolder}/jar`, '--cookie', `${node.dataFolder}/jar`];
    assert.match(await curl(...jar, '--location', link), /<html/i);
    await assert.rejects(curl(link), 'the second use of the link must fail');
  });

  const entry = `Hej från testet ${node.ports.http}`;
  await curl(
    '--location',
    '--data-urlencode',
    'name=Ada',
    '--data-urlencode',
    `message=${entry}`,
    `${node.url('guestbook')}/entries`,
  );
  assert.ok((await curl(`${node.url('guestbook')}/`)).includes(entry));
  const before = await node.status();
  assert.equal(before.apps.length, 2);

  assert.equal(await node.stop(), 0);
  await assert.rejects(curl(`${node.url('guestbook')}/`), /Failed to connect|refused/i);
  await node.restart();

  assert.ok((await curl(`${node.url('guestbook')}/`)).includes(entry), 'the entry is still there');
  const after = await node.status();
  assert.deepEqual(
    after.apps.map(({ name, release, state }) => [name, release, state]),
    before.apps.map(({ name, release }) => [name, release, 'healthy']),
  );
  assert.equal(after.cluster.id, before.cluster.id);
  const { history } = await node.json<{ history: readonly unknown[] }>('app', 'guestbook');
  assert.equal(history.length, 1, 'a release that is live already is not deployed again');
});

test('moln down stops it from another terminal', async (t) => {
  await using node = await TestNode.start(t);
  const { code, stdout } = await node.cli('down');
  assert.equal(code, 0);
  assert.match(stdout, /Stopped/);
  assert.equal(await node.ended(), 0);
  await node.expectNoProcess();
  assert.equal((await node.cli('status')).code, 3);
});

test('Ctrl-C while it starts leaves nothing behind', async (t) => {
  const node = await TestNode.create(t);
  await node.restart();
  await node.json('deploy', EXAMPLES[1] ?? '', '--name', 'guestbook');
  await node.stop();
  for (const afterMs of [150, 400, 700, 1000]) {
    await using up = node.follow(...node.upArguments);
    await pause(afterMs);
    const { code, stderr } = await up.interrupt();
    assert.ok(code === 0 || code === null, `${afterMs} ms: ${code} ${stderr}`);
    await node.expectNoProcess();
  }
});
