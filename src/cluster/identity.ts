/**
 * Who this node is and how it proves it: ids, the cluster's authority, the node's certificate and the sealing key. Made
 * at the first start, each part durably and by itself, so that a start that was cut off is completed by the next one.
 */
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { ensureFolderSync, sweepTemporary } from '../base/disk.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { type Clock, isoTime } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { X509Certificate } from 'node:crypto';
import {
  type AuthorityFile,
  type Certificate,
  certificateOf,
  fingerprintOf,
  hasNames,
  isIssuedBy,
  isKeyOf,
  type Names,
  readAuthority,
  readKeyPair,
  writeAuthority,
  writeKeyPair,
} from './certificate.ts';
import { clockUnset, keysMissing, nodeNameInvalid } from './errors.ts';
import { answerInvalid, notManager, requestInvalid } from './join-errors.ts';
import {
  AUTHORITY_LIFE_MS,
  CERTIFICATE_LIFE_MS,
  CLOCK_SKEW_MS,
  EARLIEST_NOW_MS,
  NODE_NAME_LENGTH_MAX,
} from './limits.ts';
import { type ManagerAddress, type NodeFile, readNodeFile, writeNodeFile } from './node-file.ts';
import { openSealer, type Sealer } from './sealing.ts';
import {
  createAuthority,
  createRevocationList,
  createSigningRequest,
  issueCertificate,
  issueFromRequest,
  type KeyPair,
  type Revocation,
  type Validity,
} from './x509.ts';

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
  const authorityPath = join(keysFolder, 'ca.pem');
  const authority = await openAuthority(authorityPath, file, clock.now());
  const sealPath = join(keysFolder, 'seal.key');
  const sealer = await openSealer(sealPath, { create: file.keys === undefined });
  if (sealer === undefined || (file.keys !== undefined && file.keys.sealKeyId !== sealer.keyId)) {
    throw keysMissing(sealPath, 'The sealing key');
  }
  if (file.keys === undefined) {
    const authoritySha256 = fingerprintOf(authority.certificatePem);
    const keys = { authoritySha256, sealKeyId: sealer.keyId };
    file = { ...file, keys };
    await writeNodeFile(path, file);
    options.log.info('Node identity created', { node: file.node.id, cluster: file.cluster.id });
  }
  const given = (options.addresses ?? []).filter((address) => !EVERY_INTERFACE.has(address));
  const addresses = [...new Set([...LOOPBACK, ...given])];
  const identity = new Identity({ ...options, file, authority, sealer, addresses, path });
  await identity.open();
  return identity;
}

/** Asks a manager, on behalf of a node without the authority's key. Requests and answers are PEM. */
export interface RemoteIssuer {
  /** A node certificate for the node that asks. */
  renew(requestPem: string): Promise<string>;
  /** A server's, for these names. */
  certify(requestPem: string, names: readonly string[]): Promise<string>;
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
  readonly #addresses: readonly string[];
  readonly #keysFolder: string;
  readonly #filePath: string;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onRenewed = new Set<(certificate: Certificate) => void>();
  #file: NodeFile;
  #authorityKeyPem: string | undefined;
  #certificate: Certificate | undefined;
  #issuer: RemoteIssuer | undefined;

  /** Only `openIdentity` calls it. */
  constructor(options: {
    readonly file: NodeFile;
    readonly authority: AuthorityFile;
    readonly sealer: Sealer;
    readonly addresses: readonly string[];
    /** Of `node.json`. */
    readonly path: string;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.cluster = options.file.cluster;
    this.node = options.file.node;
    this.createdAt = options.file.createdAt;
    this.authorityPem = options.authority.certificatePem;
    this.fingerprint = fingerprintOf(options.authority.certificatePem);
    this.sealer = options.sealer;
    this.#file = options.file;
    this.#authorityKeyPem = options.authority.keyPem;
    this.#addresses = options.addresses;
    this.#filePath = options.path;
    this.#keysFolder = join(dirname(options.path), 'keys');
    this.#path = join(this.#keysFolder, 'node.pem');
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

  /** True in a node that may sign: it has the authority's key. */
  get isManager(): boolean {
    return this.#authorityKeyPem !== undefined;
  }

  /** Where managers were when this node joined; none in the node that made the cluster. */
  get knownManagers(): readonly ManagerAddress[] {
    return this.#file.joined?.managers ?? [];
  }

  /** The key's PEM, for a node that becomes a manager. Throws `CLUSTER_NOT_MANAGER`. */
  get authorityKeyPem(): string {
    if (this.#authorityKeyPem === undefined) throw notManager(this.node.name);
    return this.#authorityKeyPem;
  }

  /** Makes a manager of this node, durably. Throws `CLUSTER_ANSWER_INVALID` for another authority's key. */
  async takeAuthorityKey(keyPem: string): Promise<void> {
    if (!isKeyOf(this.authorityPem, keyPem)) throw answerInvalid('the key of another authority');
    const file = { certificatePem: this.authorityPem, keyPem };
    await writeAuthority(join(this.#keysFolder, 'ca.pem'), file);
    if (this.#file.joined !== undefined) {
      this.#file = { ...this.#file, joined: { ...this.#file.joined, authorityKey: true } };
      await writeNodeFile(this.#filePath, this.#file);
    }
    this.#authorityKeyPem = keyPem;
  }

  /** Who signs for a node without the authority's key. */
  setIssuer(issuer: RemoteIssuer): void {
    this.#issuer = issuer;
  }

  /** Only `openIdentity` calls it. */
  async open(): Promise<void> {
    const current = await readKeyPair(this.#path);
    if (this.isManager) {
      await this.renewIfDue();
      return;
    }
    if (current === undefined || !isIssuedBy(current.certificatePem, this.authorityPem)) {
      throw keysMissing(this.#path, 'The node certificate');
    }
    // It may be due or expired: that is for the renewer, who can ask.
    this.#certificate = current;
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
    const next = this.isManager
      ? await this.#issue(this.node.name, this.#names, { asClient: true })
      : await this.#ask((issuer, request) => issuer.renew(request));
    if (!hasNames(next, this.#ownNames)) {
      throw answerInvalid('a certificate with other names');
    }
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
    return this.isManager
      ? this.#issue(commonName, all, { asClient: false })
      : this.#ask((issuer, request) => issuer.certify(request, names));
  }

  /**
   * A certificate for the key of another node's request, under names that the caller has decided on. Throws
   * `CLUSTER_REQUEST_INVALID` and `CLUSTER_NOT_MANAGER`.
   */
  async signRequest(
    requestPem: string,
    order: { readonly commonName: string; readonly names: Names; readonly asClient: boolean },
  ): Promise<string> {
    const { commonName, names, asClient } = order;
    const terms = { ...this.#terms(), commonName, ...names, asClient };
    const certificatePem = await issueFromRequest(requestPem, terms);
    if (certificatePem === undefined) throw requestInvalid();
    return certificatePem;
  }

  /** What etcd goes by, in DER. Throws `CLUSTER_NOT_MANAGER`. */
  revocationList(revoked: readonly Revocation[]): Promise<Buffer> {
    const authority = { certificatePem: this.authorityPem, keyPem: this.authorityKeyPem };
    return createRevocationList({ authority, revoked, now: this.#clock.now() });
  }

  /** A key of this machine, certified elsewhere; the key stays here. */
  async #ask(
    send: (issuer: RemoteIssuer, requestPem: string) => Promise<string>,
  ): Promise<Certificate> {
    if (this.#issuer === undefined) throw notManager(this.node.name);
    const { requestPem, keyPem } = await createSigningRequest();
    const certificatePem = await send(this.#issuer, requestPem);
    const fits = isKeyOf(certificatePem, keyPem) && isIssuedBy(certificatePem, this.authorityPem);
    if (!fits) throw answerInvalid('a certificate for another key or of another authority');
    return certificateOf({ certificatePem, keyPem });
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

  /** Addresses are the manager's to decide: it puts those in that the registry has for this node. */
  get #ownNames(): Names {
    return { ...this.#names, addresses: [] };
  }

  async #issue(
    commonName: string,
    names: Names,
    usage: { readonly asClient: boolean },
  ): Promise<Certificate> {
    const order = { ...this.#terms(), commonName, ...names, ...usage };
    return certificateOf(await issueCertificate(order));
  }

  #terms(): { readonly authority: KeyPair; readonly validity: Validity } {
    const now = this.#clock.now();
    const end = new X509Certificate(this.authorityPem).validToDate.getTime();
    const notAfter = Math.min(now + CERTIFICATE_LIFE_MS, end);
    return {
      authority: { certificatePem: this.authorityPem, keyPem: this.authorityKeyPem },
      validity: { notBefore: now - CLOCK_SKEW_MS, notAfter },
    };
  }

  #isGood(certificate: Certificate): boolean {
    const now = this.#clock.now();
    return (
      now < certificate.renewAt &&
      now >= certificate.notBefore &&
      hasNames(certificate, this.isManager ? this.#names : this.#ownNames) &&
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
    // The name of a node that has joined is the registry's, where it is unique.
    if (name === file.node.name || file.joined !== undefined) return file;
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

async function openAuthority(path: string, file: NodeFile, nowMs: number): Promise<AuthorityFile> {
  const known = await readAuthority(path);
  const wanted = file.keys?.authoritySha256;
  const sha256 = known === undefined ? undefined : fingerprintOf(known.certificatePem);
  if (wanted !== undefined && sha256 !== wanted) {
    throw keysMissing(path, 'The certificate authority');
  }
  const needsKey = file.joined === undefined || file.joined.authorityKey;
  if (known !== undefined && needsKey && known.keyPem === undefined) {
    throw keysMissing(path, "The authority's key");
  }
  if (known !== undefined) return known;
  const validity = { notBefore: nowMs - CLOCK_SKEW_MS, notAfter: nowMs + AUTHORITY_LIFE_MS };
  const commonName = `Moln cluster ${file.cluster.name} ${file.cluster.id}`;
  const pair = await createAuthority({ commonName, validity });
  await writeKeyPair(path, pair);
  return pair;
}

/** Throws `CLUSTER_NAME_INVALID`. */
export function checkName(name: string): void {
  if (!NAME.test(name) || name.length > NODE_NAME_LENGTH_MAX) throw nodeNameInvalid(name);
}

/** A machine's name as a node's: its first label, with what is not allowed replaced. */
export function nodeNameOf(machineName: string): string {
  const label = machineName.toLowerCase().split('.')[0] ?? '';
  const name = label.replaceAll(/[^a-z0-9-]/g, '-').slice(0, NODE_NAME_LENGTH_MAX);
  return name.replaceAll(/^-+|-+$/g, '') || 'node';
}
