/** Questions to the gateway processes of one folder, from whoever may enter it: no agent is needed. */
import { systemCode } from '../base/errors.ts';
import type { Clock } from '../base/time.ts';
import type { AnswerTo, GatewayQuestion } from './gateway-question.ts';
import { WorkerLink } from './worker-link.ts';
import { runningWorkers, workerPaths, type WorkerFolders } from './worker-record.ts';

/** Answers of those that gave one; throws the first failure when nobody did. */
export async function answersOf<Answer>(
  asked: readonly Promise<Answer | undefined>[],
): Promise<readonly Answer[]> {
  const results = await Promise.allSettled(asked);
  const answers = results.flatMap((result) =>
    result.status === 'fulfilled' && result.value !== undefined ? [result.value] : [],
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (answers.length === 0 && failed !== undefined) throw failed.reason;
  return answers;
}

export interface AskedWorkers<Answer> {
  readonly answers: readonly Answer[];
  /** Processes that run and do not leave. */
  readonly running: number;
}

/** As `answersOf`. A folder that is not there has no processes. */
export async function askWorkers<Question extends GatewayQuestion>(
  folders: WorkerFolders,
  question: Question,
  options: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<AskedWorkers<AnswerTo<Question>>> {
  const { clock, timeoutMs } = options;
  const slots = await serving(folders);
  const ask = async (slot: number): Promise<AnswerTo<Question>> => {
    const { link } = await WorkerLink.connect(workerPaths(folders, slot).socket, clock);
    try {
      return await link.question(question, timeoutMs);
    } finally {
      link.close();
    }
  };
  return { answers: await answersOf(slots.map(ask)), running: slots.length };
}

async function serving(folders: WorkerFolders): Promise<readonly number[]> {
  try {
    const running = await runningWorkers(folders);
    return [...running].flatMap(([slot, { leaving }]) => (leaving === true ? [] : [slot]));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
