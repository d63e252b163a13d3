/** Commands inside instances on another node: input, output, exit, and the end of either side. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppDetail } from '../../src/api/model.ts';
import { appFolder, nodeApp } from '../../testing/app-folder.ts';
import { Invariants } from '../../testing/invariants.ts';
import { MOLN } from '../../testing/moln.ts';
import { step } from '../../testing/step.ts';
import { TestCluster } from '../../testing/test-cluster.ts';
import type { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const MIB = 1024 * 1024;
const EXEC = ['app', 'app', 'exec', '--instance'] as const;
/** A node counts as lost after 30 s. */
const LOST_WITHIN_MS = 60_000;
const LOST = /Node "two" went away before the command on it ended/;

test('exec reaches an instance on whatever node it runs', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two']);
  const [one, two] = [cluster.node('one'), cluster.node('two')];
  await one.json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'app');
  await one.json('app', 'app', 'scale', '2');
  await cluster.runsOn('app', ['one', 'two']);
  const instanceOnTwo = async (): Promise<string> => {
    const { instanceList } = await one.json<AppDetail>('app', 'app');
    return instanceList.find(({ node }) => node === 'two')?.id ?? '';
  };
  let far = await instanceOnTwo();
  const inside = (script: string): readonly string[] => [...EXEC, far, '--', 'sh', '-c', script];

  await step(t, 'input goes there, output, errors and exit code come back', async () => {
    const input = 'typed\n'.repeat(500_000);
    const script = 'cat; echo "$MOLN_INSTANCE" >&2; exit 3';
    const ran = await one.cliWith({ input }, ...inside(script));
    assert.deepEqual([ran.code, ran.stderr], [3, `${far}\n`]);
    assert.equal(ran.stdout === input, true, `${ran.stdout.length} characters came back`);
    const missing = await one.cli(...EXEC, far, '--', 'no-such-program');
    assert.equal(missing.code, 127, missing.stderr);
    const unread = await one.cliWith({ input }, ...inside('exit 4'));
    assert.equal(unread.code, 4, 'input that nobody reads holds nothing up');
    const long = 'x'.repeat(15_000);
    const args = await one.cli(...inside(`echo ${long}`));
    assert.equal(args.stdout, `${long}\n`, args.stderr);
  });

  await step(t, 'much output comes whole', async () => {
    const ran = await one.cli(...inside(`head -c ${40 * MIB} /dev/zero | tr '\\0' x`));
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.length, 40 * MIB);
  });

  await step(t, 'a command whose output nobody takes has to wait', async () => {
    const env = { ...process.env, MOLN_DATA: one.dataFolder };
    const count = 'i=0; while head -c 65536 /dev/zero; do i=$((i+1)); echo $i >written; done';
    const child = spawn(MOLN, inside(`cd "$HOME"; ${count}`), { env, stdio: 'pipe' });
    child.stdout.pause();
    const written = async (): Promise<number> =>
      Number((await two.cli(...inside('cat "$HOME/written"'))).stdout);
    await until('it to wait', async () => {
      const before = await written();
      return before > 0 && (await written()) === before;
    });
    const bytes = (await written()) * 65_536;
    assert.ok(bytes < 16 * MIB, `${bytes} bytes were written though nobody reads`);
    assert.equal((await one.cli(...inside('echo others'))).stdout, 'others\n');
    child.kill('SIGKILL');
    await once(child, 'close');
    await until('its end', () => !isRunning(two, 'head -c 65536'));
  });

  await step(t, 'whoever leaves ends the command there', async () => {
    for (const way of ['SIGINT', 'SIGKILL'] as const) {
      await using following = one.follow(...inside('echo begun; exec sleep 98765'));
      await following.says(/begun/);
      assert.ok(isRunning(two, 'sleep 98765'));
      process.kill(following.pid, way);
      await until('the end of the command', () => !isRunning(two, 'sleep 98765'));
    }
    assert.equal((await one.cli(...inside('echo still'))).stdout, 'still\n', 'the instance lives');
  });

  await step(t, 'an instance that is nowhere is named', async () => {
    const ran = await one.cli(...EXEC, `${far}x`, '--', 'true');
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, new RegExp(`No running instance .* did you mean "${far}"`));
  });

  await step(t, 'run goes where the release is', async () => {
    await one.json('deploy', appFolder(t, nodeApp('"lone"')), '--name', 'lone');
    const [place] = await until('its instance', () => cluster.placesOf('lone', 'one'));
    const [having, lacking] = place === 'one' ? [one, two] : [two, one];
    const words = ['app', 'lone', 'run', '--', 'sh', '-c', 'cat; pwd; exit 6'];
    // A small cluster keeps spare copies everywhere, and one may just be on its way.
    await until('a run elsewhere', async () => {
      rmSync(join(lacking.dataFolder, 'apps', 'lone'), { recursive: true, force: true });
      const ran = await lacking.cliWith({ input: 'typed\n' }, ...words);
      const [echoed, folder = ''] = ran.stdout.split('\n');
      assert.deepEqual([ran.code, echoed], [6, 'typed'], ran.stderr);
      return folder.startsWith(having.dataFolder);
    });
  });

  await using watched = await Invariants.watch(t, cluster);
  watched.frozen();
  await step(t, 'a node that dies in the middle is told in one sentence', async () => {
    await using following = one.follow(...inside('echo begun; exec sleep 98765'));
    await following.says(/begun/);
    await two.kill();
    const { code, stderr } = await following.ended();
    assert.equal(code, 1);
    assert.match(stderr, LOST);
    const again = await one.cli(...inside('true'));
    assert.equal(again.code, 1);
    assert.match(again.stderr, /Node "two" does not answer, and nothing was run/);
  });

  await step(t, 'a node that falls silent is waited for until it counts as lost', async () => {
    await two.restart();
    await until('an instance that answers', async () => {
      far = await instanceOnTwo();
      return (await one.cli(...inside('true'))).code === 0;
    });
    await using following = one.follow(...inside('echo begun; exec sleep 98765'));
    await following.says(/begun/);
    two.freeze();
    const { code, stderr } = await following.ended(LOST_WITHIN_MS);
    assert.equal(code, 1);
    assert.match(stderr, LOST);
    two.thaw();
    await until('the end of the command', () => !isRunning(two, 'sleep 98765'));
    await watched.hold();
  });
});

function isRunning(node: TestNode, words: string): boolean {
  return node.processes().some(({ command }) => command.includes(words));
}
