/** `moln app NAME …`: everything about one app. */
import type { AppDetail } from '../../api/model.ts';
import { isoTime } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { followProgress, type Done } from '../progress.ts';
import { ask } from '../prompt.ts';
import { readPairs } from '../up.ts';
import { ENV } from './app-env.ts';
import { LOGS } from './app-logs.ts';
import { EXEC, RUN } from './app-run.ts';
import { stateWord } from './status.ts';

const INSTANCES_MAX = 1000;
const PROCESS_NAME = /^[a-z][a-z0-9_-]{0,38}$/i;
/** The process that answers requests; what a bare number scales. */
const MAIN_PROCESS = 'web';

const SCALE: CommandSpec = {
  name: 'scale',
  summary: 'Show or change how many instances run.',
  arguments: [{ name: 'COUNT', description: 'N, or process=N', variadic: true }],
  examples: [
    ['moln app blog scale 3', 'three instances'],
    ['moln app blog scale web=2 worker=1', 'by process'],
  ],
  run: async (context, input) => {
    const words = input.rest('COUNT');
    if (words.length === 0) return showScale(context, input.subject);
    return await scale(context, input.subject, words);
  },
};

/** `3` or `web=2 worker=1`. Throws `CLI_USAGE`. */
export function readCounts(words: readonly string[]): Readonly<Record<string, number>> {
  const named = words.map((word) => (word.includes('=') ? word : `${MAIN_PROCESS}=${word}`));
  const counts: Record<string, number> = {};
  for (const [process, text] of Object.entries(readPairs(named, 'scale', PROCESS_NAME))) {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number > INSTANCES_MAX) {
      throw usageError(
        `"${text}" is not a number of instances from 0 to ${INSTANCES_MAX}`,
        'Write it as "moln app NAME scale 3" or "scale web=2 worker=1"',
      );
    }
    counts[process] = number;
  }
  return counts;
}

/** The same under a name of its own, for it is what one types most. */
export const SCALE_APP: CommandSpec = {
  name: 'scale',
  summary: 'Change how many instances of an app run.',
  arguments: [
    { name: 'NAME', description: 'of the app', required: true },
    { name: 'COUNT', description: 'N, or process=N', required: true, variadic: true },
  ],
  examples: [['moln scale blog 3', 'the same as "moln app blog scale 3"']],
  run: async (context, input) =>
    await scale(context, input.argument('NAME') ?? '', input.rest('COUNT')),
};

async function scale(context: Context, app: string, words: readonly string[]): Promise<number> {
  const counts = readCounts(words);
  const stream = context.client().scale(app, counts);
  const done = await followProgress(context, `Scaling ${app}`, stream);
  const text = Object.entries(counts).map(([process, number]) => `${process}=${number}`);
  return finish(context, done, `${app} runs ${text.join(' ')}`);
}

const ROLLBACK: CommandSpec = {
  name: 'rollback',
  summary: 'Go back to the release before, or to a given one.',
  arguments: [{ name: 'RELEASE', description: 'as "moln app NAME releases" shows it' }],
  run: async (context, input) => {
    const stream = context.client().rollback(input.subject, input.argument('RELEASE'));
    const done = await followProgress(context, `Rolling ${input.subject} back`, stream);
    return finish(context, done, `${done.app} is back on release ${done.release}: ${done.url}`);
  },
};

const RELEASES: CommandSpec = {
  name: 'releases',
  summary: 'List the releases that are kept.',
  run: async (context, input) => {
    const { releases } = await context.client().app(input.subject);
    if (context.json) {
      context.words.json(releases);
      return EXIT.ok;
    }
    context.words.table(
      ['RELEASE', 'CREATED', 'KIND', 'FILES', 'SIZE', 'LIES', ''],
      releases.map((release) => [
        release.id,
        isoTime(release.createdAt),
        release.kind,
        String(release.files),
        formatBytes(release.bytes),
        release.isStored === true ? 'nodes and files' : 'nodes',
        release.current ? 'current' : '',
      ]),
    );
    return EXIT.ok;
  },
};

const RESTART: CommandSpec = {
  name: 'restart',
  summary: 'Restart its instances one by one; no request fails.',
  run: async (context, input) => {
    const stream = context.client().restart(input.subject);
    const done = await followProgress(context, `Restarting ${input.subject}`, stream);
    return finish(context, done, `${done.app} is restarted: ${done.url}`);
  },
};

const START: CommandSpec = {
  name: 'start',
  summary: 'Start it again after "stop".',
  run: async (context, input) => {
    const stream = context.client().start(input.subject);
    const done = await followProgress(context, `Starting ${input.subject}`, stream);
    return finish(context, done, `${done.app} is live: ${done.url}`);
  },
};

const STOP: CommandSpec = {
  name: 'stop',
  summary: 'Stop its instances; releases and data are kept.',
  run: async (context, input) => {
    await context.client().stop(input.subject);
    return told(context, { app: input.subject, stopped: true }, `${input.subject} is stopped`);
  },
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Remove the app with its releases, settings and data.',
  options: [{ flags: '-y, --yes', description: 'do not ask' }],
  run: async (context, input) => {
    const app = input.subject;
    if (!input.flag('yes')) {
      await context.client().app(app);
      const answer = await ask(
        context.io,
        `Remove "${app}" with its releases, settings and data? Type its name: `,
      );
      if (answer !== app) {
        throw usageError(`"${app}" was not removed`, `Type its name, or give --yes`);
      }
    }
    await context.client().remove(app);
    return told(context, { app, removed: true }, `${app} is removed`);
  },
};

const DOMAINS: CommandSpec = {
  name: 'domains',
  summary: 'Show or replace the further host names that it answers to.',
  arguments: [{ name: 'HOST', description: 'all of them, anew', variadic: true }],
  options: [{ flags: '--none', description: 'remove them all' }],
  run: async (context, input) => {
    const app = input.subject;
    const hosts = input.rest('HOST');
    if (hosts.length > 0 || input.flag('none')) await context.client().setDomains(app, hosts);
    const { domains, urls } = await context.client().app(app);
    if (context.json) context.words.json({ app, domains, urls });
    else for (const url of urls) context.words.line(url);
    return EXIT.ok;
  },
};

export const APP: CommandSpec = {
  name: 'app',
  summary: 'Look after one app: logs, env, scale, rollback, restart, run and more.',
  subject: { name: 'NAME', description: 'the app', required: true },
  examples: [
    ['moln app blog', 'how it is'],
    ['moln app blog logs -f', 'what it says, as it says it'],
    ['moln app blog env GREETING=Hi', 'a setting'],
    ['moln app blog scale 3', 'three instances'],
    ['moln app blog rollback', 'the release before'],
  ],
  commands: [
    LOGS,
    ENV,
    SCALE,
    ROLLBACK,
    RELEASES,
    RESTART,
    START,
    STOP,
    REMOVE,
    RUN,
    EXEC,
    DOMAINS,
  ],
  run: async (context, input) => {
    const app = await context.client().app(input.subject);
    if (context.json) context.words.json(app);
    else printApp(context, app);
    return EXIT.ok;
  },
};

async function showScale(context: Context, name: string): Promise<number> {
  const { scale } = await context.client().app(name);
  if (context.json) context.words.json({ app: name, scale });
  else
    for (const [process, number] of Object.entries(scale))
      context.words.line(`${process}=${number}`);
  return EXIT.ok;
}

function finish(context: Context, done: Done, sentence: string): number {
  return told(context, { app: done.app, release: done.release, url: done.url }, sentence);
}

function told(context: Context, json: unknown, sentence: string): number {
  if (context.json) context.words.json(json);
  else context.words.line(`${context.words.style('green', '●')} ${sentence}`);
  return EXIT.ok;
}

function printApp(context: Context, app: AppDetail): void {
  const { words } = context;
  words.line(`${words.style('bold', app.name)} is ${stateWord(words, app.state)}`);
  if (app.explanation !== '') words.line(app.explanation);
  words.line();
  for (const url of app.urls) words.line(`  ${words.style('cyan', url)}`);
  const serving = app.releases.find(({ current }) => current);
  if (serving?.isStored === false)
    words.line(`  release ${serving.id} is not in the file store yet: it lies on nodes only`);
  const env = Object.keys(app.env);
  if (env.length > 0) words.line(`  env ${env.join(' ')}`);
  if (app.secretNames.length > 0) words.line(`  secrets ${app.secretNames.join(' ')}`);
  if (app.instanceList.length > 0) {
    words.line();
    words.table(
      ['INSTANCE', 'STATE', 'RELEASE', 'PID', 'MEMORY', 'RESTARTS', 'NOW', 'WHY'],
      app.instanceList.map((instance) => [
        instance.id,
        instance.state,
        instance.release,
        instance.pid === undefined ? '-' : String(instance.pid),
        instance.memoryBytes === undefined ? '-' : formatBytes(instance.memoryBytes),
        String(instance.restarts),
        String(instance.requestsNow),
        instance.reason,
      ]),
    );
  }
  if (app.history.length === 0) return;
  words.line();
  words.table(
    ['DEPLOYED', 'RELEASE', 'BY', ''],
    app.history.map(({ at, release, by, kind }) => [
      isoTime(at),
      release,
      by,
      kind === 'rollback' ? 'rollback' : '',
    ]),
  );
}
