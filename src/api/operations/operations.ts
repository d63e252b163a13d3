/** The whole table. */
import type { Operation } from '../operation.ts';
import { accessOperations } from './access.ts';
import { addressOperations } from './addresses.ts';
import { appOperations } from './apps.ts';
import { cacheOperations } from './cache.ts';
import { certificateOperations } from './certificates.ts';
import { clusterOperations } from './cluster.ts';
import { databaseOperations } from './databases.ts';
import { nodeOperations } from './node.ts';
import { releaseOperations } from './releases.ts';
import { routeOperations } from './routes.ts';
import { storageOperations } from './storage.ts';

export const OPERATIONS: readonly Operation[] = [
  ...nodeOperations,
  ...clusterOperations,
  ...appOperations,
  ...releaseOperations,
  ...databaseOperations,
  ...storageOperations,
  ...cacheOperations,
  ...certificateOperations,
  ...routeOperations,
  ...addressOperations,
  ...accessOperations,
];
