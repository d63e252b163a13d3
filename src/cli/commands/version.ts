/** `moln version`. */
import type { CommandSpec } from '../command.ts';
import { EXIT } from '../errors.ts';

export const VERSION: CommandSpec = {
  name: 'version',
  summary: 'Print the version of Moln and of its runtime.',
  local: true,
  run: async (context) => {
    if (context.json) context.words.json({ version: context.version, node: process.version });
    else context.words.line(`moln ${context.version} on Node ${process.version}`);
    return EXIT.ok;
  },
};
