/**
 * Gathers the lines of buckets whose accesses are logged, and puts them as objects into the buckets that those name. As at AWS it does what
 * it can and promises nothing: lines of the last minutes are lost with the process, and those that nobody may be given are passed over.
 */
import { isMolnError, messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import type { BucketInfo, FileStore } from '../files/files.ts';
import { type Access, accessLine } from './access-log.ts';
import { privateAcl } from './acl.ts';
import { regionOf } from './buckets.ts';
import { setting } from './call.ts';
import { logKey, type Logging, mayDeliver } from './logging.ts';

/** From the first line of a log until it is put. */
const DELIVERY_MS = 5 * 60_000;
const LOOK_MS = 15_000;
/** A log is put when it has become so long. */
const LOG_BYTES = 1024 * 1024;
/** What one bucket may keep waiting while its logs cannot be put. */
const WAITING_BYTES_MAX: number = 8 * LOG_BYTES;
/** What all of them may. */
const ALL_WAITING_BYTES_MAX: number = 4 * WAITING_BYTES_MAX;
const UNIQUE_LENGTH = 16;
const DAY_MS = 86_400_000;

interface Batch {
  source: BucketInfo;
  logging: Logging;
  readonly firstAt: number;
  readonly lines: string[];
  bytes: number;
}

export class AccessLogWorker implements Worker {
  readonly name = 'files-access-logs';
  readonly #store: FileStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By the bucket's name and the day. */
  readonly #batches = new Map<string, Batch>();
  /** Bytes in all of them. */
  #waiting = 0;
  #delivered = 0;
  #lost = 0;

  constructor(options: { readonly store: FileStore; readonly clock: Clock; readonly log: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  status(): string {
    return `${this.#batches.size} logs are gathered; ${this.#delivered} accesses delivered, ${this.#lost} passed over`;
  }

  /** Keeps the line of an access to a bucket that wants it. */
  note(access: Access): void {
    const logging = setting<Logging>(access.bucket, 'logging');
    if (logging === undefined) return;
    const { bucket: source, startedAt } = access;
    const name = `${source.name}/${Math.floor(startedAt / DAY_MS)}`;
    const batch = this.#batches.get(name) ?? {
      source,
      logging,
      firstAt: startedAt,
      lines: [],
      bytes: 0,
    };
    if (batch.bytes >= WAITING_BYTES_MAX || this.#waiting >= ALL_WAITING_BYTES_MAX) {
      this.#lost++;
      return;
    }
    this.#batches.set(name, batch);
    Object.assign(batch, { source, logging });
    const line = accessLine(access);
    batch.lines.push(line);
    batch.bytes += line.length;
    this.#waiting += line.length;
  }

  async step(): Promise<StepResult> {
    const nowMs = this.#clock.now();
    for (const [name, batch] of this.#batches) {
      if (batch.bytes < LOG_BYTES && nowMs < batch.firstAt + DELIVERY_MS) continue;
      await this.#deliver(name, batch);
      return { kind: 'busy' };
    }
    return { kind: 'idle', retryInMs: LOOK_MS };
  }

  /** What is gathered, at the end of the process. */
  async finish(): Promise<void> {
    // Those of now: one that cannot be put is kept, behind all others, and would come again without end.
    const gathered = [...this.#batches];
    for (const [name, batch] of gathered) {
      try {
        await this.#deliver(name, batch);
      } catch (error) {
        this.#passOver(batch, messageOf(error));
      }
    }
  }

  async #deliver(name: string, batch: Batch): Promise<void> {
    const { source, logging, lines } = batch;
    const count = lines.length;
    const key = logKey(source, logging, {
      region: regionOf(source),
      eventAt: batch.firstAt,
      nowMs: this.#clock.now(),
      unique: randomId(UNIQUE_LENGTH).toUpperCase(),
    });
    const target = await this.#store.bucket(logging.bucket);
    // Those that come from now on are of the next log.
    this.#batches.delete(name);
    this.#waiting -= batch.bytes;
    if (target === undefined || target.owner !== source.owner || !mayDeliver(source, target, key)) {
      this.#passOver(batch, 'The target bucket does not take logs');
      return;
    }
    try {
      await this.#put(target, { key, logging, text: lines.join('') });
      this.#delivered += count;
    } catch (error) {
      if (isMolnError(error) && !error.retryable) {
        this.#passOver(batch, error.message);
        return;
      }
      this.#keep(name, batch);
      throw error;
    }
  }

  async #put(
    target: BucketInfo,
    log: { readonly key: string; readonly logging: Logging; readonly text: string },
  ): Promise<void> {
    const bytes = Buffer.from(log.text);
    const { owner, grants } = privateAcl(target.owner);
    const acl =
      log.logging.grants === undefined
        ? undefined
        : { owner, grants: [...grants, ...log.logging.grants] };
    await this.#store.put(target.name, log.key, pieces(bytes), {
      size: bytes.length,
      contentType: 'text/plain',
      owner,
      acl,
    });
  }

  /** Before what has come meanwhile. */
  #keep(name: string, batch: Batch): void {
    this.#waiting += batch.bytes;
    const since = this.#batches.get(name);
    if (since !== undefined) {
      batch.lines.push(...since.lines);
      batch.bytes += since.bytes;
    }
    this.#batches.set(name, batch);
  }

  #passOver(batch: Batch, why: string): void {
    this.#lost += batch.lines.length;
    this.#log.warn('Accesses are not logged', {
      bucket: batch.source.name,
      target: batch.logging.bucket,
      why,
    });
  }
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}
