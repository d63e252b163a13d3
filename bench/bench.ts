/** `npm run bench -- PART [options]`: measures one part of Moln side by side with others. */
import { benchBalance } from './balance.ts';
import { benchCache } from './cache.ts';
import { benchCluster } from './cluster.ts';
import { benchCoalescing } from './coalescing.ts';
import { benchDatabase } from './database.ts';
import { benchDatabaseHttp } from './database-http.ts';
import { benchDatabasePeers } from './database-peers.ts';
import { benchFiles } from './files.ts';
import { benchFilesPeers } from './files-peers.ts';
import { benchGateway } from './gateway.ts';
import { benchGatewayConfig } from './gateway-config.ts';
import { benchGatewayLoad } from './gateway-load.ts';
import { benchPlanner } from './planner.ts';
import { benchSql } from './sql.ts';
import { benchStorage } from './storage.ts';
import { benchWeb } from './web.ts';
import { benchWebCluster } from './web-cluster.ts';

const PARTS: Readonly<Record<string, (options: readonly string[]) => Promise<void>>> = {
  balance: benchBalance,
  cache: benchCache,
  cluster: benchCluster,
  coalescing: benchCoalescing,
  database: benchDatabase,
  'database-http': benchDatabaseHttp,
  'database-peers': benchDatabasePeers,
  files: benchFiles,
  'files-peers': benchFilesPeers,
  gateway: benchGateway,
  'gateway-config': benchGatewayConfig,
  'gateway-load': benchGatewayLoad,
  planner: benchPlanner,
  sql: benchSql,
  storage: benchStorage,
  web: benchWeb,
  'web-cluster': benchWebCluster,
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
