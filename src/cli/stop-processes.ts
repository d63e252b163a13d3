/** Ends processes that no agent looks after any more: asks first, then kills. */
import { isRunning, signalProcess } from '../base/process-id.ts';
import type { Clock } from '../base/time.ts';
import type { Found } from './processes.ts';

const POLL_MS = 50;

/** Resolves when all are gone. `graceMs` lies between asking (SIGTERM) and killing (SIGKILL). */
export async function stopProcesses(
  processes: readonly Found[],
  options: { readonly clock: Clock; readonly graceMs: number },
): Promise<void> {
  if (options.graceMs > 0) {
    for (const { id } of processes) signalProcess(id, 'SIGTERM');
    if (await allGone(processes, options.clock, options.graceMs)) return;
  }
  // Instances lead a process group of their own; their children must not outlive them.
  for (const { id, role } of processes) signalProcess(id, 'SIGKILL', role === 'instance');
  await allGone(processes, options.clock, Infinity);
}

/** True once none runs, false when `withinMs` have passed before. Rejects with the signal's reason. */
export async function allGone(
  processes: readonly Found[],
  clock: Clock,
  withinMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = clock.monotonicMs() + withinMs;
  while (processes.some(({ id }) => isRunning(id))) {
    if (clock.monotonicMs() >= deadline) return false;
    await clock.sleep(POLL_MS, signal);
  }
  return true;
}
