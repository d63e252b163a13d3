/**
 * The engine for more than one machine: etcd 3.4 or newer. Reads are linearizable, a commit is one etcd transaction. What
 * etcd 3.4.23 gets wrong with watches and leases is listed in the README; compare-and-swap is not among it.
 */
import { isMolnError } from '../../base/errors.ts';
import { randomId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { Clock } from '../../base/time.ts';
import type {
  CommitResult,
  Condition,
  Entry,
  Lease,
  ListResult,
  Operation,
  Registry,
  Revision,
  WatchBatch,
} from '../contract.ts';
import { closed, leaseLost } from '../errors.ts';
import { LEASE_TTL_MAX_MS, LEASE_TTL_MIN_MS } from '../limits.ts';
import { checkCommit, checkKey, checkPrefix } from '../rules.ts';
import { Commits } from './commits.ts';
import { type Connection, failureOf } from './connection.ts';
import { Endpoints } from './endpoints.ts';
import { CutLog, watchForEver } from './etcd-watch.ts';
import { isCompacted, isLeaseLost, refused } from './failures.ts';
import { KeepAlives } from './keep-alives.ts';
import type { EtcdTls } from './link.ts';
import { SharedWatch, type SharedWatchOptions } from './shared-watch.ts';
import { Root } from './translate.ts';

export interface EtcdRegistryOptions {
  /** `https://10.0.0.1:7421` and so on, in the order in which they are tried. */
  readonly endpoints: readonly string[];
  /** Asked at each new connection, so that a renewed certificate is used. */
  readonly tls?: () => EtcdTls;
  /** Begins all keys of this registry, such as `/moln/`. */
  readonly prefix: string;
  /**
   * Counts the etcds that the cluster has had, from 1 (the default): one more with each that takes the place of another, so
   * that revisions only grow.
   */
  readonly epoch?: number;
  /** Names this client's marks: the node's id. Left out, a random one is used, which leaves a few keys behind. */
  readonly client?: string;
  /** Each watch asks for its own prefix alone: for whoever is told of much less than there is. By default all share one of everything. */
  readonly areWatchesApart?: boolean;
  /** How long a call goes on trying when no manager answers; 15 s by default. */
  readonly patienceMs?: number;
  /** When no manager has answered for so long, what is asked is given up within about two seconds, and no commit is sent. Left out: never. */
  readonly silentMs?: number;
  /** By default opening fails when no member answers; false: it opens, and answers later. */
  readonly mustAnswer?: boolean;
  /** While it is opened: when this aborts, what does not answer soon is given up. */
  readonly signal?: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Entries of one page of a list; at 1 MiB a value a message stays below 64 MiB. */
const PAGE_ENTRIES = 64;
const PAGE_ENTRIES_MAX = 2048;
const PAGE_BYTES_GOOD: number = 4 * 1024 * 1024;
const SECOND_MS = 1000;

export class EtcdRegistry implements Registry {
  readonly engine = 'etcd';
  readonly #root: Root;
  readonly #endpoints: Endpoints;
  readonly #commits: Commits;
  readonly #watches: SharedWatchOptions;
  /** Undefined: they are apart. */
  readonly #shared: SharedWatch | undefined;
  readonly #keepAlives: KeepAlives;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: EtcdRegistryOptions) {
    const { clock, log, prefix } = options;
    this.#root = new Root(prefix, options.epoch);
    this.#endpoints = new Endpoints(options);
    this.#keepAlives = new KeepAlives(clock);
    this.#watches = {
      endpoints: this.#endpoints,
      root: this.#root,
      clock,
      log,
      cuts: new CutLog({ clock, log }),
    };
    this.#shared = options.areWatchesApart === true ? undefined : new SharedWatch(this.#watches);
    this.#commits = new Commits({
      endpoints: this.#endpoints,
      root: this.#root,
      client: options.client ?? randomId(),
      log,
    });
  }

  /** The members of from now on; calls and watches go on. */
  setEndpoints(endpoints: readonly string[]): void {
    this.#endpoints.set(endpoints);
  }

  /** Calls under way and those to come end within a few seconds, answered or not. */
  hurry(): void {
    this.#endpoints.hurry();
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    const name = this.#root.keyOf(key);
    const { kvs } = await this.#read(({ kv }, options) => kv.range({ key: name }, options));
    return kvs[0] === undefined ? undefined : this.#root.entryOf(kvs[0]);
  }

  async list(prefix: string): Promise<ListResult> {
    checkPrefix(prefix);
    for (;;) {
      const result = await this.#listOnce(prefix);
      if (result !== undefined) return result;
    }
  }

  async commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<CommitResult> {
    checkCommit(conditions, operations);
    return this.#track(() => this.#commits.commit(conditions, operations));
  }

  /** etcd counts in seconds and grants no less than one and a half election timeouts. */
  async lease(ttlMs: number): Promise<Lease> {
    const wanted = Math.min(Math.max(ttlMs, LEASE_TTL_MIN_MS), LEASE_TTL_MAX_MS);
    const seconds = BigInt(Math.ceil(wanted / SECOND_MS));
    // Repeating it may leave a lease that nobody knows of: it holds no keys and ends by itself.
    const { ID, TTL } = await this.#read(({ lease }, options) =>
      lease.leaseGrant({ TTL: seconds }, options),
    );
    const granted = Number(TTL) * SECOND_MS;
    return {
      id: String(ID),
      ttlMs: granted,
      renew: () => this.#renew(ID, granted),
      revoke: () => this.#revoke(ID),
    };
  }

  async *watch(
    prefix: string,
    fromRevision: Revision,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch, void, undefined> {
    checkPrefix(prefix);
    this.#requireOpen();
    const both = AbortSignal.any([signal, this.#stop.signal]);
    yield* (
      this.#shared?.watch(prefix, fromRevision, both) ??
        watchForEver({ ...this.#watches, prefix, from: fromRevision, signal: both })
    );
  }

  /** Answers what was asked, ends the watches and the connections. Leases live on until their time is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await Promise.allSettled(this.#inFlight);
    this.#keepAlives[Symbol.dispose]();
    this.#endpoints[Symbol.dispose]();
  }

  #requireOpen(): void {
    if (this.#stop.signal.aborted) throw closed();
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    this.#requireOpen();
    const running = work();
    this.#inFlight.add(running);
    try {
      return await running;
    } finally {
      this.#inFlight.delete(running);
    }
  }

  /** For calls that may be repeated. */
  async #read<T>(
    call: (connection: Connection, options: { readonly timeoutMs: number }) => Promise<T>,
    totalMs?: number,
  ): Promise<T> {
    return this.#track(async () => {
      try {
        return await this.#endpoints.read(call, totalMs);
      } catch (error) {
        if (isMolnError(error)) throw error;
        const failure = failureOf(error);
        throw isLeaseLost(failure) || isCompacted(failure) ? error : refused(failure);
      }
    });
  }

  /** All pages at the revision of the first. Undefined when that was compacted on the way: list again. */
  async #listOnce(prefix: string): Promise<ListResult | undefined> {
    const range = this.#root.rangeOf(prefix);
    const { revisions } = this.#root;
    const entries: Entry[] = [];
    let { key } = range;
    let revision = 0;
    let limit = PAGE_ENTRIES;
    for (;;) {
      const request = { ...range, key, limit: BigInt(limit), revision: revisions.theirs(revision) };
      try {
        const page = await this.#read(({ kv }, options) => kv.range(request, options));
        if (revision === 0) revision = revisions.ours(page.header?.revision);
        let bytes = 0;
        for (const kv of page.kvs) {
          entries.push(this.#root.entryOf(kv));
          bytes += kv.value.byteLength;
        }
        const last = page.kvs.at(-1);
        if (!page.more || last === undefined) return { entries, revision };
        key = Buffer.concat([last.key, Buffer.of(0)]);
        limit = bytes < PAGE_BYTES_GOOD ? Math.min(limit * 4, PAGE_ENTRIES_MAX) : PAGE_ENTRIES;
      } catch (error) {
        if (isMolnError(error) || !isCompacted(failureOf(error))) throw error;
        return undefined;
      }
    }
  }

  /** Whoever holds the lease decides when. */
  async #renew(ID: bigint, ttlMs: number): Promise<void> {
    const seconds = await this.#read(
      (connection, options) => this.#keepAlives.renew(connection, ID, options),
      ttlMs,
    );
    if (seconds === 0n) throw leaseLost(String(ID));
  }

  async #revoke(ID: bigint): Promise<void> {
    try {
      await this.#read(({ lease }, options) => lease.leaseRevoke({ ID }, options));
    } catch (error) {
      // It has ended by itself, or an earlier attempt got through.
      if (isMolnError(error) || !isLeaseLost(failureOf(error))) throw error;
    }
  }
}
