/** Which data folder is meant: `--data`, else `MOLN_DATA`, else the user's default. */
import { resolve } from 'node:path';
import type { CliIo } from './io.ts';

/** Absolute. `/var/lib/moln` for root, `~/.local/share/moln` (XDG) for everybody else. */
export function chooseDataFolder(
  io: Pick<CliIo, 'env' | 'cwd'>,
  given: string | undefined,
  uid: number | undefined,
): string {
  const named = given ?? io.env['MOLN_DATA'];
  if (named !== undefined && named !== '') return resolve(io.cwd, named);
  if (uid === 0) return '/var/lib/moln';
  const home = io.env['HOME'] ?? io.cwd;
  const share = io.env['XDG_DATA_HOME'];
  const base = share !== undefined && share.startsWith('/') ? share : `${home}/.local/share`;
  return resolve(base, 'moln');
}
