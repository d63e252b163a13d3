/** `moln db`: databases. */
import type { CommandSpec } from '../command.ts';
import { DUMP, EXPORT, IMPORT, RESTORE } from './db-copy.ts';
import { SHELL } from './db-shell.ts';

export const DB: CommandSpec = {
  name: 'db',
  summary: 'Make, look at and drop databases, and run SQL in them.',
  commands: [SHELL, DUMP, RESTORE, IMPORT, EXPORT],
};
