/**
 * Python environments know where they were made, and a release moves: from its staging folder to its place, and to other
 * nodes, whose data folders may be elsewhere.
 */
import { constants } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';

/** The scripts in `.venv/bin` are small; anything larger is a program. */
const SCRIPT_BYTES_MAX: number = 1024 * 1024;

/** In these the interpreter of a script is named; Linux takes 255 bytes of a first line. */
const FIRST_LINES_MAX = 4096;
/** As pip writes them: the interpreter's folder, its name, its options. The second form is for paths that are too long. */
const FIRST_LINES =
  /^#!(?:\/bin\/sh\n'''exec' )?"?(\/[^\n"]*\/)([^\n/" ]+)"?((?: -\w+)*)(?: "\$0" "\$@"\n' ''')?[ \t]*\n/;

/**
 * Scripts in `.venv/bin`, such as `pip` and `gunicorn`, start the interpreter that lies beside them, wherever that is; other
 * paths in them lead to the final place on this node. No `.venv` is fine.
 */
export async function relocateVenv(tree: string, finalTree: string): Promise<void> {
  const bin = join(tree, '.venv', 'bin');
  // A link would lead the agent, which may be root, to files of others.
  if (!(await isRealFolder(join(tree, '.venv'))) || !(await isRealFolder(bin))) return;
  for (const entry of await readdir(bin, { withFileTypes: true })) {
    if (entry.isFile()) await relocateScript(join(bin, entry.name), tree, finalTree);
  }
}

async function relocateScript(path: string, tree: string, finalTree: string): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    if ((await file.stat()).size > SCRIPT_BYTES_MAX) return;
    const text = await file.readFile('latin1');
    const moved = besideInterpreter(text, join(tree, '.venv', 'bin')).replaceAll(
      `${tree}/`,
      `${finalTree}/`,
    );
    if (moved === text) return;
    await file.truncate(0);
    await file.write(Buffer.from(moved, 'latin1'), 0, undefined, 0);
  } finally {
    await file.close();
  }
}

/** To the shell these lines are a command, to Python a string. */
function besideInterpreter(text: string, bin: string): string {
  const [lines, folder, name, options] = FIRST_LINES.exec(text.slice(0, FIRST_LINES_MAX)) ?? [];
  if (lines === undefined || folder !== `${bin}/`) return text;
  const own = '"$(dirname -- "$(realpath -- "$0")")"';
  return `#!/bin/sh\n'''exec' ${own}/'${name}'${options} "$0" "$@"\n' '''\n${text.slice(lines.length)}`;
}

async function isRealFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}
