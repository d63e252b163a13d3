/** `moln gateway run` and `check`: the gateway by itself, from one file. */
import { resolve } from 'node:path';
import { messageOf, MolnError } from '../../base/errors.ts';
import { createLogger, formatPlain } from '../../base/log.ts';
import {
  certificateTroubles,
  type GatewayFile,
  pathTroubles,
  readGatewayFile,
  StandaloneGateway,
} from '../../standalone/standalone.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT } from '../errors.ts';
import { refusalOf, renewProgram } from '../renew-program.ts';
import { endNow, onRequests, onStopSignals } from '../signals.ts';
import { count } from '../words.ts';
import {
  GATEWAY_DRAIN,
  GATEWAY_METRICS,
  GATEWAY_PURGE,
  GATEWAY_SLOW,
  GATEWAY_TOP,
  GATEWAY_WHY,
} from './gateway-questions.ts';

type Listener = Pick<GatewayFile['content']['listeners'][number], 'address' | 'port'> & {
  readonly protocol: string;
};

const FILE = { name: 'FILE', description: 'what it serves, in YAML or JSON', required: true };

const GATEWAY_RUN: CommandSpec = {
  name: 'run',
  summary:
    'Serve what the file says, in the foreground; SIGHUP reads it again, SIGUSR2 goes over to the program on disk.',
  arguments: [FILE],
  local: true,
  ownSignals: true,
  examples: [
    ['moln gateway run site.yml', 'until Ctrl-C'],
    ['pkill -USR2 -f "gateway run"', 'Moln was updated: the new program takes over'],
    ['pkill -HUP -f "gateway run"', 'the changed file is applied without a lost request'],
  ],
  run: async (context, input) => {
    const gateway = await StandaloneGateway.start({
      file: fileOf(context, input),
      stateFolder: `${context.dataFolder}-gateway`,
      clock: context.clock,
      log: createLogger({
        part: 'gateway',
        now: () => context.clock.now(),
        sinks: [(record) => void context.io.stderr.write(formatPlain(record))],
        level: 'warn',
      }),
    });
    greet(context, gateway);
    return await untilStopped(context, input, gateway);
  },
};

const CHECK: CommandSpec = {
  name: 'check',
  summary: 'Check the file; says the line and the key that is wrong.',
  arguments: [FILE],
  local: true,
  examples: [['moln gateway check site.yml', '']],
  run: async (context, input) => {
    const file = fileOf(context, input);
    const { content } = readGatewayFile(file);
    const { routes } = content;
    const listeners = listenersOf(content);
    const now = context.clock.now();
    const warnings = [...certificateTroubles(content, now), ...pathTroubles(routes)];
    if (context.json) {
      context.words.json({ listeners: listeners.length, routes: routes.length, warnings });
      return Promise.resolve(EXIT.ok);
    }
    const found = `${count(listeners.length, 'listener')}, ${count(routes.length, 'route')}`;
    context.words.line(`${file} is good: ${found}`);
    for (const warning of warnings) context.words.note(warning);
    return Promise.resolve(EXIT.ok);
  },
};

export const GATEWAY: CommandSpec = {
  name: 'gateway',
  summary: 'Run the gateway by itself, without a node; purge and explain its cache.',
  examples: [
    ['moln gateway run site.yml', ''],
    ['moln gateway check site.yml', ''],
  ],
  commands: [
    GATEWAY_RUN,
    CHECK,
    GATEWAY_PURGE,
    GATEWAY_WHY,
    GATEWAY_SLOW,
    GATEWAY_TOP,
    GATEWAY_METRICS,
    GATEWAY_DRAIN,
  ],
};

function fileOf(context: Context, input: Input): string {
  return resolve(context.io.cwd, input.argument('FILE') ?? '');
}

function greet(context: Context, gateway: StandaloneGateway): void {
  const { words } = context;
  if (context.json) {
    words.json({ pid: process.pid, urls: urlsOf(gateway.file), logs: `${gateway.folder}/logs` });
    return;
  }
  for (const url of urlsOf(gateway.file)) words.line(`Serving ${url}`);
  words.note(`Logs are in ${gateway.folder}/logs. Ctrl-C stops it, SIGHUP reads the file again`);
}

function listenersOf({ listeners, balancers = [] }: GatewayFile['content']): readonly Listener[] {
  return [...listeners, ...balancers];
}

function urlsOf({ content }: GatewayFile): readonly string[] {
  return listenersOf(content).map(({ protocol, address, port }) => {
    const host = address.includes(':') ? `[${address}]` : address;
    return `${protocol}://${host}:${port}`;
  });
}

/** SIGHUP reloads, SIGUSR1 begins new logs, SIGUSR2 a new program; the first other signal stops in order, the second one at once. */
async function untilStopped(
  context: Context,
  input: Input,
  gateway: StandaloneGateway,
): Promise<number> {
  const { words } = context;
  const stopped = Promise.withResolvers<void>();
  let isStopping = false;
  let reloads = Promise.resolve();
  using _signals = onStopSignals((signal) => {
    if (signal === 'SIGHUP' && !isStopping) {
      reloads = reloads.then(() => reload(context, gateway));
    } else if (isStopping) {
      endNow();
    } else {
      isStopping = true;
      words.note('Stopping: requests under way may finish');
      reloads.then(() => gateway.stop()).then(stopped.resolve, stopped.reject);
    }
  }, context.io.signals);
  const requests = {
    SIGUSR1: () => gateway.reopenLogs(),
    SIGQUIT: () => {
      if (isStopping) return;
      isStopping = true;
      words.note('Draining: whoever asks is told that this gateway leaves');
      reloads.then(() => gateway.drain()).then(stopped.resolve, stopped.reject);
    },
    SIGUSR2: () => {
      if (!isStopping) reloads = reloads.then(() => renew(context, input, gateway));
    },
  };
  using _requests = onRequests(requests, context.io.signals);
  await stopped.promise;
  return EXIT.ok;
}

/** Goes over to the program on disk, if that can read the file. */
async function renew(context: Context, input: Input, gateway: StandaloneGateway): Promise<void> {
  const { words } = context;
  const checked = await refusalOf(['gateway', 'check', fileOf(context, input)]);
  const refused = checked ?? (await gateway.refusalOfCode());
  if (refused !== undefined) {
    words.note(`The program on disk is not used: ${refused}`);
    return;
  }
  words.note('Going over to the program on disk; no request is lost');
  await gateway.detach();
  renewProgram();
}

async function reload({ words }: Context, gateway: StandaloneGateway): Promise<void> {
  try {
    await gateway.reload();
    words.note('The file was read again and is in use');
  } catch (error) {
    words.note(`The file was read again and is not used: ${messageOf(error)}`);
    if (error instanceof MolnError && error.hint !== undefined) words.note(`  ${error.hint}`);
  }
}
