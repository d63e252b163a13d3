/** The wire of commands on other nodes, over real connections: limits, failures, and callers that are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunOutput } from '../src/apps/apps.ts';
import { farCommands, type ReadyCommand, runFar } from '../src/apps/far-command.ts';
import { FAR_COMMANDS_MAX } from '../src/apps/run-limits.ts';
import { MolnError } from '../src/base/errors.ts';
import { silentLogger as log } from '../src/base/log.ts';
import { systemClock as clock } from '../src/base/time.ts';
import { ClusterPeers, joinCluster, type NodeMethods } from '../src/cluster/cluster.ts';
import { until } from '../testing/until.ts';
import { founder, machine, refuses } from './cluster-kit.ts';

const NEVER = new AbortController().signal;
const REQUEST = { app: 'app', command: ['true'], instance: undefined, stdin: undefined };

test('commands on another node: so many at once, their failures, and their end with the caller', async () => {
  let underWay = 0;
  const forever: ReadyCommand = async function* (_stdin, signal): AsyncGenerator<RunOutput> {
    underWay++;
    yield { kind: 'output', stream: 'stdout', base64: '' };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    underWay--;
  };
  const failing: ReadyCommand = async function* (): AsyncGenerator<RunOutput> {
    yield { kind: 'output', stream: 'stdout', base64: '' };
    throw new MolnError('APPS_STOPPED', 'It is stopped');
  };
  let serving: ClusterPeers | undefined;
  const answers = (): NodeMethods['streams'] => {
    assert.ok(serving);
    const prepare = ({ app }: { readonly app: string }): Promise<ReadyCommand> =>
      Promise.resolve(app === 'failing' ? failing : forever);
    return (streams ??= farCommands({ prepare, peers: serving, log }));
  };
  let streams: NodeMethods['streams'] | undefined;
  await using one = await founder({
    streams: {
      'apps.run': (params, call) => {
        const run = answers()['apps.run'];
        assert.ok(run);
        return run(params, call);
      },
    },
  });
  await using two = await machine();
  await joinCluster(two.options(await one.invite()));
  const members = await one.members.list();
  await using far = new ClusterPeers({ identity: one.identity, clock, log });
  await using near = new ClusterPeers({ identity: await two.open(), clock, log });
  serving = far;
  for (const peers of [far, near]) peers.setMembers(members);
  const node = near.get(far.self);
  assert.ok(node);
  const run = (app = 'app'): AsyncGenerator<RunOutput> =>
    runFar({ peers: near, log }, node, { ...REQUEST, app }, NEVER);

  const late = run('failing');
  assert.equal((await late.next()).value?.kind, 'output');
  await refuses(late.next(), 'APPS_STOPPED', /It is stopped/);

  const all = Array.from({ length: FAR_COMMANDS_MAX }, () => run());
  for (const each of all) assert.equal((await each.next()).value?.kind, 'output');
  await refuses(run().next(), 'APPS_COMMANDS_BUSY', /64 commands of one node/);
  await all.pop()?.return(undefined);
  await until('room for another', () => underWay === FAR_COMMANDS_MAX - 1);
  const another = run();
  assert.equal((await another.next()).value?.kind, 'output');

  // As when the machine of the caller counts as lost, though its connection is still open.
  far.setMembers(members.filter(({ id }) => id === far.self));
  await until('the end of all', () => underWay === 0);
  await refuses(another.next(), 'APPS_COMMAND_LOST', /went away before the command/);
  near.setMembers(members.filter(({ id }) => id === near.self));
  await refuses(run().next(), 'APPS_NODE_AWAY', /nothing was run/);
});
