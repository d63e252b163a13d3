/** `moln app NAME logs`: what its instances wrote, and write. */
import type { LogLine } from '../../api/model.ts';
import { isoTime } from '../../base/time.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { wholeNumber } from '../up.ts';
import { printable } from '../words.ts';

const TAIL_LINES = 100;
const TAIL_LINES_MAX = 100_000;

export const LOGS: CommandSpec = {
  name: 'logs',
  summary: 'Show the last log lines, and follow them with -f.',
  options: [
    { flags: '-f, --follow', description: 'stay and print new lines until Ctrl-C' },
    { flags: '--tail <N>', description: `lines of the past (default: ${TAIL_LINES})` },
    { flags: '--process <NAME>', description: 'of this process only, as web' },
    { flags: '--instance <ID>', description: 'of this instance only' },
  ],
  examples: [
    ['moln app blog logs -f', 'live'],
    ['moln app blog logs --tail 20 --json', 'a JSON list; with -f one object a line'],
  ],
  run: async (context, input) => {
    const follow = input.flag('follow');
    const lines = context.client().logs(input.subject, {
      tail: wholeNumber(input.text('tail'), '--tail', 0, TAIL_LINES_MAX) ?? TAIL_LINES,
      follow,
      process: input.text('process'),
      instance: input.text('instance'),
    });
    const all: LogLine[] = [];
    for await (const line of lines) {
      if (!context.json) printLine(context, line);
      // A stream without an end has no final object: its lines are printed as they come.
      else if (follow) context.io.stdout.write(`${JSON.stringify(line)}\n`);
      else all.push(line);
    }
    if (context.json && !follow) context.words.json(all);
    return EXIT.ok;
  },
};

function printLine(context: Context, line: LogLine): void {
  const { words } = context;
  const head = `${isoTime(line.at)} ${line.instance}`;
  words.line(`${words.style('dim', head)} ${printable(line.text)}`);
}
