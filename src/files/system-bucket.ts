/**
 * The bucket that Moln itself keeps releases of apps in. No user can make one of its name. Faces do not see it; it is listed, and its policy
 * may be changed, over native HTTP.
 */
import { bucketOfSystem } from './errors.ts';
import type { Store } from './store.ts';

/** No name that `isBucketName` lets pass. */
export const SYSTEM_BUCKET = 'moln:releases';

/** What users and faces get: nothing that names the system's bucket gets through, not even a read, for releases may hold what only their app is to see. */
export function forUsers(store: Store): Store {
  return new Proxy(store, {
    get: (whole, name) => {
      const value: unknown = Reflect.get(whole, name);
      if (typeof value !== 'function') return value;
      return (...words: readonly unknown[]): unknown => {
        if (name === 'bucket' && words[0] === SYSTEM_BUCKET) return Promise.resolve(undefined);
        if (words[0] === SYSTEM_BUCKET || words.some(isInIt)) throw bucketOfSystem(SYSTEM_BUCKET);
        if (name === 'buckets') return userBuckets(whole);
        return Reflect.apply(value, whole, words) as unknown;
      };
    },
  });
}

/** Where something is copied from or to. */
function isInIt(word: unknown): boolean {
  return typeof word === 'object' && word !== null && Reflect.get(word, 'bucket') === SYSTEM_BUCKET;
}

async function userBuckets(store: Store): ReturnType<Store['buckets']> {
  return (await store.buckets()).filter(({ name }) => name !== SYSTEM_BUCKET);
}
