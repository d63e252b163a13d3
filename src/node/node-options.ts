/** What a node is started with. */
import type { EtcdPlace } from './node-registry.ts';

export interface NodeOptions {
  readonly dataFolder: string;
  readonly name: string | undefined;
  readonly address: string | undefined;
  /** Where the gateway listens; undefined: as `address`. */
  readonly listen: string | undefined;
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  readonly port: number | undefined;
  /** Where gateways answer those of other nodes; undefined: 7423. */
  readonly gatewayPort: number | undefined;
  /** Where S3 and WebDAV of the file store listen; undefined: 7430 and 7431, once files are used. */
  readonly s3Port: number | undefined;
  readonly webdavPort: number | undefined;
  /** Somebody else's, in place of members of our own. */
  readonly etcd: EtcdPlace | undefined;
  readonly region: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Gateway processes; undefined: one per core. */
  readonly gateways: number | undefined;
  /** Where HAProxy's agent-check is answered; undefined: nowhere. */
  readonly agentPort: number | undefined;
  readonly accessLog: 'json' | 'combined' | 'off' | undefined;
  /** Of requests, to a collector. */
  readonly trace: { readonly sample: number; readonly export: string } | undefined;
  /** The agent's environment, for what builds need of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Warnings and errors go there too, as plain lines. */
  readonly terminal: (line: string) => void;
}
