/** What managers do with etcd itself: members, sizes, compaction, defragmentation, alarms. */
import { isMolnError } from '../../base/errors.ts';
import { Connection, failureOf } from './connection.ts';
import { Endpoints, type EndpointsOptions } from './endpoints.ts';
import { isCompacted, refused, unavailable } from './failures.ts';
import { Revisions } from './revisions.ts';

export interface EtcdAdminOptions extends EndpointsOptions {
  /** As of the registry that is there. */
  readonly epoch?: number;
}

/** `id` in lower-case hex, as etcd's own tools print it. */
export interface EtcdMemberInfo {
  readonly id: string;
  /** Empty until it has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** Gets the log, and does not vote yet. */
  readonly isLearner: boolean;
}

export interface EtcdStatus {
  readonly endpoint: string;
  readonly id: string;
  readonly version: string;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  /** Undefined when it knows of none. */
  readonly leaderId: string | undefined;
  readonly revision: number;
  readonly raftIndex: number;
  /** Of the file, and of what in it is used. */
  readonly dbBytes: number;
  readonly dbBytesInUse: number;
}

/** Stops all writers (`noSpace`), or says that members disagree (`corrupt`). */
export interface EtcdAlarm {
  readonly memberId: string;
  readonly kind: 'noSpace' | 'corrupt';
}

const STATUS_MS = 3000;
/** Changes of the members wait for a majority. */
const CHANGE_MS = 10_000;
/** A member answers nothing else meanwhile; about 10 s for each GB. */
const DEFRAGMENT_MS = 120_000;

const NO_SPACE = 1;
const CORRUPT = 2;
const GET = 0;
const DEACTIVATE = 2;

export class EtcdAdmin implements Disposable {
  readonly #options: EtcdAdminOptions;
  readonly #endpoints: Endpoints;
  readonly #revisions: Revisions;
  /** To single members, kept while they answer: a new one costs a handshake. */
  readonly #direct = new Map<string, Connection>();

  constructor(options: EtcdAdminOptions) {
    this.#options = options;
    this.#endpoints = new Endpoints(options);
    this.#revisions = new Revisions(options.epoch);
  }

  /** The members of from now on. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#endpoints.set(endpoints);
    for (const endpoint of this.#direct.keys()) {
      if (!endpoints.includes(endpoint)) this.#drop(endpoint);
    }
  }

  [Symbol.dispose](): void {
    this.#endpoints[Symbol.dispose]();
    for (const endpoint of this.#direct.keys()) this.#drop(endpoint);
  }

  async members(): Promise<readonly EtcdMemberInfo[]> {
    const { members } = await this.#read(({ cluster }, options) => cluster.memberList({}, options));
    return members.map((member) => ({
      id: hexOf(member.ID),
      name: member.name,
      peerUrls: member.peerURLs,
      clientUrls: member.clientURLs,
      isLearner: member.isLearner,
    }));
  }

  /** Adds a learner; start it with `joins: true` and then promote it. Fine when it is there already. */
  async addLearner(peerUrl: string): Promise<string> {
    const known = (await this.members()).find((member) => member.peerUrls.includes(peerUrl));
    if (known !== undefined) return known.id;
    const connection = await this.#endpoints.connected('calls');
    const request = { peerURLs: [peerUrl], isLearner: true };
    const { member } = await this.#change(connection, () =>
      connection.cluster.memberAdd(request, { timeoutMs: CHANGE_MS }),
    );
    return hexOf(member?.ID ?? 0n);
  }

  /** Gives it a vote. False when it has not caught up yet: ask again. */
  async promote(id: string): Promise<boolean> {
    const connection = await this.#endpoints.connected('calls');
    const request = { ID: BigInt(`0x${id}`) };
    try {
      await connection.cluster.memberPromote(request, { timeoutMs: CHANGE_MS });
      return true;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.message.includes('in sync with leader')) return false;
      if (failure.message.includes('can only promote a learner')) return true;
      throw this.#errorOf(connection, error);
    }
  }

  /** Fine when it is gone already. */
  async remove(id: string): Promise<void> {
    const connection = await this.#endpoints.connected('calls');
    try {
      await connection.cluster.memberRemove({ ID: BigInt(`0x${id}`) }, { timeoutMs: CHANGE_MS });
    } catch (error) {
      if (failureOf(error).status !== 'NotFound') throw this.#errorOf(connection, error);
    }
  }

  /** Of that very member. Throws `REGISTRY_UNAVAILABLE`. */
  async status(endpoint: string): Promise<EtcdStatus> {
    return this.#at(endpoint, async (connection) => {
      const status = await connection.maintenance.status({}, { timeoutMs: STATUS_MS });
      const id = hexOf(status.header?.memberId ?? 0n);
      const leaderId = status.leader === 0n ? undefined : hexOf(status.leader);
      return {
        endpoint,
        id,
        leaderId,
        isLeader: id === leaderId,
        isLearner: status.isLearner,
        version: status.version,
        revision: this.#revisions.ours(status.header?.revision),
        raftIndex: Number(status.raftIndex),
        dbBytes: Number(status.dbSize),
        dbBytesInUse: Number(status.dbSizeInUse),
      };
    });
  }

  /** Gives free pages back to the disk. The member is deaf meanwhile: one at a time, the leader last. */
  async defragment(endpoint: string): Promise<void> {
    await this.#at(endpoint, ({ maintenance }) =>
      maintenance.defragment({}, { timeoutMs: DEFRAGMENT_MS }),
    );
  }

  async moveLeader(from: string, toId: string): Promise<void> {
    const request = { targetID: BigInt(`0x${toId}`) };
    await this.#at(from, ({ maintenance }) =>
      maintenance.moveLeader(request, { timeoutMs: CHANGE_MS }),
    );
  }

  async alarms(): Promise<readonly EtcdAlarm[]> {
    const request = { action: GET, alarm: 0 };
    const answer = await this.#read(({ maintenance }, options) =>
      maintenance.alarm(request, options),
    );
    return answer.alarms.flatMap(({ memberID, alarm }) => {
      const kind = alarm === NO_SPACE ? 'noSpace' : alarm === CORRUPT ? 'corrupt' : undefined;
      return kind === undefined ? [] : { memberId: hexOf(memberID), kind };
    });
  }

  /** Lets writers in again. Only "no space" is ever disarmed: a corrupt member needs a person. */
  async disarmNoSpace(memberId: string): Promise<void> {
    const request = { action: DEACTIVATE, memberID: BigInt(`0x${memberId}`), alarm: NO_SPACE };
    await this.#read(({ maintenance }, options) => maintenance.alarm(request, options));
  }

  /** Forgets the history before `revision`, and returns when the room is free for use. Fine when it is gone already. */
  async compact(revision: number): Promise<void> {
    const wanted = this.#revisions.theirs(revision);
    if (wanted <= 0n) return;
    const request = { revision: wanted, physical: true };
    try {
      await this.#endpoints.read(({ kv }) => kv.compact(request, { timeoutMs: CHANGE_MS }));
    } catch (error) {
      if (isMolnError(error)) throw error;
      if (!isCompacted(failureOf(error))) throw refused(failureOf(error));
    }
  }

  async #read<T>(
    call: (connection: Connection, options: { readonly timeoutMs: number }) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#endpoints.read(call);
    } catch (error) {
      throw isMolnError(error) ? error : refused(failureOf(error));
    }
  }

  async #change<T>(connection: Connection, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#errorOf(connection, error);
    }
  }

  async #at<T>(endpoint: string, call: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = this.#direct.get(endpoint) ?? this.#connect(endpoint);
    try {
      const reason = connection.isOpen ? undefined : await connection.open();
      if (reason !== undefined) throw unavailable([endpoint], reason);
      return await this.#change(connection, () => call(connection));
    } catch (error) {
      // Whoever else has a call on it is told by that call.
      if (this.#direct.get(endpoint) === connection) this.#drop(endpoint);
      throw error;
    }
  }

  #connect(endpoint: string): Connection {
    const { tls, clock } = this.#options;
    const connection = new Connection(endpoint, {
      clock,
      ...(tls === undefined ? {} : { tls: tls() }),
    });
    this.#direct.set(endpoint, connection);
    return connection;
  }

  #drop(endpoint: string): void {
    this.#direct.get(endpoint)?.close();
    this.#direct.delete(endpoint);
  }

  #errorOf(connection: Connection, error: unknown): Error {
    if (isMolnError(error)) return error;
    const failure = failureOf(error);
    const gone = failure.status === 'Unavailable' || failure.status === 'DeadlineExceeded';
    return gone ? unavailable([connection.endpoint], failure.message) : refused(failure);
  }
}

function hexOf(id: bigint): string {
  return id.toString(16);
}
