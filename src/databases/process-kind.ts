/** What is different between the long-lived processes that an agent looks after. */
import { fileURLToPath } from 'node:url';
import type { MolnError } from '../base/errors.ts';
import { away } from './errors.ts';
import {
  CODE_FOLDERS,
  type DatabaseFolders,
  type ProcessPaths,
  processPaths,
} from './process-record.ts';

export interface ProcessKind {
  /** For people: `database process`. */
  readonly name: string;
  /** The file that Node runs: it gets folder, run folder, log folder, code and `words`. */
  readonly entry: string;
  readonly words: readonly string[];
  /** Of `src`: what it loads. */
  readonly codeFolders: readonly string[];
  readonly paths: (folders: DatabaseFolders) => Pick<ProcessPaths, 'socket' | 'record' | 'output'>;
  /** It does not answer. */
  readonly away: (why: string) => MolnError;
}

export const DATABASE_PROCESS: ProcessKind = {
  name: 'database process',
  entry: fileURLToPath(new URL('./database-main.ts', import.meta.url)),
  words: [],
  codeFolders: CODE_FOLDERS,
  paths: processPaths,
  away,
};
