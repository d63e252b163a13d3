/** `moln down`: stops the node of a data folder, also what a dead agent left behind. */
import { isMolnError } from '../../base/errors.ts';
import { MolnError } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { findProcesses, type Found } from '../processes.ts';
import { allGone, stopProcesses } from '../stop-processes.ts';
import { count } from '../words.ts';

/** Draining of connections and the longest stop time-out of an app fit into it. */
const STOP_WITHIN_MS = 60_000;
const LEFTOVER_GRACE_MS = 5000;

export const DOWN: CommandSpec = {
  name: 'down',
  summary: 'Stop the node and its apps; everything is kept.',
  local: true,
  run: async (context) => {
    const running = findProcesses(context.dataFolder);
    const asked = await askToStop(context, running);
    if (asked && !context.json) context.words.note('Stopping the node and its apps');
    if (asked && !(await allGone(running, context.clock, STOP_WITHIN_MS, context.signal))) {
      const names = findProcesses(context.dataFolder).map(
        ({ label, id }) => `${label} (${id.pid})`,
      );
      throw new MolnError(
        'CLI_STOP_SLOW',
        `After ${STOP_WITHIN_MS / 1000} s these still run: ${names.join(', ')}`,
        { hint: 'Run "moln down" again to end them by force' },
      );
    }
    const left = findProcesses(context.dataFolder);
    await stopProcesses(left, { clock: context.clock, graceMs: LEFTOVER_GRACE_MS });
    report(context, asked, left);
    return EXIT.ok;
  },
};

/** False when no agent answers but processes of the folder still run. Throws when there is nothing at all. */
async function askToStop(context: Context, running: readonly Found[]): Promise<boolean> {
  try {
    await context.client().shutdown();
    return true;
  } catch (error) {
    const unanswered = isMolnError(error, 'CLI_NO_NODE') || isMolnError(error, 'CLI_UNREACHABLE');
    if (!unanswered || running.length === 0) throw error;
    return false;
  }
}

function report(context: Context, asked: boolean, left: readonly Found[]): void {
  const labels = left.map(({ label }) => label);
  if (context.json) {
    context.words.json({ stopped: true, agent: asked, leftovers: labels });
    return;
  }
  if (asked) context.words.line('Stopped. Everything is kept; start it again with "moln up"');
  if (labels.length === 0) return;
  const why = asked ? 'it had lost' : 'a crashed agent had left';
  context.words.line(
    `Stopped ${count(labels.length, 'process')} that ${why}: ${labels.join(', ')}`,
  );
}
