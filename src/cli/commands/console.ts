/** `moln console`: a link that logs one browser in. */
import { formatDuration } from '../../base/time.ts';
import type { CommandSpec } from '../command.ts';
import { EXIT } from '../errors.ts';

export const CONSOLE: CommandSpec = {
  name: 'console',
  summary: 'Print a link that logs your browser in to the console, once.',
  run: async (context) => {
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
