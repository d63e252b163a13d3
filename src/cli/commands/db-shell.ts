/** `moln db shell`: SQL by hand and from scripts. */
import type { CommandSpec } from '../command.ts';
import { converse } from '../db-prompt.ts';
import { linesOf } from '../db-script.ts';
import { Shell } from '../db-shell.ts';
import { EXIT } from '../errors.ts';
import { isConversation } from '../io.ts';

export const SHELL: CommandSpec = {
  name: 'shell',
  summary: 'Run SQL: what is given, what stdin holds, or what you type.',
  arguments: [
    { name: 'NAME', description: 'of the database', required: true },
    { name: 'SQL', description: 'one or more statements, quoted' },
  ],
  examples: [
    ['moln db shell shop', 'leave with .quit, see .help'],
    ['moln db shell shop "SELECT count(*) FROM orders"', ''],
    ['moln db shell shop "SELECT * FROM orders" --json', 'rows as objects'],
    ['moln db shell shop < changes.sql', 'up to the first error'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const sql = input.argument('SQL');
    await using shell = new Shell(context, name);
    if (sql !== undefined) await shell.lines(sql.split('\n'));
    else if (isConversation(context.io) && !context.json) await converse(context, shell, name);
    else await shell.lines(linesOf(context.io.stdin), 'stdin');
    return EXIT.ok;
  },
};
