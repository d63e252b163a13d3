/** `npm run bench -- PART [options]`: measures one part of Moln side by side with others. */
import { benchBalance } from './balance.ts';
import { benchCache } from './cache.ts';
import { benchCluster } from './cluster.ts';
import { benchDatabase } from './database.ts';
import { benchGateway } from './gateway.ts';

const PARTS: Readonly<Record<string, (options: readonly string[]) => Promise<void>>> = {
  balance: benchBalance,
  cache: benchCache,
  cluster: benchCluster,
  database: benchDatabase,
  gateway: benchGateway,
};

const [part, ...options] = process.argv.slice(2);
const run = part === undefined ? undefined : PARTS[part];
if (run === undefined) {
  console.error(
    `Usage: npm run bench -- PART, where PART is one of: ${Object.keys(PARTS).join(', ')}`,
  );
  process.exitCode = 2;
} else {
  await run(options);
}
