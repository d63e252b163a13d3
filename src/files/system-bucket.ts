/**
 * The buckets that Moln itself keeps things in: releases of apps, snapshots of databases. No user can make one of their names. Faces do not see them; they
 * are listed, and their policies may be changed, over native HTTP.
 */
import { bucketOfSystem } from './errors.ts';
import type { Store } from './store.ts';

/** No names that `isBucketName` lets pass. */
export const RELEASES_BUCKET = 'moln:releases';
export const SNAPSHOTS_BUCKET = 'moln:snapshots';

export function isSystemBucket(name: unknown): name is string {
  return name === RELEASES_BUCKET || name === SNAPSHOTS_BUCKET;
}

/**
 * What users and faces get: nothing that names one of the system's buckets gets through, not even a read, for what is there may be for one app, or for the
 * clients of one database, alone.
 */
export function forUsers(store: Store): Store {
  return new Proxy(store, {
    get: (whole, name) => {
      const value: unknown = Reflect.get(whole, name);
      if (typeof value !== 'function') return value;
      return (...words: readonly unknown[]): unknown => {
        if (name === 'bucket' && isSystemBucket(words[0])) return Promise.resolve(undefined);
        const own = [words[0], ...words.map(bucketNamedBy)].find(isSystemBucket);
        if (own !== undefined) throw bucketOfSystem(own);
        if (name === 'buckets') return userBuckets(whole);
        return Reflect.apply(value, whole, words) as unknown;
      };
    },
  });
}

/** Where something is copied from or to. */
function bucketNamedBy(word: unknown): unknown {
  return typeof word === 'object' && word !== null ? Reflect.get(word, 'bucket') : undefined;
}

async function userBuckets(store: Store): ReturnType<Store['buckets']> {
  return (await store.buckets()).filter(({ name }) => !isSystemBucket(name));
}
