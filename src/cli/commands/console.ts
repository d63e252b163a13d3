/** `moln console`: a link that logs one browser in. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatDuration } from '../../base/time.ts';
import type { CommandSpec } from '../command.ts';
import { EXIT } from '../errors.ts';

export const CONSOLE: CommandSpec = {
  name: 'console',
  summary: 'Print a link that logs your browser in to the web console, once.',
  examples: [
    ['moln console', 'the cloud, in the browser'],
    ['moln repl', "another thing: an app's models and database at a prompt"],
  ],
  run: async (context) => {
    // Elsewhere a console is where one talks to the models. Said first: it is wanted where no node runs, too.
    if (!context.json && existsSync(join(context.io.cwd, 'app', 'controllers')))
      context.words.note('This is the web console; the models of the app here are at "moln repl"');
    const link = await context.client().loginLink();
    if (context.json) {
      context.words.json(link);
      return EXIT.ok;
    }
    context.words.line(link.url);
    const left = formatDuration(link.expiresAt - context.clock.now());
    context.words.note(`Open it in a browser within ${left}; it works once`);
    return EXIT.ok;
  },
};
