/** GET, HEAD, PUT and MKCOL. */
import { isMolnError } from '../base/errors.ts';
import type { Conditions } from '../files/files.ts';
import { evaluatePreconditions, parseEntityTagList } from '../http/conditional.ts';
import { formatHttpDate } from '../http/http-date.ts';
import { mediaTypeOf } from '../http/media-type.ts';
import { parseRange } from '../http/range.ts';
import type { Answer } from '../http/answer.ts';
import { escapeText } from '../xml/xml.ts';
import { type DavCall, headerOf, mayUse } from './dav-call.ts';
import { DavError } from './dav-error.ts';
import { checkIf, checkLocks } from './locking.ts';
import { checkParent, find, hrefOf, membersOf, type Resource } from './resource.ts';

const MEMBERS_SHOWN = 10_000;

export async function get(call: DavCall): Promise<Answer> {
  const found = await find(call.store, call.place);
  if (found.kind === 'none') throw new DavError(404, 'There is nothing here');
  if (found.kind !== 'file') return index(call, found);
  const { info } = found;
  const etag = `"${info.etag}"`;
  const headers: Record<string, string> = {
    etag,
    'last-modified': formatHttpDate(info.modifiedAt),
    'accept-ranges': 'bytes',
    'content-type': latin1(info.contentType ?? 'application/octet-stream'),
  };
  for (const name of [
    'cache-control',
    'content-disposition',
    'content-encoding',
    'content-language',
    'expires',
  ]) {
    const value = info.headers[name];
    if (value !== undefined) headers[name] = latin1(value);
  }
  const range = headerOf(call, 'range');
  const verdict = evaluatePreconditions(
    call.method,
    {
      ifMatch: headerOf(call, 'if-match'),
      ifNoneMatch: headerOf(call, 'if-none-match'),
      ifModifiedSince: headerOf(call, 'if-modified-since'),
      ifUnmodifiedSince: headerOf(call, 'if-unmodified-since'),
      ifRange: headerOf(call, 'if-range'),
      range: range !== undefined,
    },
    { etag, lastModifiedMs: info.modifiedAt },
  );
  if (verdict === 'not-modified') return { status: 304, headers };
  if (verdict === 'precondition-failed') throw new DavError(412, 'The file is another one by now');
  const asked =
    range === undefined || verdict !== 'perform' || call.method !== 'GET'
      ? undefined
      : parseRange(range, info.size);
  if (asked?.kind === 'unsatisfiable') {
    throw new DavError(416, 'The file is shorter', {
      headers: { 'content-range': `bytes */${info.size}` },
    });
  }
  const one = asked?.kind === 'ranges' && asked.ranges.length === 1 ? asked.ranges[0] : undefined;
  if (one === undefined) {
    headers['content-length'] = String(info.size);
    if (call.method === 'HEAD' || info.size === 0) return { status: 200, headers };
    return { status: 200, headers, stream: call.store.read(info) };
  }
  headers['content-length'] = String(one.last - one.first + 1);
  headers['content-range'] = `bytes ${one.first}-${one.last}/${info.size}`;
  return {
    status: 206,
    headers,
    stream: call.store.read(info, { start: one.first, end: one.last + 1 }),
  };
}

/** What a field cannot hold. */
// oxlint-disable-next-line no-control-regex -- these are the ones
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/g;

/** Fields go out as Latin-1; what is kept is any text. */
function latin1(text: string): string {
  return Buffer.from(text.replace(CONTROL, ' '), 'utf8').toString('latin1');
}

/** For people who look with a browser. */
async function index(call: DavCall, found: Resource): Promise<Answer> {
  const { store, caller, place } = call;
  const names =
    found.kind === 'root'
      ? (await store.buckets())
          .filter(({ name }) => mayUse(caller, name, false))
          .map(({ name }) => ({ bucket: name, path: '' }))
      : await membersOf(store, found.place, MEMBERS_SHOWN).then(({ files, folders }) =>
          [...folders, ...files.map(({ key }) => key)].map((path) => ({
            bucket: place.bucket,
            path,
          })),
        );
  const title = escapeText(decodeURIComponent(hrefOf(found.place)));
  const links = names.map((one) => {
    const href = hrefOf(one);
    const last = href.replace(/\/$/, '').replace(/^.*\//, '') + (href.endsWith('/') ? '/' : '');
    return `<li><a href="${escapeText(href)}">${escapeText(decodeURIComponent(last))}</a></li>`;
  });
  const body = `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><ul>${links.join('')}</ul>\n`;
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
    },
    ...(call.method === 'HEAD' ? {} : { body }),
  };
}

function tags(text: string | undefined): string | readonly string[] | undefined {
  if (text === undefined) return undefined;
  const list = parseEntityTagList(text);
  return list === '*' ? '*' : (list ?? []).map(({ tag }) => tag);
}

function writeConditions(call: DavCall): Conditions | undefined {
  const ifMatch = tags(headerOf(call, 'if-match'));
  const ifNoneMatch = tags(headerOf(call, 'if-none-match'));
  return ifMatch === undefined && ifNoneMatch === undefined ? undefined : { ifMatch, ifNoneMatch };
}

export async function put(call: DavCall): Promise<Answer> {
  const { store, caller } = call;
  if (headerOf(call, 'content-range') !== undefined)
    throw new DavError(400, 'A piece of a file cannot be put');
  const tokens = await checkIf(call);
  const found = await find(store, call.place);
  if (
    found.kind === 'root' ||
    found.kind === 'collection' ||
    call.place.path === '' ||
    call.place.path.endsWith('/')
  ) {
    throw new DavError(405, 'A collection has no content of its own', {
      headers: { allow: 'GET, HEAD, OPTIONS, PROPFIND' },
    });
  }
  const isNew = found.kind === 'none';
  await checkLocks(call, tokens, { resource: found, membership: isNew });
  if (isNew) await checkParent(store, found.place);
  const length = headerOf(call, 'content-length');
  const language = headerOf(call, 'content-language');
  const type =
    headerOf(call, 'content-type') ??
    (isNew ? mediaTypeOf(call.place.path) : found.info.contentType);
  const info = await store.put(found.place.bucket, found.place.path, call.body, {
    contentType: type,
    headers: language === undefined ? {} : { 'content-language': language },
    owner: caller.owner,
    conditions: writeConditions(call),
    ...(length === undefined ? {} : { size: Number(length) }),
  });
  const etag = { etag: `"${info.etag}"`, 'last-modified': formatHttpDate(info.modifiedAt) };
  return { status: isNew ? 201 : 204, headers: etag };
}

export async function makeCollection(call: DavCall): Promise<Answer> {
  const { store, caller, place } = call;
  for await (const piece of call.body) {
    if (piece.length > 0) throw new DavError(415, 'MKCOL with a body is not known');
  }
  const tokens = await checkIf(call);
  const found = await find(store, place);
  if (found.kind !== 'none') throw new DavError(405, 'Something is there already');
  if (found.bucket === undefined) return makeBucket(call);
  const path = `${place.path.replace(/\/$/, '')}/`;
  const resource: Resource = { ...found, place: { bucket: place.bucket, path } };
  await checkLocks(call, tokens, { resource, membership: true });
  await checkParent(store, resource.place);
  await store.put(place.bucket, path, nothing(), {
    owner: caller.owner,
    contentType: 'application/x-directory',
  });
  return { status: 201 };
}

async function makeBucket({ store, caller, place }: DavCall): Promise<Answer> {
  if (place.path !== '') throw new DavError(409, `There is no bucket "${place.bucket}"`);
  try {
    await store.createBucket(place.bucket, { owner: caller.owner });
  } catch (error) {
    if (isMolnError(error, 'FILES_BUCKET_NAME'))
      throw new DavError(403, error.message, { cause: error });
    throw error;
  }
  return { status: 201 };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {
  // An empty body: the collection's marker.
}
