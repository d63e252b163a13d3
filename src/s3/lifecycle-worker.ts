/** Carries out lifecycle rules: walks the buckets that have some, a page a step, and removes what they say. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { StepResult, Worker } from '../base/worker.ts';
import { type BucketInfo, type FileStore, isHeld, type ObjectInfo } from '../files/files.ts';
import { setting } from './call.ts';
import {
  abortsUpload,
  classFor,
  expiresNoncurrent,
  expiryOf,
  type LifecycleRule,
  removesLoneMarker,
} from './lifecycle.ts';

const PAGE = 500;
/** Rules speak of days. */
const ROUND_MS = 3_600_000;

const CLASS_FIELD = 'x-amz-storage-class';

function classOf({ headers }: ObjectInfo): string {
  return headers[CLASS_FIELD] ?? 'STANDARD';
}

interface Place {
  readonly bucket: string;
  readonly after: string | undefined;
}

export class LifecycleWorker implements Worker {
  readonly name = 'files-lifecycle';
  readonly #store: FileStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #todo: Place[] = [];
  #roundAt = 0;
  #removed = 0;
  #moved = 0;

  constructor(options: { readonly store: FileStore; readonly clock: Clock; readonly log: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  status(): string {
    const where = this.#todo[0]?.bucket;
    const done = `${this.#removed} removed, ${this.#moved} of another storage class`;
    return where === undefined
      ? `Waits for the next round; ${done}`
      : `Looks through ${where}; ${done}`;
  }

  async step(signal: AbortSignal): Promise<StepResult> {
    const nowMs = this.#clock.now();
    if (this.#todo.length === 0) {
      if (nowMs < this.#roundAt) return { kind: 'idle', retryInMs: this.#roundAt - nowMs };
      this.#roundAt = nowMs + ROUND_MS;
      const buckets = await this.#store.buckets();
      this.#todo = buckets
        .filter((bucket) => setting(bucket, 'lifecycle') !== undefined)
        .map(({ name }) => ({ bucket: name, after: undefined }));
    }
    const place = this.#todo.shift();
    if (place === undefined) return { kind: 'idle', retryInMs: ROUND_MS };
    const bucket = await this.#store.bucket(place.bucket);
    const rules =
      bucket === undefined ? undefined : setting<readonly LifecycleRule[]>(bucket, 'lifecycle');
    if (bucket !== undefined && rules !== undefined) {
      if (place.after === undefined) await this.#uploads(bucket, rules, nowMs);
      const next = await this.#page(bucket, { rules, after: place.after, nowMs, signal });
      if (next !== undefined) this.#todo.unshift({ bucket: bucket.name, after: next });
    }
    return { kind: 'busy' };
  }

  async #uploads(
    bucket: BucketInfo,
    rules: readonly LifecycleRule[],
    nowMs: number,
  ): Promise<void> {
    if (!rules.some(({ abortUploadDays }) => abortUploadDays !== undefined)) return;
    let after: { readonly key: string; readonly upload: string } | undefined;
    do {
      const page = await this.#store.uploads(bucket.name, { after, limit: PAGE });
      for (const upload of page.uploads) {
        if (!abortsUpload(rules, upload, nowMs)) continue;
        await this.#store.abortUpload(bucket.name, upload.key, upload.upload);
        this.#removed++;
      }
      after = page.next;
    } while (after !== undefined);
  }

  /** The key behind which the next page begins: whole keys only, as the versions of one are judged together. */
  async #page(
    bucket: BucketInfo,
    options: {
      readonly rules: readonly LifecycleRule[];
      readonly after: string | undefined;
      readonly nowMs: number;
      readonly signal: AbortSignal;
    },
  ): Promise<string | undefined> {
    const keys = await this.#store.list(bucket.name, {
      after: options.after,
      limit: PAGE,
      versions: true,
    });
    let at = 0;
    while (at < keys.objects.length && !options.signal.aborted) {
      const key = keys.objects[at]?.key ?? '';
      let versions: readonly ObjectInfo[] = keys.objects.filter((object) => object.key === key);
      at += versions.length;
      if (at >= keys.objects.length && keys.next !== undefined)
        versions = await this.#versionsOf(bucket.name, key);
      await this.#judge(bucket, versions, options);
    }
    return keys.next === undefined ? undefined : keys.objects.at(-1)?.key;
  }

  async #versionsOf(bucket: string, key: string): Promise<readonly ObjectInfo[]> {
    const found: ObjectInfo[] = [];
    let after: { readonly key: string; readonly version?: string | undefined } | undefined;
    do {
      const page = await this.#store.list(bucket, {
        prefix: key,
        limit: PAGE,
        versions: true,
        ...(after === undefined ? {} : { after: after.key, afterVersion: after.version }),
      });
      found.push(...page.objects.filter((object) => object.key === key));
      after = page.objects.at(-1)?.key === key ? page.next : undefined;
    } while (after !== undefined);
    return found;
  }

  async #judge(
    bucket: BucketInfo,
    versions: readonly ObjectInfo[],
    { rules, nowMs }: { readonly rules: readonly LifecycleRule[]; readonly nowMs: number },
  ): Promise<void> {
    const [latest] = versions;
    if (latest === undefined) return;
    for (const [index, one] of versions.entries()) {
      const newer = versions[index - 1];
      if (newer === undefined) continue;
      const subject = { ...one, replacedAt: newer.modifiedAt, newer: index - 1 };
      if (!isHeld(one.lock, nowMs, false) && expiresNoncurrent(rules, subject, nowMs))
        await this.#remove(bucket, one, one.version);
      else if (!one.isDeleteMarker)
        await this.#move(one, classFor(rules, { ...subject, has: classOf(one) }, nowMs));
    }
    if (latest.isDeleteMarker) {
      if (versions.length === 1 && removesLoneMarker(rules, latest))
        await this.#remove(bucket, latest, latest.version);
      return;
    }
    const expiry = expiryOf(rules, latest);
    if (expiry === undefined || nowMs < expiry.at) {
      await this.#move(latest, classFor(rules, { ...latest, has: classOf(latest) }, nowMs));
      return;
    }
    await this.#remove(bucket, latest, undefined);
  }

  /** To another storage class, if one is due, and it is still the same. */
  async #move(object: ObjectInfo, to: string | undefined): Promise<void> {
    if (to === undefined) return;
    try {
      let isSame = false;
      await this.#store.changeObject(object, (now) => {
        isSame = now.fid === object.fid && now.modifiedAt === object.modifiedAt;
        return isSame ? { headers: { ...now.headers, [CLASS_FIELD]: to } } : {};
      });
      if (isSame) this.#moved++;
    } catch (error) {
      this.#failed(object, error);
    }
  }

  #failed({ bucket, key }: ObjectInfo, error: unknown): void {
    this.#log.warn('A lifecycle rule could not be carried out', {
      bucket,
      key,
      error: messageOf(error),
    });
  }

  /** On the condition that it is still the same: somebody may have put it anew meanwhile. */
  async #remove(
    bucket: BucketInfo,
    object: ObjectInfo,
    version: string | undefined,
  ): Promise<void> {
    try {
      const conditions = object.isDeleteMarker
        ? { ifNoneMatch: '*' }
        : { ifMatch: [object.etag], ifModifiedAt: object.modifiedAt };
      await this.#store.delete(bucket.name, object.key, { version, conditions });
      this.#removed++;
    } catch (error) {
      this.#failed(object, error);
    }
  }
}
