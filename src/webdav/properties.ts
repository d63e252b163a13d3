/** PROPFIND and PROPPATCH (RFC 4918, 9.1, 9.2; RFC 4331): what is known of a resource, and what clients keep with it. */
import { isoTime } from '../base/time.ts';
import { formatHttpDate } from '../http/http-date.ts';
import type { BucketInfo } from '../files/files.ts';
import type { Answer } from '../http/answer.ts';
import {
  childNamed,
  elements,
  escapeText,
  serialise,
  XML_HEAD,
  type XmlElement,
} from '../xml/xml.ts';
import { type DavCall, depthOf, mayUse, readDocument } from './dav-call.ts';
import { DavError } from './dav-error.ts';
import { activeLocks, checkIf, checkLocks } from './locking.ts';
import { find, hrefOf, membersOf, type Place, type Resource } from './resource.ts';

const MEMBERS_MAX = 50_000;
const DAV = 'DAV:';

/** Makes the inside of a property; undefined when this resource has no such one. */
type Live = (resource: Resource, call: DavCall) => string | undefined | Promise<string | undefined>;

const LOCK_KINDS =
  '<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>' +
  '<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>';

const LIVE: Readonly<Record<string, Live>> = {
  creationdate: (one) => {
    const at = createdAt(one);
    return at === undefined ? undefined : isoTime(at);
  },
  getcontentlanguage: (one) =>
    one.kind === 'file' ? escaped(one.info.headers['content-language']) : undefined,
  getcontentlength: (one) => (one.kind === 'file' ? String(one.info.size) : undefined),
  getcontenttype: (one) =>
    one.kind === 'file' ? escaped(one.info.contentType ?? 'application/octet-stream') : undefined,
  getetag: (one) => (one.kind === 'file' ? `"${escapeText(one.info.etag)}"` : undefined),
  getlastmodified: (one) => {
    const at = one.kind === 'file' ? one.info.modifiedAt : createdAt(one);
    return at === undefined ? undefined : formatHttpDate(at);
  },
  lockdiscovery: async (one, call) =>
    one.place.bucket === ''
      ? ''
      : activeLocks(
          await call.store.locks.of(one.place.bucket, one.place.path),
          one.place.bucket,
          call.clock.now(),
        ),
  resourcetype: (one) => (one.kind === 'file' ? '' : '<D:collection/>'),
  supportedlock: () => LOCK_KINDS,
  'quota-available-bytes': (one) => {
    const bucket = bucketOf(one);
    if (bucket === undefined || bucket.quotaBytes === null) return undefined;
    return String(Math.max(0, bucket.quotaBytes - bucket.bytes));
  },
  'quota-used-bytes': (one) => {
    const bucket = one.kind === 'collection' ? one.bucket : undefined;
    return bucket === undefined ? undefined : String(bucket.bytes);
  },
};

/** Not in what is given for "all" (RFC 4331, section 3). */
const ONLY_IF_ASKED: ReadonlySet<string> = new Set(['quota-available-bytes', 'quota-used-bytes']);

function escaped(text: string | undefined): string | undefined {
  return text === undefined ? undefined : escapeText(text);
}

function bucketOf(resource: Resource): BucketInfo | undefined {
  return resource.kind === 'root' ? undefined : resource.bucket;
}

function createdAt(resource: Resource): number | undefined {
  if (resource.kind === 'file') return resource.info.modifiedAt;
  if (resource.kind !== 'collection') return undefined;
  return resource.marker?.modifiedAt ?? resource.bucket.createdAt;
}

interface Wanted {
  readonly kind: 'all' | 'names' | 'some';
  readonly names: readonly { readonly namespace: string; readonly name: string }[];
}

function wantedOf(root: XmlElement | undefined): Wanted {
  if (root === undefined) return { kind: 'all', names: [] };
  if (root.name !== 'propfind' || root.namespace !== DAV)
    throw new DavError(400, 'Want a propfind document');
  const prop = childNamed(root, 'prop', DAV);
  if (prop !== undefined) {
    return {
      kind: 'some',
      names: elements(prop).map(({ namespace, name }) => ({ namespace, name })),
    };
  }
  if (childNamed(root, 'propname', DAV) !== undefined) return { kind: 'names', names: [] };
  if (childNamed(root, 'allprop', DAV) === undefined)
    throw new DavError(400, 'Want prop, propname or allprop');
  const include = childNamed(root, 'include', DAV);
  return {
    kind: 'all',
    names:
      include === undefined
        ? []
        : elements(include).map(({ namespace, name }) => ({ namespace, name })),
  };
}

export async function propfind(call: DavCall): Promise<Answer> {
  const wanted = wantedOf(await readDocument(call));
  const depth = depthOf(call, 'infinity');
  const found = await find(call.store, call.place);
  if (found.kind === 'none') throw new DavError(404, 'There is nothing here');
  if (depth === 'infinity' && found.kind !== 'file') {
    throw new DavError(403, 'A whole tree is not told at once', {
      condition: { name: 'propfind-finite-depth' },
    });
  }
  const all = depth === '0' ? [found] : [found, ...(await children(call, found))];
  let responses = '';
  for (const one of all) responses += await response(call, one, wanted);
  return multistatus(responses);
}

async function children(call: DavCall, resource: Resource): Promise<readonly Resource[]> {
  const { store, caller } = call;
  if (resource.kind === 'root') {
    const buckets = (await store.buckets()).filter(({ name }) => mayUse(caller, name, false));
    return buckets.map((bucket) => ({
      kind: 'collection',
      place: { bucket: bucket.name, path: '' },
      bucket,
      marker: undefined,
    }));
  }
  if (resource.kind !== 'collection') return [];
  const { bucket } = resource;
  const { files, folders } = await membersOf(store, resource.place, MEMBERS_MAX);
  return [
    ...folders.map((path): Resource => ({
      kind: 'collection',
      place: { bucket: bucket.name, path },
      bucket,
      marker: undefined,
    })),
    ...files.map((info): Resource => ({
      kind: 'file',
      place: { bucket: bucket.name, path: info.key },
      bucket,
      info,
    })),
  ];
}

/** A bucket's own are kept beside those of its members. */
function deadProperties(call: DavCall, place: Place): Promise<Readonly<Record<string, string>>> {
  return place.bucket === ''
    ? Promise.resolve({})
    : call.store.properties.get(place.bucket, place.path);
}

async function response(call: DavCall, resource: Resource, wanted: Wanted): Promise<string> {
  const dead = await deadProperties(call, resource.place);
  const good: string[] = [];
  const missing: string[] = [];
  if (wanted.kind !== 'some') {
    for (const [name, live] of Object.entries(LIVE)) {
      if (ONLY_IF_ASKED.has(name)) continue;
      const inside = await live(resource, call);
      if (inside !== undefined)
        good.push(wanted.kind === 'names' ? `<D:${name}/>` : liveElement(name, inside));
    }
    for (const [clark, text] of Object.entries(dead))
      good.push(wanted.kind === 'names' ? emptyElement(fromClark(clark)) : text);
  }
  for (const one of wanted.names) {
    const live = one.namespace === DAV ? LIVE[one.name] : undefined;
    const inside = await live?.(resource, call);
    const own = dead[`{${one.namespace}}${one.name}`];
    if (inside !== undefined) good.push(liveElement(one.name, inside));
    else if (own === undefined) missing.push(emptyElement(one));
    else good.push(own);
  }
  const href = escapeText(hrefOf(resource.place));
  return `<D:response><D:href>${href}</D:href>${propstat(good, '200 OK', missing.length === 0)}${propstat(missing, '404 Not Found', false)}</D:response>`;
}

function liveElement(name: string, inside: string): string {
  return inside === '' ? `<D:${name}/>` : `<D:${name}>${inside}</D:${name}>`;
}

function emptyElement({
  namespace,
  name,
}: {
  readonly namespace: string;
  readonly name: string;
}): string {
  return namespace === DAV ? `<D:${name}/>` : `<${name} xmlns="${escapeText(namespace)}"/>`;
}

function fromClark(text: string): { readonly namespace: string; readonly name: string } {
  const end = text.indexOf('}');
  return { namespace: text.slice(1, end), name: text.slice(end + 1) };
}

function propstat(properties: readonly string[], status: string, evenEmpty: boolean): string {
  if (properties.length === 0 && !evenEmpty) return '';
  return `<D:propstat><D:prop>${properties.join('')}</D:prop><D:status>HTTP/1.1 ${status}</D:status></D:propstat>`;
}

export function multistatus(responses: string): Answer {
  return {
    status: 207,
    headers: { 'content-type': 'application/xml; charset="utf-8"' },
    body: `${XML_HEAD}<D:multistatus xmlns:D="DAV:">${responses}</D:multistatus>`,
  };
}

const VALUE_BYTES_MAX = 64 * 1024;

export async function proppatch(call: DavCall): Promise<Answer> {
  const root = await readDocument(call);
  if (root === undefined || root.name !== 'propertyupdate' || root.namespace !== DAV) {
    throw new DavError(400, 'Want a propertyupdate document');
  }
  const tokens = await checkIf(call);
  const found = await find(call.store, call.place);
  if (found.kind === 'none') throw new DavError(404, 'There is nothing here');
  if (found.kind === 'root') throw new DavError(403, 'The list of buckets keeps no properties');
  await checkLocks(call, tokens, { resource: found });
  const change: Record<string, string | null> = {};
  const names: { readonly namespace: string; readonly name: string }[] = [];
  for (const part of elements(root)) {
    const prop = childNamed(part, 'prop', DAV);
    if (part.namespace !== DAV || prop === undefined || !/^(?:set|remove)$/.test(part.name))
      continue;
    for (const one of elements(prop)) {
      names.push(one);
      const text = part.name === 'set' ? serialise(one) : null;
      if (text !== null && Buffer.byteLength(text) > VALUE_BYTES_MAX) {
        throw new DavError(507, `A property has more than ${VALUE_BYTES_MAX} bytes`);
      }
      change[`{${one.namespace}}${one.name}`] = text;
    }
  }
  const isGuarded = (one: { readonly namespace: string; readonly name: string }): boolean =>
    one.namespace === DAV && Object.hasOwn(LIVE, one.name);
  const guarded = names.filter(isGuarded).map(emptyElement);
  const others = names.filter((one) => !isGuarded(one)).map(emptyElement);
  if (guarded.length === 0)
    await call.store.properties.set(found.place.bucket, found.place.path, change);
  const href = escapeText(hrefOf(found.place));
  const stats =
    guarded.length === 0
      ? propstat(others, '200 OK', true)
      : propstat(others, '424 Failed Dependency', false) +
        `<D:propstat><D:prop>${guarded.join('')}</D:prop><D:status>HTTP/1.1 403 Forbidden</D:status><D:error><D:cannot-modify-protected-property/></D:error></D:propstat>`;
  return multistatus(`<D:response><D:href>${href}</D:href>${stats}</D:response>`);
}
