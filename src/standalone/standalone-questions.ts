/** Questions to a gateway that runs by itself, asked from another process: its workers' sockets are open to their owner. */
import { MolnError, systemCode } from '../base/errors.ts';
import { isRunning, signalProcess } from '../base/process-id.ts';
import { mergeFamilies, type MetricFamily } from '../base/metrics.ts';
import type { Clock } from '../base/time.ts';
import {
  askWorkers,
  type CacheExplanation,
  type GatewayAnswer,
  type GatewayQuestion,
  mergeTop,
  type PurgeRequest,
  slowReport,
  type SlowReport,
  type TopReport,
} from '../gateway/gateway.ts';
import { readGatewayFile } from './gateway-file.ts';
import { runningStandalone } from './standalone-record.ts';
import { standaloneFolder, workerFolders } from './standalone-gateway.ts';

const LOOK_EVERY_MS = 100;
/** For an answer, beside the time that it takes to count. */
const ANSWER_WITHIN_MS = 10_000;

export interface StandaloneQuestions {
  /** Absolute. */
  readonly file: string;
  readonly stateFolder: string;
  readonly clock: Clock;
}

/** Resolves with the number of workers that have done it. Throws `STANDALONE_NOT_RUNNING`, `STANDALONE_PURGE_FAILED`. */
export async function purgeStandalone(
  gateway: StandaloneQuestions,
  purge: PurgeRequest,
): Promise<number> {
  const { answers, running } = await ask(gateway, {
    kind: 'purge',
    purge,
    id: gateway.clock.now(),
  });
  if (answers.length < running) throw partlyPurged(answers.length, running);
  return running;
}

/** One for each worker that answers: each has a cache of its own. */
export async function explainStandalone(
  gateway: StandaloneQuestions,
  question: Omit<Extract<GatewayQuestion, { kind: 'explain' }>, 'kind'>,
): Promise<readonly CacheExplanation[]> {
  const { answers } = await ask(gateway, { kind: 'explain', ...question });
  return answers.flatMap((answer) => (answer.kind === 'explain' ? [answer.explanation] : []));
}

/** Of all workers that answer. */
export async function slowStandalone(
  gateway: StandaloneQuestions,
  url: string,
): Promise<SlowReport> {
  const { answers } = await ask(gateway, { kind: 'slow', url });
  return slowReport(answers.flatMap((answer) => (answer.kind === 'slow' ? [answer.slow] : [])));
}

/** Of all workers that answer, added up; and of the certificates that they serve. */
export async function metricsStandalone(
  gateway: StandaloneQuestions,
): Promise<readonly MetricFamily[]> {
  const { answers } = await ask(gateway, { kind: 'metrics' });
  const found = answers.flatMap((answer) => (answer.kind === 'metrics' ? [answer] : []));
  return [
    ...mergeFamilies(found.map(({ families }) => families)),
    ...(found[0]?.certificates ?? []),
  ];
}

/** Has the gateway drain, and resolves when its process has ended. Throws `STANDALONE_NOT_RUNNING`. */
export async function drainStandalone(gateway: StandaloneQuestions): Promise<void> {
  const { file, clock } = gateway;
  const running = await runningStandalone(folderOf(gateway));
  if (running === undefined || !signalProcess(running, 'SIGQUIT')) throw notRunning(file);
  while (isRunning(running)) await clock.sleep(LOOK_EVERY_MS);
}

export async function topStandalone(
  gateway: StandaloneQuestions,
  durationMs: number,
): Promise<TopReport> {
  const { answers } = await ask(gateway, { kind: 'top', durationMs });
  return mergeTop(answers.flatMap((answer) => (answer.kind === 'top' ? [answer.top] : [])));
}

async function ask(
  gateway: StandaloneQuestions,
  question: GatewayQuestion,
): Promise<{ readonly answers: readonly GatewayAnswer[]; readonly running: number }> {
  const { file, clock } = gateway;
  const folders = workerFolders(folderOf(gateway));
  const durationMs = question.kind === 'top' ? question.durationMs : 0;
  const timeoutMs = ANSWER_WITHIN_MS + durationMs;
  const asked = await askWorkers(folders, question, { clock, timeoutMs });
  if (asked.running === 0) throw notRunning(file);
  return asked;
}

/** What the file says now does not matter: with a mistake in it, the gateway that runs goes on with what it said before. */
function folderOf(gateway: StandaloneQuestions): string {
  try {
    return standaloneFolder(gateway);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    // What is no file is said as `run` would say it.
    readGatewayFile(gateway.file);
    throw error;
  }
}

/** Or what is wrong with the file. */
function notRunning(file: string): MolnError {
  readGatewayFile(file);
  return new MolnError('STANDALONE_NOT_RUNNING', `No gateway runs with "${file}"`, {
    hint: `Start it with "moln gateway run ${file}", with the same --data`,
  });
}

function partlyPurged(done: number, running: number): MolnError {
  const what = `${done} of ${running} gateway processes have done it`;
  return new MolnError('STANDALONE_PURGE_FAILED', `The purge is not complete: ${what}`, {
    retryable: true,
    hint: 'Purge again; what the others have purged does not come back',
  });
}
