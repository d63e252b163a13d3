/** `moln nodes` and `moln node NAME …`. */
import type { NodeDetail } from '../../api/model.ts';
import { formatDuration, isoTime } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { ask } from '../prompt.ts';
import { readPairs } from '../up.ts';

const LABEL_KEY = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const NODES: CommandSpec = {
  name: 'nodes',
  summary: 'List the nodes: where they are, how they are, what they have.',
  examples: [
    ['moln nodes', ''],
    ['moln nodes --json', 'for scripts'],
  ],
  run: async (context) => {
    const nodes = await context.client().nodes();
    if (context.json) context.words.json(nodes);
    else printNodes(context, nodes);
    return EXIT.ok;
  },
};

function printNodes({ words, clock }: Context, nodes: readonly NodeDetail[]): void {
  words.table(
    ['NODE', 'STATE', 'REGION', 'ROLE', 'ADDRESS', 'UP', 'INSTANCES', 'CPU', 'MEMORY', 'DISK FREE'],
    nodes.map((node) => [
      node.name,
      node.state,
      node.region,
      roleOf(node),
      `${node.address}:${node.port}`,
      node.startedAt === 0 ? '-' : formatDuration(clock.now() - node.startedAt),
      String(node.instances.length),
      `${Math.round(node.cpu.usedRatio * 100)} % of ${node.cpu.cores}`,
      `${formatBytes(node.memory.usedBytes)} of ${formatBytes(node.memory.totalBytes)}`,
      formatBytes(node.disk.freeBytes),
    ]),
  );
}

function roleOf({ isLeader, isManager }: NodeDetail): string {
  if (isLeader) return 'leader';
  return isManager ? 'manager' : 'worker';
}

async function show(context: Context, input: Input): Promise<number> {
  const node = await context.client().node(input.subject);
  const { words } = context;
  if (context.json) {
    words.json(node);
    return EXIT.ok;
  }
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(12))} ${value}`);
  words.line(words.style('bold', `${node.name}: ${node.state}`));
  row('Why', node.reason);
  row('Role', roleOf(node));
  row('Region', node.region);
  row('Address', `${node.address}:${node.port}`);
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  row('Labels', labels.length === 0 ? 'none' : labels.join(' '));
  if (node.version !== '') row('Version', node.version);
  row('Joined', isoTime(node.joinedAt));
  row('Certificate', `until ${isoTime(node.certificateEndsAt)}, renewed by itself`);
  row('Instances', node.instances.length === 0 ? 'none' : node.instances.join(' '));
  return EXIT.ok;
}

function verb(name: 'drain' | 'undrain', summary: string, done: string): CommandSpec {
  return {
    name,
    summary,
    run: async (context, input) => {
      await context.client().changeNode(input.subject, name);
      if (context.json) context.words.json({ node: input.subject, [name]: true });
      else context.words.line(`${input.subject}: ${done}`);
      return EXIT.ok;
    },
  };
}

const FORGET: CommandSpec = {
  name: 'forget',
  summary: 'Remove a node for good: its certificate is refused from now on.',
  options: [{ flags: '--yes', description: 'do not ask' }],
  run: async (context, input) => {
    const name = input.subject;
    if (!input.flag('yes')) {
      const answer = await ask(context.io, `Type "${name}" to forget this node for good: `);
      if (answer !== name) throw usageError('Nothing was forgotten', `Type the name "${name}"`);
    }
    context.words.note('If it still runs, others take over first: that may take half a minute');
    await context.client().forgetNode(name);
    if (context.json) context.words.json({ forgotten: name });
    else context.words.line(`Node ${name} is forgotten`);
    return EXIT.ok;
  },
};

const LABEL: CommandSpec = {
  name: 'label',
  summary: 'Set labels with KEY=VALUE, remove them with KEY-.',
  arguments: [{ name: 'LABEL…', description: 'KEY=VALUE or KEY-', required: true, variadic: true }],
  examples: [['moln node two label disk=ssd rack-', 'sets one and removes one']],
  run: async (context, input) => {
    const words = input.rest('LABEL…');
    const unset = words.filter((word) => word.endsWith('-') && !word.includes('='));
    const set = readPairs(
      words.filter((word) => !unset.includes(word)),
      'label',
      LABEL_KEY,
    );
    const change = { set, unset: unset.map((word) => word.slice(0, -1)) };
    await context.client().labelNode(input.subject, change);
    return show(context, input);
  },
};

const WHY: CommandSpec = {
  name: 'why',
  summary: 'Say why the node is in its state.',
  run: async (context, input) => {
    const node = await context.client().node(input.subject);
    const { name, state, reason } = node;
    if (context.json) context.words.json({ name, state, reason });
    else context.words.line(`${name} is ${state}: ${reason}`);
    return EXIT.ok;
  },
};

export const NODE: CommandSpec = {
  name: 'node',
  summary: 'Show one node, drain it, label it, forget it.',
  subject: { name: 'NAME', description: 'as "moln nodes" shows it', required: true },
  examples: [
    ['moln node two', 'its state and what runs there'],
    ['moln node two drain', 'moves everything elsewhere'],
    ['moln node two forget', 'for a machine that never comes back'],
  ],
  run: show,
  commands: [
    verb('drain', 'Move everything off it; nothing new comes.', 'everything moves elsewhere'),
    verb('undrain', 'Use it again.', 'it is used again'),
    FORGET,
    LABEL,
    WHY,
  ],
};
