/** Locks (RFC 4918, 6, 7, 9.10, 9.11), and whether a request shows that it knows those that are in its way. */
import type { FileLock, FileStore } from '../files/files.ts';
import type { Answer } from '../http/answer.ts';
import { childNamed, elements, serialise, XML_HEAD, escapeText } from '../xml/xml.ts';
import { type DavCall, depthOf, headerOf, readDocument } from './dav-call.ts';
import { DavError } from './dav-error.ts';
import { ifHolds, type IfList, parseIf, type ResourceState, submittedTokens } from './if-header.ts';
import {
  checkParent,
  find,
  hrefOf,
  parentOf,
  type Place,
  placeOf,
  type Resource,
} from './resource.ts';

const TIMEOUT_MS = 600_000;
const TIMEOUT_MS_MAX = 86_400_000;
const OWNER_BYTES_MAX = 8192;

/** What the request says of the state that it expects. */
function ifOf(call: DavCall): readonly IfList[] {
  const text = headerOf(call, 'if');
  if (text === undefined) return [];
  const lists = parseIf(text);
  if (lists === undefined) throw new DavError(400, 'The If field is malformed');
  return lists;
}

/** Throws 412 when the If field does not hold; gives the tokens that it names. */
export async function checkIf(call: DavCall): Promise<ReadonlySet<string>> {
  const lists = ifOf(call);
  if (lists.length === 0) return new Set();
  const states = new Map<string | undefined, ResourceState>();
  for (const { resource } of lists) {
    if (!states.has(resource)) states.set(resource, await stateOf(call, resource));
  }
  const none: ResourceState = { etag: undefined, tokens: new Set() };
  if (!ifHolds(lists, (resource) => states.get(resource) ?? none)) {
    throw new DavError(412, 'What the If field says does not hold');
  }
  return submittedTokens(lists);
}

async function stateOf(call: DavCall, resource: string | undefined): Promise<ResourceState> {
  const place = resource === undefined ? call.place : placeOf(resource);
  const found = await find(call.store, place);
  const etag = found.kind === 'file' ? `"${found.info.etag}"` : undefined;
  const locks = await locksOf(call.store, found.place);
  return { etag, tokens: new Set(locks.map(({ token }) => token)) };
}

function locksOf(store: FileStore, place: Place, withBelow = false): Promise<readonly FileLock[]> {
  if (place.bucket === '') return Promise.resolve([]);
  return store.locks.of(place.bucket, place.path, { below: withBelow });
}

export interface Writes {
  readonly resource: Resource;
  /** All below it is changed, too. */
  readonly tree?: boolean;
  /** It comes or goes: the collection that it is in changes. */
  readonly membership?: boolean;
}

/** Throws 423 unless the request names every lock that is in its way, and the caller made it. */
export async function checkLocks(
  call: DavCall,
  tokens: ReadonlySet<string>,
  writes: Writes,
): Promise<void> {
  const { place } = writes.resource;
  if (place.bucket === '') return;
  const locks = [...(await locksOf(call.store, place, writes.tree === true))];
  const parent = parentOf(place);
  if (writes.membership === true && parent !== undefined && parent.bucket !== '') {
    const above = await locksOf(call.store, parent);
    locks.push(...above.filter((lock) => !locks.some(({ token }) => token === lock.token)));
  }
  const byRoot = Map.groupBy(locks, ({ path }) => path);
  for (const [path, held] of byRoot) {
    // Several shared locks on one root: any one of them is enough.
    if (held.some(({ token, principal }) => tokens.has(token) && principal === call.caller.owner))
      continue;
    const href = hrefOf({ bucket: place.bucket, path });
    throw new DavError(423, `${href} is locked`, {
      condition: { name: 'lock-token-submitted', inside: `<D:href>${escapeText(href)}</D:href>` },
    });
  }
}

function timeoutOf(call: DavCall): number {
  const wanted = (headerOf(call, 'timeout') ?? '')
    .split(',')
    .map((one) => one.trim().toLowerCase());
  for (const one of wanted) {
    if (one === 'infinite') return TIMEOUT_MS_MAX;
    const seconds = /^second-(\d{1,10})$/.exec(one)?.[1];
    if (seconds !== undefined) return Math.min(Math.max(Number(seconds), 1) * 1000, TIMEOUT_MS_MAX);
  }
  return TIMEOUT_MS;
}

export async function lock(call: DavCall): Promise<Answer> {
  const root = await readDocument(call);
  if (root === undefined) return refresh(call);
  if (root.name !== 'lockinfo' || root.namespace !== 'DAV:')
    throw new DavError(400, 'Want a lockinfo document');
  const scope = scopeOf(childNamed(root, 'lockscope', 'DAV:'));
  const type = childNamed(root, 'locktype', 'DAV:');
  if (type === undefined || childNamed(type, 'write', 'DAV:') === undefined) {
    throw new DavError(422, 'There are write locks only');
  }
  const depth = depthOf(call, 'infinity');
  if (depth === '1') throw new DavError(400, 'The depth of a lock is 0 or infinity');
  await checkIf(call);
  const { store, caller } = call;
  const found = await find(store, call.place);
  if (found.kind === 'root') throw new DavError(403, 'The list of buckets cannot be locked');
  const ownerElement = childNamed(root, 'owner', 'DAV:');
  const owner = ownerElement === undefined ? undefined : serialise(ownerElement);
  if (owner !== undefined && Buffer.byteLength(owner) > OWNER_BYTES_MAX) {
    throw new DavError(413, `The owner has more than ${OWNER_BYTES_MAX} bytes`);
  }
  if (found.kind === 'none') await checkParent(store, found.place);
  const made = await store.locks.create(found.place.bucket, {
    path: found.place.path,
    scope,
    depth,
    principal: caller.owner,
    owner,
    timeoutMs: timeoutOf(call),
  });
  // RFC 4918, 7.3: a lock on what is not there makes an empty file.
  if (found.kind === 'none')
    await store.put(found.place.bucket, found.place.path, nothing(), { owner: caller.owner });
  return {
    status: found.kind === 'none' ? 201 : 200,
    headers: {
      'lock-token': `<${made.token}>`,
      'content-type': 'application/xml; charset="utf-8"',
    },
    body: discovery([made], found.place.bucket, call.clock.now()),
  };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // An empty body.
}

function scopeOf(element: ReturnType<typeof childNamed>): 'exclusive' | 'shared' {
  const names = element === undefined ? [] : elements(element).map(({ name }) => name);
  if (names.includes('exclusive')) return 'exclusive';
  if (names.includes('shared')) return 'shared';
  throw new DavError(400, 'The scope of a lock is exclusive or shared');
}

async function refresh(call: DavCall): Promise<Answer> {
  const tokens = await checkIf(call);
  const { store, caller } = call;
  const { place } = await find(store, call.place);
  const locks = await locksOf(store, place);
  const mine = locks.find(
    ({ token, principal }) => tokens.has(token) && principal === caller.owner,
  );
  if (mine === undefined) {
    throw new DavError(412, 'No lock of yours is named in the If field', {
      condition: { name: 'lock-token-matches-request-uri' },
    });
  }
  const now = await store.locks.refresh(place.bucket, mine.token, timeoutOf(call));
  if (now === undefined) throw new DavError(412, 'The lock has run out');
  return {
    status: 200,
    headers: { 'content-type': 'application/xml; charset="utf-8"' },
    body: discovery([now], place.bucket, call.clock.now()),
  };
}

export async function unlock(call: DavCall): Promise<Answer> {
  const token = /^\s*<([^<>]+)>\s*$/.exec(headerOf(call, 'lock-token') ?? '')?.[1];
  if (token === undefined)
    throw new DavError(400, 'Want the token of the lock in the Lock-Token field');
  const { store, caller } = call;
  const { place } = await find(store, call.place);
  const held = (await locksOf(store, place)).find((one) => one.token === token);
  if (held === undefined) {
    throw new DavError(409, 'No such lock here', {
      condition: { name: 'lock-token-matches-request-uri' },
    });
  }
  if (held.principal !== caller.owner) throw new DavError(403, "That lock is somebody else's");
  await store.locks.unlock(place.bucket, token);
  return { status: 204 };
}

function discovery(locks: readonly FileLock[], bucket: string, nowMs: number): string {
  return `${XML_HEAD}<D:prop xmlns:D="DAV:"><D:lockdiscovery>${activeLocks(locks, bucket, nowMs)}</D:lockdiscovery></D:prop>`;
}

export function activeLocks(locks: readonly FileLock[], bucket: string, nowMs: number): string {
  return locks
    .map((one) => {
      const seconds = Math.max(0, Math.ceil((one.expiresAt - nowMs) / 1000));
      return (
        `<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:${one.scope}/></D:lockscope><D:depth>${one.depth}</D:depth>` +
        `${one.owner ?? ''}<D:timeout>Second-${seconds}</D:timeout><D:locktoken><D:href>${one.token}</D:href></D:locktoken>` +
        `<D:lockroot><D:href>${escapeText(hrefOf({ bucket, path: one.path }))}</D:href></D:lockroot></D:activelock>`
      );
    })
    .join('');
}
