/**
 * The etcd member of this node, where it is one. What it needs to start is kept in `etcd.json`, written before it is
 * started for the first time; a member whose move never came to its end is removed.
 */
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { ensureFolder, readTextIfAny, removeTree, writeFileAtomic } from '../base/disk.ts';
import type { Logger } from '../base/log.ts';
import { array, boolean, integer, object, type Schema, string } from '../base/schema.ts';
import type { Clock } from '../base/time.ts';
import type { WorkerRunner } from '../base/worker.ts';
import { type Identity, type RevokedNode, serialsIn } from '../cluster/cluster.ts';
import { EtcdMember, findEtcd } from '../registry/registry.ts';
import type { DataFolder } from './data-folder.ts';

const FORMAT = 1;

export interface MemberPlan {
  readonly address: string;
  readonly members: readonly { readonly name: string; readonly peerUrl: string }[];
  /** It was added to members that run already. */
  readonly joins: boolean;
  /** Of the etcd cluster: another one after each takeover. */
  readonly token: string;
}

const schema: Schema<MemberPlan & { readonly format: number }> = object({
  format: integer({ min: FORMAT, max: FORMAT }),
  address: string(),
  members: array(object({ name: string(), peerUrl: string() }), { itemsMax: 100 }),
  joins: boolean(),
  token: string(),
});

export interface OwnEtcdOptions {
  readonly folder: DataFolder;
  readonly identity: Identity;
  /** Where the other managers reach this node. */
  readonly address: string;
  /** The registry is etcd: a member that is there belongs to it. */
  readonly isInUse: boolean;
  /** The deny-list. */
  readonly revoked: () => Promise<readonly RevokedNode[]>;
  readonly workers: WorkerRunner;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the member that is here, if any, and looks after it. */
export async function openOwnEtcd(options: OwnEtcdOptions): Promise<OwnEtcd> {
  const etcd = new OwnEtcd(options);
  await etcd.open();
  return etcd;
}

export class OwnEtcd {
  readonly #options: OwnEtcdOptions;
  #member: EtcdMember | undefined;
  #runs = 0;

  constructor(options: OwnEtcdOptions) {
    this.#options = options;
  }

  /** Only `openOwnEtcd` calls it. */
  async open(): Promise<void> {
    const plan = await this.#read();
    if (plan === undefined) return;
    if (this.#options.isInUse) await this.#run(plan);
    else await this.remove();
  }

  get member(): EtcdMember | undefined {
    return this.#member;
  }

  /** The first member of the cluster. Throws `REGISTRY_ETCD_MISSING` before anything is touched. Returns the endpoints. */
  async startFirst(): Promise<readonly string[]> {
    await findEtcd();
    const { address, identity } = this.#options;
    const { id } = identity.node;
    const draft = { address, members: [], joins: false, token: identity.cluster.id };
    const { peerUrl } = this.#memberOf(draft);
    return this.start({ ...draft, members: [{ name: id, peerUrl }] });
  }

  /** Keeps the plan, then starts the member. Returns where it is. */
  async start(plan: MemberPlan): Promise<readonly string[]> {
    await findEtcd();
    // Before there is anything: a member of its own would have to be asked for what it must know to start.
    await ensureFolder(this.#folder);
    if (this.#options.identity.isManager) await this.#writeRevoked(await this.#options.revoked());
    await writeFileAtomic(this.#path, `${JSON.stringify({ format: FORMAT, ...plan })}\n`);
    return [(await this.#run(plan)).endpoint];
  }

  /** Where the other members would find one here. Throws `REGISTRY_ETCD_MISSING`. */
  async plannedPeerUrl(): Promise<string> {
    await findEtcd();
    const { address, identity } = this.#options;
    const draft = { address, members: [], joins: true, token: identity.cluster.id };
    return this.#memberOf(draft).peerUrl;
  }

  /** A member beside others, which know of it. Fine when it runs already. */
  async startJoined(given: Pick<MemberPlan, 'members' | 'token'>): Promise<void> {
    if (this.#member?.isRunning === true) return;
    // What a former membership left would be refused by the others.
    await this.remove();
    await this.start({ ...given, address: this.#options.address, joins: true });
  }

  /** The only member of a new cluster, in place of whatever was here. Returns the endpoints. */
  async startAnew(token: string): Promise<readonly string[]> {
    const { address, identity } = this.#options;
    const peerUrl = await this.plannedPeerUrl();
    await this.remove();
    const members = [{ name: identity.node.id, peerUrl }];
    return this.start({ address, members, joins: false, token });
  }

  /**
   * Brings the list of revoked certificates up to date, for new connections. Returns the serials that the member knew when
   * its process started: only connections of those are surely not open.
   */
  async refuseRevoked(): Promise<readonly string[]> {
    await this.#writeRevoked(await this.#options.revoked());
    return (await serialsAt(this.#startedWithFile)) ?? [];
  }

  /** Ends the connections of certificates that were revoked since the member started, if there are such. */
  async restartIfBehind(): Promise<void> {
    const startedWith = new Set(await this.refuseRevoked());
    const now = (await serialsAt(this.#revokedFile)) ?? [];
    if (now.every((serial) => startedWith.has(serial))) return;
    this.#options.log.info('etcd is restarted without the connections of forgotten nodes', {
      audit: true,
    });
    await this.#member?.restart();
  }

  /** Another machine has taken over: the member ends, and what it had is kept beside, for whoever wants to look. */
  async setAside(): Promise<void> {
    await this.#member?.end();
    this.#member = undefined;
    const kept = `${this.#folder}.replaced-${this.#options.clock.now()}`;
    if ((await this.#read()) !== undefined) await rename(this.#folder, kept);
    await removeTree(this.#path);
  }

  /** The member stops and its data goes. */
  async remove(): Promise<void> {
    const plan = await this.#read();
    if (plan !== undefined) {
      const member = this.#member ?? this.#memberOf(plan);
      await member.end();
    }
    this.#member = undefined;
    await removeTree(this.#folder);
    await removeTree(this.#path);
  }

  /** Stops the process; the data stays for the next start. A start that failed leaves what it had found running. */
  async stop(why: 'the node stops' | 'the start failed'): Promise<void> {
    if (why === 'the start failed' && this.#member?.isAdopted === true) return;
    await this.#member?.end();
  }

  get #path(): string {
    return join(this.#options.folder.path, 'etcd.json');
  }

  get #folder(): string {
    return join(this.#options.folder.path, 'etcd');
  }

  get #authorityFile(): string {
    return join(this.#folder, 'authority.pem');
  }

  /** What etcd goes by when a connection begins. */
  get #revokedFile(): string {
    return join(this.#folder, 'revoked.der');
  }

  /** The same as it was when the process started. */
  get #startedWithFile(): string {
    return join(this.#folder, 'revoked-at-start.der');
  }

  async #writeRevoked(nodes: readonly RevokedNode[]): Promise<void> {
    const revoked = nodes.flatMap(({ serials, at }) => serials.map((serial) => ({ serial, at })));
    const known = await serialsAt(this.#revokedFile);
    if (known !== undefined && sameSerials(known, revoked)) return;
    const list = await this.#options.identity.revocationList(revoked);
    await writeFileAtomic(this.#revokedFile, list);
  }

  /** The member cannot be asked for the deny-list before it runs: what was written last counts until the leader looks. */
  async #noteRevoked(): Promise<void> {
    if ((await serialsAt(this.#revokedFile)) === undefined) await this.#writeRevoked([]);
    await writeFileAtomic(this.#startedWithFile, await readFile(this.#revokedFile));
  }

  async #run(plan: MemberPlan): Promise<EtcdMember> {
    const member = this.#memberOf(plan);
    this.#member = member;
    await ensureFolder(this.#folder);
    // etcd takes every block of this file for a certificate, so the authority's key must not be in it.
    await writeFileAtomic(this.#authorityFile, this.#options.identity.authorityPem);
    await member.start();
    // The worker of a former member has ended; the runner knows it by its name.
    this.#options.workers.add({
      name: `etcd-${++this.#runs}`,
      status: () => member.status(),
      step: () => member.step(),
    });
    return member;
  }

  async #read(): Promise<MemberPlan | undefined> {
    const text = await readTextIfAny(this.#path);
    return text === undefined ? undefined : schema.decode(JSON.parse(text), this.#path);
  }

  #memberOf(plan: MemberPlan): EtcdMember {
    const { folder, identity, clock, log } = this.#options;
    const certificateFile = join(folder.keys, 'node.pem');
    // Certificate and key are one file: etcd takes the part that it looks for.
    const tls = { caFile: this.#authorityFile, certificateFile, keyFile: certificateFile };
    return new EtcdMember({
      folder: this.#folder,
      name: identity.node.id,
      address: plan.address,
      // After a takeover by a node without the authority's key nobody can sign a list.
      tls: { ...tls, ...(identity.isManager ? { crlFile: this.#revokedFile } : {}) },
      ...(identity.isManager ? { onSpawn: () => this.#noteRevoked() } : {}),
      members: plan.members,
      joins: plan.joins,
      clusterToken: plan.token,
      clock,
      log,
    });
  }
}

/** Undefined when there is no list, or none that can be read: then it is written anew. */
async function serialsAt(path: string): Promise<readonly string[] | undefined> {
  const list = await readFile(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  return list === undefined ? undefined : serialsIn(list);
}

function sameSerials(
  known: readonly string[],
  wanted: readonly { readonly serial: string }[],
): boolean {
  const has = new Set(known);
  return known.length === wanted.length && wanted.every(({ serial }) => has.has(serial));
}
