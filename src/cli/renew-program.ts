/** The same command, run by the program as it is on disk now, in this very process: its pid stays, so whoever watches it need not know. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** How this process was called, with other words after the program's. */
function called(words: readonly string[]): readonly string[] {
  return [...process.execArgv, process.argv[1] ?? '', ...words];
}

/** Lets the program on disk say something in a process of its own; undefined when it ends well, else what it said. */
export async function refusalOf(words: readonly string[]): Promise<string | undefined> {
  const child = spawn(process.execPath, called(words), { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0 ? undefined : said.trim();
}

/** Does not return: everything that has to be put in order must be by now. */
export function renewProgram(): never {
  process.execve?.(process.execPath, [process.execPath, ...called(process.argv.slice(2))]);
  throw new Error('This Node cannot begin another program in its place');
}
