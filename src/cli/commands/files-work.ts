/** `moln files repair` and `scrub`: the background work of the file store. */
import { formatDuration } from '../../base/time.ts';
import { formatBytes, parseSize } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import type { Work } from '../files-client.ts';
import { showSteps } from '../progress.ts';
import { count } from '../words.ts';

const LOOK_EVERY_MS = 500;

export const REPAIR: CommandSpec = {
  name: 'repair',
  summary: 'Show what repair does, how fast it may be, and what else goes on behind files.',
  options: [
    {
      flags: '--rate <SIZE>',
      description: 'copy at most so much in a second, as 20MB; none: no limit',
    },
    { flags: '--now', description: 'look at all blocks now' },
  ],
  examples: [
    ['moln files repair', ''],
    ['moln files repair --rate 20MB', 'on all nodes, from now on'],
  ],
  run: async (context, input) => {
    const files = context.client().files();
    const rate = input.text('rate');
    if (rate !== undefined)
      await files.setRepairRate(rate === 'none' ? null : parseSize(rate, '--rate'));
    const work = input.flag('now') ? await files.repairNow() : await files.work();
    if (context.json) context.words.json(work);
    else print(context, work);
    return EXIT.ok;
  },
};

export const SCRUB: CommandSpec = {
  name: 'scrub',
  summary: 'Read every copy of every file now, and have damaged ones made anew.',
  run: async (context) => {
    const files = context.client().files();
    let work = await files.scrub();
    {
      using display = showSteps(context, 'Reading all copies');
      for (let told = -1; work.scrub.isRunning;) {
        const { copies, bytes, damaged } = work.scrub;
        if (told !== copies)
          display?.step(`${copiesOf(copies)}, ${formatBytes(bytes)}, ${damaged} damaged`);
        told = copies;
        await context.clock.sleep(LOOK_EVERY_MS, context.signal);
        work = await files.work();
      }
    }
    const { copies, damaged, unread } = work.scrub;
    if (context.json) context.words.json(work.scrub);
    else {
      const other = unread === 0 ? '' : `, ${unread} could not be read: their storages are away`;
      context.words.line(`${copiesOf(copies)} read, ${damaged} damaged or gone${other}`);
      if (damaged > 0) context.words.line('They are made anew: see "moln files repair"');
    }
    return damaged + unread === 0 ? EXIT.ok : EXIT.failed;
  },
};

function print(context: Context, { repair, workers }: Work): void {
  const { words } = context;
  const { codesQueued, queuedBytes, bytesPerSecond = 0, rate, missing, lost, why } = repair;
  const queued = repair.queued - codesQueued;
  const left =
    bytesPerSecond === 0 ? '' : `, ${formatDuration((queuedBytes / bytesPerSecond) * 1000)} left`;
  if (repair.queued > 0) {
    const due = [
      ...(queued > 0 ? [`${copiesOf(queued)} to make`] : []),
      ...(codesQueued > 0 ? [`${count(codesQueued, 'block')} to put into shares`] : []),
    ];
    words.line(
      `${due.join(', ')} (${formatBytes(queuedBytes)}), ${formatBytes(bytesPerSecond)}/s${left}`,
    );
  }
  words.line(
    `${copiesOf(repair.copied)} made (${formatBytes(repair.copiedBytes)}), ${repair.failed} failed; rate: ${rate === undefined ? 'no limit' : `${formatBytes(rate)}/s`}`,
  );
  if (repair.coded > 0) words.line(`${count(repair.coded, 'block')} put into shares`);
  if (missing > 0)
    words.line(`${count(missing, 'block')} lack copies for which there is no place now`);
  if (lost > 0) words.line(`${count(lost, 'block')} have no copy in any storage`);
  if (why !== undefined) words.line(`The last that failed: ${why}`);
  words.line();
  words.table(
    ['WORKER', 'STATE', 'DOES'],
    workers.map(({ name, state, status, lastError }) => [
      name,
      state,
      lastError === undefined ? status : `${status}; last error: ${lastError}`,
    ]),
  );
}

function copiesOf(number: number): string {
  return number === 1 ? '1 copy' : `${number} copies`;
}
