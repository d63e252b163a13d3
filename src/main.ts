/** The entry of the `moln` command: the only file that reads argv and the environment. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
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
  },
);
