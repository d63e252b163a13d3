/** The entry of the `moln` command: the only file that reads argv and the environment. */
import { flushCompileCache } from 'node:module';
import { systemClock } from './base/time.ts';

// It is meant for this process: what people run has none of ours.
delete process.env['NODE_COMPILE_CACHE'];
const FLUSH_EVERY_MS = 60_000;
const LINGER_MS = 2000;
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
      return kept(await startNode({ ...options, environment: process.env, terminal }));
    },
    joinNode: async (options) => {
      const { joinNode } = await import('./node/node.ts');
      return kept(await joinNode({ ...options, environment: process.env, terminal }));
    },
  },
);

/**
 * Writes down what was compiled. Not at the end alone: an agent may be killed, and the next one is to start from it. When the
 * node has stopped its process ends, whatever is open still.
 */
function kept<T extends { readonly stopped: Promise<void> }>(node: T): T {
  flushCompileCache();
  // Some parts are loaded when the node is not alone any more, or leads.
  systemClock.every(FLUSH_EVERY_MS, flushCompileCache);
  const end = (): void => void systemClock.after(LINGER_MS, () => process.exit());
  node.stopped.then(end, end);
  return node;
}

function terminal(line: string): void {
  process.stderr.write(line);
}
