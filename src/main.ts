/** The entry of the `moln` command: the only file that reads argv and the environment. */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Beside the code that it is made of: whoever can write there can change the code anyway. Never a shared folder.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/moln', import.meta.url)));
const { runCli } = await import('./cli/cli.ts');
process.exitCode = await runCli(
  process.argv.slice(2),
  {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    isTerminal: process.stdout.isTTY,
    cwd: process.cwd(),
  },
  {
    startNode: async (options) => {
      const { startNode } = await import('./node/node.ts');
      const terminal = (line: string): void => void process.stderr.write(line);
      return startNode({ ...options, environment: process.env, terminal });
    },
    joinNode: async (options) => {
      const { joinNode } = await import('./node/node.ts');
      const terminal = (line: string): void => void process.stderr.write(line);
      return joinNode({ ...options, environment: process.env, terminal });
    },
  },
);
