/** Apps on several nodes of which one is away, falls silent or comes back: what is left there, and what reaches it. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Removals } from '../src/apps/removals.ts';
import { UID_FIRST, UID_LAST } from '../src/apps/run-limits.ts';
import { processId } from '../src/base/process-id.ts';
import { nodeApp } from '../testing/app-folder.ts';
import {
  collect,
  deployFiles,
  doneRelease,
  failure,
  type RunningApps,
} from '../testing/apps-kit.ts';
import { LinkedApps } from '../testing/linked-apps.ts';
import { until } from '../testing/until.ts';

const NAMES = ['one', 'two'] as const;
const FILES = nodeApp('"hello"');

function folder({ data }: RunningApps, ...rest: readonly string[]): string {
  return join(data, 'apps', 'shop', ...rest);
}

async function nothingIsDue({ registry }: LinkedApps): Promise<boolean> {
  return (await new Removals(registry).uids()).length === 0;
}

/** What an instance of `shop` answers, past all gateways. */
async function askInstance({ apps }: RunningApps, id: string, path: string): Promise<string> {
  const { instances } = await apps.show('shop');
  const address = instances.find((each) => each.id === id)?.address;
  const where = address?.kind === 'socket' ? { socketPath: address.path } : { ...address };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get({ ...where, path, agent: false }, resolve).once('error', reject);
  return text(await promise);
}

/** `shop` runs once on each of two nodes. */
async function spread(nodes: LinkedApps, t: TestContext, files = FILES): Promise<void> {
  const one = nodes.node('one');
  doneRelease(await deployFiles(t, one, 'shop', files));
  doneRelease(await collect(one.apps.scale('shop', { web: 2 })));
  const places = (await one.apps.show('shop')).instances.map(({ node }) => node);
  assert.deepEqual(places.toSorted(), [...NAMES]);
}

test('a node that was away while an app was removed keeps nothing of it', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  await spread(nodes, t);
  const [one, two] = [nodes.node('one'), nodes.node('two')];
  const pid = (await two.apps.show('shop')).instances.find(({ node }) => node === 'two')?.pid ?? 0;
  writeFileSync(folder(two, 'data', 'orders'), 'secret');
  await nodes.leave('two');
  await one.apps.remove('shop');
  assert.equal(existsSync(folder(one)), false);
  assert.ok(processId(pid) !== undefined && existsSync(folder(two, 'data', 'orders')));

  await nodes.comeBack('two');
  await until('nothing of it on the node', () => !existsSync(folder(two)));
  assert.equal(processId(pid), undefined);
  await until('its word that nothing is left', () => nothingIsDue(nodes));
});

test('a later app of that name begins on nothing of the former', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  await spread(nodes, t);
  const [one, before] = [nodes.node('one'), nodes.node('two')];
  writeFileSync(folder(before, 'data', 'orders'), 'secret');
  await nodes.leave('two');
  await one.apps.remove('shop');
  doneRelease(await deployFiles(t, one, 'shop', FILES));
  doneRelease(await collect(one.apps.scale('shop', { web: 2 })));
  await nodes.comeBack('two');
  const two = nodes.node('two');
  // Whatever comes first, the deploy or the look of the node at what it has to remove.
  doneRelease(await deployFiles(t, one, 'shop', nodeApp('"other"')));
  await until('both nodes to run it', async () => {
    const { instances } = await two.apps.show('shop');
    const healthy = instances.filter(({ state }) => state === 'healthy').map(({ node }) => node);
    return isDeepStrictEqual(healthy.toSorted(), [...NAMES]);
  });
  assert.deepEqual(readdirSync(folder(two, 'data')), []);
});

test('a removal that comes late does not touch the app that has the name by now', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  await spread(nodes, t);
  const two = nodes.node('two');
  writeFileSync(folder(two, 'data', 'orders'), 'kept');
  const ids = async (): Promise<readonly string[]> =>
    (await two.apps.show('shop')).instances.map(({ id }) => id);
  const before = await ids();
  const former = await new Removals(nodes.registry).entered({ name: 'shop', uid: 1 }, ['two']);
  await nodes.registry.commit(former.conditions, former.operations);
  await until('the node to be done with it', () => nothingIsDue(nodes));
  assert.equal(existsSync(folder(two, 'data', 'orders')), true);
  assert.deepEqual(await ids(), before);
});

test('a first deploy that fails leaves nothing on any node', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  const [one, two] = [nodes.node('one'), nodes.node('two')];
  const broken = await deployFiles(t, one, 'shop', { 'server.js': 'process.exit(3);' });
  assert.equal(failure(broken).error.code, 'APPS_INSTANCE_FAILED');
  await until('nothing on any node', () => !existsSync(folder(one)) && !existsSync(folder(two)));
  await until('nothing left to do', () => nothingIsDue(nodes));
});

test('a node that missed the end of a deploy takes part in the next one, whoever coordinates it', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  await spread(nodes, t);
  const [one, two] = [nodes.node('one'), nodes.node('two')];
  nodes.loseNext('two', 'apps.finish');
  doneRelease(await deployFiles(t, one, 'shop', nodeApp('"second"')));
  const serving = async (): Promise<readonly string[]> => {
    const { instances, app } = await one.apps.show('shop');
    const own = instances.filter(({ release }) => release === app.release);
    return own.map(({ id }) => id).toSorted();
  };
  const before = await serving();
  assert.equal(before.length, 2);
  const broken = await deployFiles(t, one, 'shop', { 'server.js': 'process.exit(3);' });
  assert.equal(failure(broken).error.code, 'APPS_INSTANCE_FAILED');
  assert.deepEqual(await serving(), before, 'what serves is not given up as if it were on trial');

  nodes.loseNext('two', 'apps.finish');
  doneRelease(await deployFiles(t, one, 'shop', nodeApp('"third"')));
  doneRelease(await deployFiles(t, two, 'shop', nodeApp('"fourth"')));
});

test('a change that is not decided yet keeps others out', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  const [one, two] = [nodes.node('one'), nodes.node('two')];
  const gates = [one, two].map(({ data }) => join(data, 'gate'));
  for (const gate of gates) writeFileSync(gate, '');
  const files = nodeApp('"hello"');
  const patient = `const { existsSync } = require('node:fs');
const begin = () => existsSync(process.env.MOLN_DATA_DIR + '/../../../gate') ? require('./server.js') : setTimeout(begin, 20);
begin();`;
  const scripts = { scripts: { start: 'node patient.js' } };
  const gated = { ...files, 'package.json': JSON.stringify(scripts), 'patient.js': patient };
  await spread(nodes, t, gated);
  const [gate = ''] = gates;
  rmSync(gate);
  const slow = collect(one.apps.scale('shop', { web: 4 }));
  await until('its part on the other node', async () => {
    const { instances } = await two.apps.show('shop');
    const far = instances.filter(({ node, state }) => node === 'two' && state === 'healthy');
    return far.length === 2;
  });
  const { app, release } = await two.apps.show('shop');
  const wanted = { app, release, env: {}, counts: {} };
  await assert.rejects(nodes.call('two', 'two', 'apps.prepare', wanted), { code: 'APPS_BUSY' });
  writeFileSync(gate, '');
  doneRelease(await slow);
});

test('first deploys at the same time through different nodes never get one uid', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  const free = [UID_FIRST + 7, UID_FIRST + 8];
  const taken = Array.from({ length: UID_LAST - UID_FIRST + 1 }, (_, at) => UID_FIRST + at);
  const claims = taken.filter((uid) => !free.includes(uid)).map((uid) => `/app-uid-claims/${uid}`);
  const value = Buffer.of();
  for (const key of claims) await nodes.registry.commit([], [{ kind: 'put', key, value }]);
  const [shop, blog] = await Promise.all([
    deployFiles(t, nodes.node('one'), 'shop', FILES),
    deployFiles(t, nodes.node('two'), 'blog', FILES),
  ]);
  doneRelease(shop);
  doneRelease(blog);
  const uids = (await nodes.node('one').apps.list()).map(({ app }) => app.uid);
  assert.deepEqual(
    uids.toSorted((a, b) => a - b),
    free,
  );
});

test('who follows the logs gets the lines of nodes that join or come back, each of them once', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  const files = nodeApp(
    // Not of the probes.
    `(request.url === '/' || console.log('asked', process.env.MOLN_INSTANCE, request.url), process.env.MOLN_INSTANCE)`,
  );
  await spread(nodes, t, files);
  const one = nodes.node('one');
  const client = new AbortController();
  t.after(() => client.abort());
  const seen: string[] = [];
  const request = { app: 'shop', tail: 10, follow: true, process: undefined, instance: undefined };
  const reading = (async () => {
    for await (const line of one.apps.logs(request, client.signal)) seen.push(line.text);
  })();
  const idOn = async (name: string): Promise<string> => {
    const { instances } = await one.apps.show('shop');
    return instances.find(({ node, state }) => node === name && state === 'healthy')?.id ?? '';
  };
  const ask = async (name: string, path: string): Promise<string> => {
    const id = await until(`an instance on ${name}`, () => idOn(name));
    await until(`an answer from ${id}`, async () => (await askInstance(one, id, path)) === id);
    return `asked ${id} ${path}`;
  };
  const followed = async (name: string, path: string): Promise<void> => {
    const line = await ask(name, path);
    await until(`the line "${line}"`, () => seen.includes(line));
  };
  await followed('one', '/first');
  await followed('two', '/first');
  const away = await idOn('two');
  await nodes.leave('two');
  await until('an answer', async () => (await askInstance(one, away, '/away')) === away);
  await nodes.comeBack('two');
  await until('what was written meanwhile', () => seen.includes(`asked ${away} /away`));
  await followed('two', '/back');

  await nodes.join(t, 'three');
  doneRelease(await collect(one.apps.scale('shop', { web: 3 })));
  await followed('three', '/joined');
  client.abort();
  await reading;
  const repeated = seen.filter((line, at) => seen.indexOf(line) !== at);
  assert.deepEqual(repeated, []);
});

test('what an instance uses is known on other nodes too, while its node answers', async (t) => {
  const nodes = await LinkedApps.open(t, NAMES);
  await spread(nodes, t);
  const memory = async (): Promise<readonly (number | undefined)[]> => {
    const [one] = await nodes.node('one').apps.list();
    const shown = await nodes.node('one').apps.show('shop');
    const all = [...(one?.instances ?? []), ...shown.instances];
    return all.filter(({ node }) => node === 'two').map(({ memoryBytes }) => memoryBytes);
  };
  const known = await memory();
  assert.equal(known.length, 2);
  assert.ok(
    known.every((bytes = 0) => bytes > 1_000_000),
    `${known.join()} bytes`,
  );
  nodes.setState('two', 'lost');
  assert.deepEqual(await memory(), [undefined, undefined]);
  nodes.setState('two', 'ready');
  nodes.loseNext('two', 'apps.memory');
  assert.equal((await memory())[0], undefined, 'and the status is there all the same');
});
