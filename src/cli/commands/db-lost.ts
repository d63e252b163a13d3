/** `moln db lost`: databases of a lost cloud, whose snapshots came back with its files. */
import type { LostDatabaseSummary } from '../../api/api.ts';
import { isoTime } from '../../base/time.ts';
import { formatBytes } from '../../base/units.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { count } from '../words.ts';

export const DB_LOST: CommandSpec = {
  name: 'lost',
  summary: 'List databases of a lost cloud of which "moln recover" brought snapshots back.',
  options: [
    {
      flags: '--forget <NAME>',
      description: 'remove the snapshots of that one, by name or id; it cannot be had back then',
    },
  ],
  examples: [
    ['moln db lost', 'then "moln db restore NAME --from-snapshots"'],
    ['moln db lost --forget shop', 'when it is here again, or not wanted'],
  ],
  run: async (context, input) => {
    const name = input.text('forget');
    if (name !== undefined) {
      await context.client().forgetLostDatabase(name);
      if (context.json) context.words.json({ lost: name, forgotten: true });
      else context.words.line(`Snapshots of ${name} leave the file store within ten minutes`);
      return EXIT.ok;
    }
    const lost = await context.client().lostDatabases();
    if (context.json) context.words.json(lost);
    else if (lost.length === 0)
      context.words.line('No snapshots of lost databases are in the file store');
    else printLost(context, lost);
    return EXIT.ok;
  },
};

export function printLost(context: Context, lost: readonly LostDatabaseSummary[]): void {
  context.words.table(
    ['LOST DATABASE', 'ID', 'AS OF', 'STRIPES', 'SIZE'],
    lost.map(({ id, name, at, stripes, bytes }) => [
      name,
      id,
      at === undefined ? 'never' : isoTime(at),
      count(stripes, 'stripe'),
      formatBytes(bytes),
    ]),
  );
  for (const { name, why } of lost)
    if (why !== undefined) context.words.line(`${name} cannot be restored: ${why}`);
  if (lost.some(({ at }) => at !== undefined))
    context.words.line(
      'Make databases of them with "moln db restore NAME --from-snapshots"; what was written later is lost',
    );
}
