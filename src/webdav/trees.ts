/** DELETE, COPY and MOVE of files and of whole collections (RFC 4918, 9.6, 9.8, 9.9). */
import type { FileStore, ObjectInfo } from '../files/files.ts';
import type { Answer } from '../http/answer.ts';
import { escapeText } from '../xml/xml.ts';
import { checkMay, type DavCall, depthOf, headerOf } from './dav-call.ts';
import { DavError } from './dav-error.ts';
import { checkIf, checkLocks } from './locking.ts';
import { multistatus } from './properties.ts';
import {
  below,
  checkParent,
  find,
  hrefOf,
  type Place,
  placeOf,
  type Resource,
} from './resource.ts';

const AT_ONCE = 16;

async function forEach(
  items: AsyncIterable<ObjectInfo>,
  work: (one: ObjectInfo) => Promise<unknown>,
): Promise<void> {
  const running = new Set<Promise<unknown>>();
  for await (const one of items) {
    const task = work(one).finally(() => running.delete(task));
    // Its failure is met by the race or by the wait at the end.
    task.catch(() => undefined);
    running.add(task);
    if (running.size >= AT_ONCE) await Promise.race(running);
  }
  await Promise.all(running);
}

export async function remove(call: DavCall): Promise<Answer> {
  const { store } = call;
  const tokens = await checkIf(call);
  const found = await find(store, call.place);
  if (found.kind === 'none') throw new DavError(404, 'There is nothing here');
  if (found.kind === 'root') throw new DavError(403, 'The list of buckets stays');
  if (found.kind === 'collection' && depthOf(call, 'infinity') !== 'infinity') {
    throw new DavError(400, 'A collection goes with all that is in it: want Depth infinity');
  }
  const locked = await lockedBelow(call, tokens, found);
  if (locked !== undefined) return locked;
  await removeAll(store, found);
  if (found.kind === 'collection' && found.place.path === '')
    await store.deleteBucket(found.place.bucket);
  return { status: 204 };
}

/** A lock deep below is told of by its own address (RFC 4918, 9.6.1). */
async function lockedBelow(
  call: DavCall,
  tokens: ReadonlySet<string>,
  found: Resource,
): Promise<Answer | undefined> {
  await checkLocks(call, tokens, { resource: found, membership: true });
  try {
    await checkLocks(call, tokens, { resource: found, tree: true });
    return undefined;
  } catch (error) {
    if (!(error instanceof DavError) || error.status !== 423) throw error;
    const href =
      /<D:href>.*<\/D:href>/.exec(error.condition?.inside ?? '')?.[0] ??
      `<D:href>${escapeText(hrefOf(found.place))}</D:href>`;
    return multistatus(`<D:response>${href}<D:status>HTTP/1.1 423 Locked</D:status></D:response>`);
  }
}

async function removeAll(store: FileStore, found: Resource): Promise<void> {
  const { bucket, path } = found.place;
  if (found.kind === 'file') await store.delete(bucket, path);
  else await forEach(below(store, found.place), ({ key }) => store.delete(bucket, key));
  await store.properties.delete(bucket, path);
  await store.locks.clear(bucket, path);
}

/** Where it goes, which has to be here. */
function destinationOf(call: DavCall): Place {
  const text = headerOf(call, 'destination');
  if (text === undefined) throw new DavError(400, 'Want a Destination');
  const host = /^[a-z]+:\/\/([^/]*)/i.exec(text)?.[1];
  if (host !== undefined && host.replace(/^.*@/, '') !== headerOf(call, 'host')) {
    throw new DavError(502, `The destination is on another server: ${host}`);
  }
  return placeOf(text);
}

function overwrites(call: DavCall): boolean {
  const text = headerOf(call, 'overwrite')?.trim().toUpperCase() ?? 'T';
  if (text === 'T' || text === 'F') return text === 'T';
  throw new DavError(400, `Overwrite is "${text}", want T or F`);
}

export async function copyOrMove(call: DavCall): Promise<Answer> {
  const { store, caller } = call;
  const moves = call.method === 'MOVE';
  const wanted = destinationOf(call);
  const mayOverwrite = overwrites(call);
  const tokens = await checkIf(call);
  const source = await find(store, call.place);
  if (source.kind === 'none') throw new DavError(404, 'There is nothing here');
  if (source.kind === 'root') throw new DavError(403, 'The list of buckets stays');
  const depth = depthOf(call, 'infinity');
  if (depth === '1' || (moves && depth !== 'infinity' && source.kind === 'collection')) {
    throw new DavError(400, `Depth ${depth} is not possible here`);
  }
  checkMay(caller, wanted.bucket, true);
  const target = targetFor(source, wanted);
  checkApart(source.place, target, source.kind);
  const there = await find(store, wanted);
  if (there.kind === 'root') throw new DavError(403, 'The list of buckets stays');
  if (there.kind !== 'none' && !mayOverwrite)
    throw new DavError(412, 'Something is at the destination');
  await checkParent(store, target);
  if (moves) await checkLocks(call, tokens, { resource: source, tree: true, membership: true });
  await checkLocks(call, tokens, {
    resource: there.kind === 'none' ? { ...there, place: target } : there,
    tree: true,
    membership: true,
  });
  if (there.kind !== 'none') {
    if (there.kind === 'collection' && there.place.path === '')
      throw new DavError(403, 'A bucket is not overwritten');
    await removeContent(store, there);
  }
  if (source.kind === 'file') await transferFile(call, { source: source.info, target, moves });
  else
    await transferTree(call, { source: source.place, target, moves, deep: depth === 'infinity' });
  return { status: there.kind === 'none' ? 201 : 204 };
}

/** Locks of the destination stay: they are of the address (RFC 4918, 7.6). */
async function removeContent(store: FileStore, there: Resource): Promise<void> {
  const { bucket, path } = there.place;
  if (there.kind === 'file') await store.delete(bucket, path);
  else await forEach(below(store, there.place), ({ key }) => store.delete(bucket, key));
  await store.properties.delete(bucket, path);
}

function targetFor(source: Resource, wanted: Place): Place {
  const name = wanted.path.replace(/\/$/, '');
  if (wanted.bucket === '' || (name === '' && source.kind === 'file'))
    throw new DavError(403, 'A file needs a bucket and a name');
  if (source.kind === 'collection' && source.place.path === '')
    throw new DavError(403, 'A bucket is neither copied nor moved');
  return { bucket: wanted.bucket, path: source.kind === 'file' ? name : `${name}/` };
}

function checkApart(source: Place, target: Place, kind: Resource['kind']): void {
  if (source.bucket !== target.bucket) return;
  const same = source.path === target.path;
  const inside = kind === 'collection' && target.path.startsWith(source.path);
  const around = target.path.endsWith('/') && source.path.startsWith(target.path);
  if (same || inside || around)
    throw new DavError(403, 'Source and destination are in one another');
}

async function transferFile(
  { store }: DavCall,
  {
    source,
    target,
    moves,
  }: { readonly source: ObjectInfo; readonly target: Place; readonly moves: boolean },
): Promise<void> {
  const from: Place = { bucket: source.bucket, path: source.key };
  await transferObject(store, { source, target, moves });
  await transferProperties(store, from, target);
  if (!moves) return;
  await store.properties.delete(from.bucket, from.path);
  await store.locks.clear(from.bucket, from.path);
}

async function transferObject(
  store: FileStore,
  {
    source,
    target,
    moves,
  }: { readonly source: ObjectInfo; readonly target: Place; readonly moves: boolean },
): Promise<void> {
  if (moves && source.bucket === target.bucket) {
    await store.move(source.bucket, source.key, target.path);
    return;
  }
  await store.copy(source, { bucket: target.bucket, key: target.path }, {});
  if (moves) await store.delete(source.bucket, source.key);
}

async function transferProperties(store: FileStore, from: Place, to: Place): Promise<void> {
  if (from.bucket === to.bucket) {
    await store.properties.copy(from.bucket, from.path, to.path);
    return;
  }
  const own = await store.properties.get(from.bucket, from.path);
  if (Object.keys(own).length > 0) await store.properties.set(to.bucket, to.path, own);
}

async function transferTree(
  call: DavCall,
  options: {
    readonly source: Place;
    readonly target: Place;
    readonly moves: boolean;
    readonly deep: boolean;
  },
): Promise<void> {
  const { store, caller } = call;
  const { source, target, moves, deep } = options;
  const moved = (key: string): Place => ({
    bucket: target.bucket,
    path: target.path + key.slice(source.path.length),
  });
  let hasMarker = false;
  if (deep) {
    await forEach(below(store, source), async (one) => {
      if (one.key === source.path) hasMarker = true;
      await transferObject(store, { source: one, target: moved(one.key), moves });
      if (source.bucket !== target.bucket)
        await transferProperties(store, { bucket: source.bucket, path: one.key }, moved(one.key));
    });
  }
  if (!hasMarker)
    await store.put(target.bucket, target.path, nothing(), {
      owner: caller.owner,
      contentType: 'application/x-directory',
    });
  if (source.bucket === target.bucket && deep)
    await store.properties.copy(source.bucket, source.path, target.path);
  else {
    const own = await store.properties.get(source.bucket, source.path);
    if (Object.keys(own).length > 0) await store.properties.set(target.bucket, target.path, own);
  }
  if (!moves) return;
  await store.properties.delete(source.bucket, source.path);
  await store.locks.clear(source.bucket, source.path);
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // An empty body: the collection's marker.
}
