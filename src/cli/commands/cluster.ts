/** `moln regions`, `moln manager`, `moln events` and `moln why`: the nodes together. */
import type { EventDetail } from '../../api/model.ts';
import { isoTime } from '../../base/time.ts';
import { WHY_QUERY } from './db.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { ask } from '../prompt.ts';
import { WHY_CACHED, WHY_SLOW } from './cache.ts';

const EVENTS_SHOWN = 50;

export const REGIONS: CommandSpec = {
  name: 'regions',
  summary: 'List the regions and their nodes.',
  run: async (context) => {
    const regions = await context.client().regions();
    if (context.json) {
      context.words.json(regions);
      return EXIT.ok;
    }
    context.words.table(
      ['REGION', 'READY', 'NODES'],
      regions.map(({ name, ready, nodes }) => [
        name,
        `${ready} of ${nodes.length}`,
        nodes.join(' '),
      ]),
    );
    return EXIT.ok;
  },
};

const SET: CommandSpec = {
  name: 'set',
  summary: 'Choose the managers by name, or "automatic".',
  arguments: [
    { name: 'NAME…', description: 'nodes, or automatic', required: true, variadic: true },
  ],
  examples: [
    ['moln manager set a b c', ''],
    ['moln manager set automatic', 'one, three or five, by the number of nodes'],
  ],
  run: async (context, input) => {
    const names = input.rest('NAME…');
    await context.client().setManagers(names[0] === 'automatic' ? undefined : names);
    return showManager(context);
  },
};

const TAKEOVER: CommandSpec = {
  name: 'takeover',
  summary: 'Let this node take the registry over from a machine that is gone for good.',
  options: [
    { flags: '--yes', description: 'do not ask' },
    { flags: '--force', description: 'also with a copy that may lack the last changes' },
  ],
  run: async (context, input) => {
    if (!input.flag('yes')) {
      const answer = await ask(context.io, 'Type "takeover" if the other machine is really gone: ');
      if (answer !== 'takeover') throw usageError('Nothing was changed', 'Type "takeover"');
    }
    await context.client().takeover({ force: input.flag('force') });
    return showManager(context);
  },
};

async function showManager(context: Context): Promise<number> {
  const manager = await context.client().manager();
  const { words } = context;
  if (context.json) {
    words.json(manager);
    return EXIT.ok;
  }
  words.line(words.style('bold', manager.sentence));
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(9))} ${value}`);
  row('Leader', manager.leader === undefined ? 'nobody' : manager.leader);
  row('Why', manager.leaderWhy);
  row('Managers', `${manager.managers.join(' ')} (${manager.mode})`);
  if (manager.standby !== undefined) {
    const { node, isInSync } = manager.standby;
    row('Standby', `${node}, ${isInSync ? 'with everything' : 'not complete yet'}`);
  }
  row('Registry', manager.isLive ? manager.engine : `${manager.engine}, which does not answer`);
  if (manager.endpoints.length > 0) row('At', manager.endpoints.join(' '));
  return EXIT.ok;
}

export const MANAGER: CommandSpec = {
  name: 'manager',
  summary: 'Show who holds the registry, who leads and why; choose the managers.',
  examples: [
    ['moln manager', ''],
    ['moln manager set a b c', 'instead of automatic'],
  ],
  run: showManager,
  commands: [SET, TAKEOVER],
};

export const EVENTS: CommandSpec = {
  name: 'events',
  summary: 'Show what happened in the cluster.',
  options: [{ flags: '-f, --follow', description: 'go on with what happens from now on' }],
  examples: [['moln events -f', 'until Ctrl-C']],
  run: async (context, input) => {
    const past = await context.client().events();
    for (const event of past.slice(-EVENTS_SHOWN)) print(context, event);
    if (!input.flag('follow')) return EXIT.ok;
    for await (const event of context.client().followEvents()) print(context, event);
    return EXIT.ok;
  },
};

/** With `--json` one object a line. */
function print({ words, json, io }: Context, event: EventDetail): void {
  if (json) io.stdout.write(`${JSON.stringify(event)}\n`);
  else words.line(`${words.style('dim', isoTime(event.at))}  ${event.text}`);
}

export const WHY: CommandSpec = {
  name: 'why',
  summary: 'Say why things are as they are.',
  examples: [
    ['moln why app blog', 'why its instances are where they are'],
    ['moln why cached http://blog.localhost:8080/', 'what the caches know of it'],
    ['moln why slow http://blog.localhost:8080/', 'where the time of its requests goes'],
    ['moln why query shop "SELECT * FROM orders WHERE id = 1"', 'which stripes it asks'],
  ],
  commands: [
    WHY_CACHED,
    WHY_SLOW,
    WHY_QUERY,
    {
      name: 'app',
      summary: 'Why the instances of an app are where they are.',
      arguments: [{ name: 'NAME', description: 'of the app', required: true }],
      run: async (context, input) => {
        const slots = await context.client().whyApp(input.argument('NAME') ?? '');
        if (context.json) {
          context.words.json(slots);
          return EXIT.ok;
        }
        context.words.table(
          ['INSTANCE', 'NODE', 'WHY'],
          slots.map(({ process, slot, node, leaving, reason }) => [
            `${process} ${slot}`,
            leaving === undefined ? (node ?? 'none') : `${leaving} → ${node ?? 'none'}`,
            reason,
          ]),
        );
        return EXIT.ok;
      },
    },
  ],
};
