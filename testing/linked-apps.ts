/**
 * The run side of several nodes in one process, on one registry: calls between them go from object to object. Who counts
 * as away is for the test to say; such a node is not asked, and its calls go nowhere. What needs real connections, several
 * gateways or a lost manager is in `tests/cluster`.
 */
import { Duplex, duplexPair, type Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { join } from 'node:path';
import { MolnError } from '../src/base/errors.ts';
import { systemClock } from '../src/base/time.ts';
import { alonePeers, type PeerNode, type Peers, type PeerState } from '../src/cluster/cluster.ts';
import { openSqliteRegistry, type Registry } from '../src/registry/registry.ts';
import { dataFolder, openApps, type RunningApps, testLog } from './apps-kit.ts';
