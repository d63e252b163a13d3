/**
 * Loads what an agent is made of. With it in front of the entry the launcher fills the code cache before an agent starts, for
 * whoever strips types itself keeps the TypeScript compiler in memory, 25 MiB, for as long as it lives.
 */
import './cluster/reflect-metadata.ts';
import './node/node.ts';
import './registry/etcd/admin.ts';
import './registry/etcd/etcd-registry.ts';
