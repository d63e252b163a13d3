/** `moln app NAME run` and `exec`: a command in the app's release and environment. */
import { once } from 'node:events';
import type { RunOutput } from '../../api/model.ts';
import { MolnError } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { streamBroken } from '../errors.ts';

const COMMAND = {
  name: 'CMD',
  description: 'the command and its arguments, after --',
  required: true,
  variadic: true,
};

/** What shells answer for a process that a signal ended: 128 and its number, which is not sent. */
const EXIT_BY_SIGNAL = 128;

export const RUN: CommandSpec = {
  name: 'run',
  summary: 'Run a command once, with its release, settings and data; ends with its exit code.',
  arguments: [COMMAND],
  passThrough: true,
  examples: [['moln app shop run -- node scripts/migrate.js', 'a migration']],
  run: (context, input) => runCommand(context, input.subject, input.rest('CMD'), undefined),
};

export const EXEC: CommandSpec = {
  name: 'exec',
  summary: 'Run a command inside a running instance, on whatever node it is.',
  arguments: [COMMAND],
  passThrough: true,
  options: [
    { flags: '--instance <ID>', description: 'which one (default: the first healthy one)' },
  ],
  examples: [['moln app shop exec -- ps aux', 'what runs in there']],
  run: async (context, input) => {
    const instance = input.text('instance') ?? (await firstInstance(context, input.subject));
    return runCommand(context, input.subject, input.rest('CMD'), instance);
  },
};

async function firstInstance(context: Context, app: string): Promise<string> {
  const { instanceList } = await context.client().app(app);
  const found = instanceList.find(({ state }) => state === 'healthy') ?? instanceList[0];
  if (found !== undefined) return found.id;
  throw new MolnError('CLI_NO_INSTANCE', `App "${app}" has no running instance`, {
    hint: `Start it with "moln app ${app} start", or use "moln app ${app} run -- CMD"`,
  });
}

async function runCommand(
  context: Context,
  app: string,
  command: readonly string[],
  instance: string | undefined,
): Promise<number> {
  const stdin = context.io.stdin.isTTY === true ? undefined : context.io.stdin;
  const output = context.client().run(app, { command, instance, stdin });
  try {
    return await printOutput(context, output);
  } finally {
    // The command ended without reading to its end: whoever writes there must not hold us up.
    stdin?.destroy();
  }
}

async function printOutput(context: Context, output: AsyncIterable<RunOutput>): Promise<number> {
  const collected: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
  for await (const item of output) {
    if (item.kind === 'output') {
      const bytes = Buffer.from(item.base64, 'base64');
      if (context.json) collected[item.stream].push(bytes);
      else if (!context.io[item.stream].write(bytes)) await once(context.io[item.stream], 'drain');
      continue;
    }
    if (context.json) {
      // Decoded as a whole: a character may come in two pieces.
      const stdout = Buffer.concat(collected.stdout).toString('utf8');
      const stderr = Buffer.concat(collected.stderr).toString('utf8');
      context.words.json({ code: item.code, signal: item.signal, stdout, stderr });
    } else if (item.signal !== null) context.words.note(`Ended by ${item.signal}`);
    return item.code ?? EXIT_BY_SIGNAL;
  }
  context.signal.throwIfAborted();
  throw streamBroken();
}
