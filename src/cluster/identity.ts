/**
 * Who this node is and how it proves it: ids, the cluster's authority, the node's certificate and the sealing key. Made
 * at the first start, each part durably and by itself, so that a start that was cut off is completed by the next one.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ensureFolderSync, sweepTemporary } from '../base/disk.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, isoTime } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import {
  type Certificate,
  certificateOf,
  hasNames,
  isIssuedBy,
  type Names,
  readKeyPair,
  writeKeyPair,
} from './certificate.ts';
import { clockUnset, keysMissing, nodeNameInvalid } from './errors.ts';
import {
  AUTHORITY_LIFE_MS,
  CERTIFICATE_LIFE_MS,
  CLOCK_SKEW_MS,
  EARLIEST_NOW_MS,
  NODE_NAME_LENGTH_MAX,
} from './limits.ts';
import { type NodeFile, readNodeFile, writeNodeFile } from './node-file.ts';
import { openSealer, type Sealer } from './sealing.ts';
import { createAuthority, issueCertificate, type KeyPair } from './x509.ts';

export interface IdentityOptions {
  /** Exists or is created with mode 0700. */
  readonly dataFolder: string;
  /** Names the node, at the first start or later. Default: the machine's name. */
  readonly nodeName?: string | undefined;
  /** Only heeded at the first start. Default: `moln`. */
  readonly clusterName?: string | undefined;
  /** IP addresses that others reach this node by, beside loopback. */
  readonly addresses?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const LOOPBACK = ['127.0.0.1', '::1'] as const;
/** A server may listen on them, but nobody connects to them. */
const EVERY_INTERFACE: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/** Opens the identity of a data folder, and makes what is missing of it. */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const { dataFolder, clock } = options;
  if (clock.now() < EARLIEST_NOW_MS) throw clockUnset(isoTime(clock.now()));
  if (options.nodeName !== undefined) checkName(options.nodeName);
  if (options.clusterName !== undefined) checkName(options.clusterName);
  const keysFolder = join(dataFolder, 'keys');
  const path = join(dataFolder, 'node.json');
  let file = await readNodeFile(path);
  ensureFolderSync(keysFolder);
  await sweepTemporary(keysFolder);
  file = await nameNode(path, file, options);
  const authority = await openAuthority(join(keysFolder, 'ca.pem'), file, clock.now());
  const sealPath = join(keysFolder, 'seal.key');
  const sealer = await openSealer(sealPath, { create: file.keys === undefined });
  if (sealer === undefined || (file.keys !== undefined && file.keys.sealKeyId !== sealer.keyId)) {
    throw keysMissing(sealPath, 'The sealing key');
  }
  if (file.keys === undefined) {
    const keys = { authoritySha256: authority.sha256, sealKeyId: sealer.keyId };
    file = { ...file, keys };
    await writeNodeFile(path, file);
    options.log.info('Node identity created', { node: file.node.id, cluster: file.cluster.id });
  }
  const given = (options.addresses ?? []).filter((address) => !EVERY_INTERFACE.has(address));
  const addresses = [...new Set([...LOOPBACK, ...given])];
  const identity = new Identity({ ...options, file, authority, sealer, addresses, keysFolder });
  await identity.renewIfDue();
  return identity;
}

/** An open identity. `certificate` changes when it is renewed: ask for it at each use. */
export class Identity {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly node: { readonly id: string; readonly name: string };
  readonly createdAt: number;
  /** The authority's certificate; its key stays inside. */
  readonly authorityPem: string;
  /** Lower-case hex SHA-256 of the authority's certificate: what clients pin. */
  readonly fingerprint: string;
  readonly sealer: Sealer;
  readonly #authority: Certificate;
  readonly #addresses: readonly string[];
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onRenewed = new Set<(certificate: Certificate) => void>();
  #certificate: Certificate | undefined;

  /** Only `openIdentity` calls it. */
  constructor(options: {
    readonly file: NodeFile;
    readonly authority: Certificate;
    readonly sealer: Sealer;
    readonly addresses: readonly string[];
    readonly keysFolder: string;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.cluster = options.file.cluster;
    this.node = options.file.node;
    this.createdAt = options.file.createdAt;
    this.authorityPem = options.authority.certificatePem;
    this.fingerprint = options.authority.sha256;
    this.sealer = options.sealer;
    this.#authority = options.authority;
    this.#addresses = options.addresses;
    this.#path = join(options.keysFolder, 'node.pem');
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The node's own, for server and client side. */
  get certificate(): Certificate {
    if (this.#certificate === undefined) throw new Error('The identity is not open yet');
    return this.#certificate;
  }

  /** `spiffe://<cluster id>/node/<node id>`: the name other nodes check. */
  get spiffeId(): string {
    return `spiffe://${this.cluster.id}/node/${this.node.id}`;
  }

  /** Calls with each new certificate, so that servers take it over without a restart. */
  onRenewed(call: (certificate: Certificate) => void): Disposable {
    this.#onRenewed.add(call);
    return { [Symbol.dispose]: () => this.#onRenewed.delete(call) };
  }

  /** Issues a new node certificate when two thirds of the old one's life are over or its names differ. */
  async renewIfDue(): Promise<boolean> {
    const current = this.#certificate ?? (await readKeyPair(this.#path));
    if (current !== undefined && this.#isGood(current)) {
      this.#certificate = current;
      return false;
    }
    const next = await this.#issue(this.node.name, this.#names, { asClient: true });
    await writeKeyPair(this.#path, next);
    this.#certificate = next;
    this.#log.info('Node certificate issued', { notAfter: next.notAfter, sha256: next.sha256 });
    for (const call of this.#onRenewed) call(next);
    return current !== undefined;
  }

  /**
   * A certificate for servers of this node under other names, such as `guestbook.localhost`: exact names, for no client
   * takes a wildcard right below a top-level domain. Kept in memory only.
   */
  issueServerCertificate(names: readonly string[]): Promise<Certificate> {
    const [commonName = this.node.name] = names;
    const all: Names = { dnsNames: names, addresses: this.#addresses, uris: [] };
    return this.#issue(commonName, all, { asClient: false });
  }

  /** To be put under the worker runner. */
  renewer(): Worker {
    return {
      name: 'certificate-renewer',
      status: () => `Renews the certificate at ${isoTime(this.certificate.renewAt)}`,
      step: async (): Promise<StepResult> => {
        await this.renewIfDue();
        return { kind: 'idle', retryInMs: CHECK_EVERY_MS };
      },
    };
  }

  get #names(): Names {
    const dnsNames = [...new Set([this.node.name, 'localhost'])];
    return { dnsNames, addresses: this.#addresses, uris: [this.spiffeId] };
  }

  async #issue(
    commonName: string,
    names: Names,
    usage: { readonly asClient: boolean },
  ): Promise<Certificate> {
    const now = this.#clock.now();
    const notAfter = Math.min(now + CERTIFICATE_LIFE_MS, this.#authority.notAfter);
    const validity = { notBefore: now - CLOCK_SKEW_MS, notAfter };
    const authority: KeyPair = this.#authority;
    return certificateOf(
      await issueCertificate({ authority, commonName, validity, ...names, ...usage }),
    );
  }

  #isGood(certificate: Certificate): boolean {
    const now = this.#clock.now();
    return (
      now < certificate.renewAt &&
      now >= certificate.notBefore &&
      hasNames(certificate, this.#names) &&
      isIssuedBy(certificate.certificatePem, this.authorityPem)
    );
  }
}

const CHECK_EVERY_MS = 3600_000;

async function nameNode(
  path: string,
  file: NodeFile | undefined,
  options: IdentityOptions,
): Promise<NodeFile> {
  if (file !== undefined) {
    const name = options.nodeName ?? file.node.name;
    if (name === file.node.name) return file;
    const renamed = { ...file, node: { ...file.node, name } };
    await writeNodeFile(path, renamed);
    return renamed;
  }
  const created: NodeFile = {
    cluster: { id: randomId(16), name: options.clusterName ?? 'moln' },
    node: { id: randomId(12), name: options.nodeName ?? nodeNameOf(hostname()) },
    createdAt: options.clock.now(),
  };
  await writeNodeFile(path, created);
  return created;
}

async function openAuthority(path: string, file: NodeFile, nowMs: number): Promise<Certificate> {
  const known = await readKeyPair(path);
  const wanted = file.keys?.authoritySha256;
  if (wanted !== undefined && known?.sha256 !== wanted) {
    throw keysMissing(path, 'The certificate authority');
  }
  if (known !== undefined) return known;
  const validity = { notBefore: nowMs - CLOCK_SKEW_MS, notAfter: nowMs + AUTHORITY_LIFE_MS };
  const commonName = `Moln cluster ${file.cluster.name} ${file.cluster.id}`;
  const pair = await createAuthority({ commonName, validity });
  await writeKeyPair(path, pair);
  return certificateOf(pair);
}

function checkName(name: string): void {
  if (!NAME.test(name) || name.length > NODE_NAME_LENGTH_MAX) throw nodeNameInvalid(name);
}

/** A machine's name as a node's: its first label, with what is not allowed replaced. */
export function nodeNameOf(machineName: string): string {
  const label = machineName.toLowerCase().split('.')[0] ?? '';
  const name = label.replaceAll(/[^a-z0-9-]/g, '-').slice(0, NODE_NAME_LENGTH_MAX);
  return name.replaceAll(/^-+|-+$/g, '') || 'node';
}
