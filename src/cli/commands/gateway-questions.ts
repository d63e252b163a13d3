/** `moln gateway purge`, `why` and `top`: of a gateway that runs by itself; `top` without a file of all gateways of the cluster. */
import { resolve } from 'node:path';
import { formatPrometheus } from '../../base/metrics.ts';
import {
  drainStandalone,
  explainStandalone,
  metricsStandalone,
  purgeStandalone,
  slowStandalone,
  type StandaloneQuestions,
  topStandalone,
} from '../../standalone/standalone.ts';
import type { CommandSpec, Context, Input } from '../command.ts';
import { EXIT } from '../errors.ts';
import { count } from '../words.ts';
import {
  fieldsOf,
  HEADER_OPTION,
  noteSilent,
  printExplanation,
  workerWords,
  printTop,
  PURGE_OPTIONS,
  purgeOf,
  secondsOf,
  TOP_OPTION,
} from './cache-words.ts';
import { printSlow } from './slow-words.ts';

const FILE = { name: 'FILE', description: 'of "moln gateway run"', required: true };

export const GATEWAY_PURGE: CommandSpec = {
  name: 'purge',
  summary: 'Purge what a gateway that runs by itself has stored.',
  arguments: [FILE, { name: 'URL…', description: 'as browsers write it', variadic: true }],
  options: PURGE_OPTIONS,
  local: true,
  examples: [
    ['moln gateway purge site.yml http://www.example.org/news', 'one page'],
    ['moln gateway purge site.yml --tag article-7 --soft', 'validated before it is used again'],
  ],
  run: async (context, input) => {
    const processes = await purgeStandalone(questions(context, input), purgeOf(input));
    if (context.json) context.words.json({ processes });
    else context.words.line(`Purged in ${count(processes, 'process')}`);
    return EXIT.ok;
  },
};

export const GATEWAY_WHY: CommandSpec = {
  name: 'why',
  summary: 'Say what the cache of each process knows of a URL, and why.',
  arguments: [FILE, { name: 'URL', description: 'as browsers write it', required: true }],
  options: [HEADER_OPTION],
  local: true,
  examples: [
    ['moln gateway why site.yml http://www.example.org/', ''],
    ['moln gateway why site.yml http://www.example.org/ -H "Accept-Language: sv"', ''],
  ],
  run: async (context, input) => {
    const explanations = await explainStandalone(questions(context, input), {
      url: input.argument('URL') ?? '',
      fields: fieldsOf(input),
    });
    if (context.json) context.words.json(explanations);
    else for (const one of explanations) printExplanation(context, workerWords(one), one);
    return EXIT.ok;
  },
};

export const GATEWAY_SLOW: CommandSpec = {
  name: 'slow',
  summary: 'Say where the time of recent requests goes.',
  arguments: [FILE, { name: 'URL', description: 'as browsers write it', required: true }],
  local: true,
  examples: [['moln gateway slow site.yml http://www.example.org/', '']],
  run: async (context, input) => {
    const report = await slowStandalone(questions(context, input), input.argument('URL') ?? '');
    if (context.json) context.words.json(report);
    else printSlow(context, report);
    return EXIT.ok;
  },
};

export const GATEWAY_METRICS: CommandSpec = {
  name: 'metrics',
  summary: 'Print the metrics of a gateway that runs by itself, as Prometheus reads them.',
  arguments: [FILE],
  local: true,
  examples: [['moln gateway metrics site.yml > /var/lib/node_exporter/moln.prom', '']],
  run: async (context, input) => {
    const families = await metricsStandalone(questions(context, input));
    if (context.json) context.words.json(families);
    else context.io.stdout.write(formatPrometheus(families));
    return EXIT.ok;
  },
};

export const GATEWAY_DRAIN: CommandSpec = {
  name: 'drain',
  summary: 'Stop a gateway that runs by itself behind another balancer: it says so first.',
  arguments: [FILE],
  local: true,
  examples: [['moln gateway drain site.yml', 'ends when the gateway has ended']],
  run: async (context, input) => {
    await drainStandalone(questions(context, input));
    if (context.json) context.words.json({ drained: true });
    else context.words.line('Drained and stopped');
    return EXIT.ok;
  },
};

export const GATEWAY_TOP: CommandSpec = {
  name: 'top',
  summary: 'Count for a moment what is asked most: by route and by URL.',
  arguments: [{ ...FILE, description: 'of "moln gateway run"; else the cluster', required: false }],
  options: [TOP_OPTION],
  examples: [
    ['moln gateway top', 'of all gateways of the cluster'],
    ['moln gateway top site.yml --seconds 10', 'of a gateway that runs by itself'],
  ],
  run: async (context, input) => {
    const seconds = secondsOf(input);
    if (input.argument('FILE') === undefined) {
      const report = await context.client().gatewayTop(seconds);
      if (context.json) context.words.json(report);
      else printTop(context, report);
      noteSilent(context, report);
      return EXIT.ok;
    }
    const report = await topStandalone(questions(context, input), seconds * 1000);
    if (context.json) context.words.json(report);
    else printTop(context, report);
    return EXIT.ok;
  },
};

function questions(context: Context, input: Input): StandaloneQuestions {
  return {
    file: resolve(context.io.cwd, input.argument('FILE') ?? ''),
    stateFolder: `${context.dataFolder}-gateway`,
    clock: context.clock,
  };
}
