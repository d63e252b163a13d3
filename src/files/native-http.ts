/** Native HTTP: objects at `/files/BUCKET/KEY`, buckets at `/files/BUCKET`, in JSON. RFC 9110 for conditions and ranges. */
import type { IncomingMessage } from 'node:http';
import { begun, sendPieces } from '../http/answer.ts';
import { evaluatePreconditions, type Preconditions } from '../http/conditional.ts';
import { formatHttpDate, parseHttpDate } from '../http/http-date.ts';
import { contentRange, parseRange, unsatisfiedRange } from '../http/range.ts';
import { bucketOfSystem, noBucket, noObject, pathUnknown, requestInvalid } from './errors.ts';
import { type Asked, readJson, sendJson, wholeNumber } from './http-words.ts';
import { LIST_PAGE_MAX } from './limits.ts';
import { answerUpload, isAboutUploads } from './native-uploads.ts';
import type { BucketInfo, Conditions, ObjectInfo, PutOptions } from './model.ts';
import type { Store } from './store.ts';
import { forUsers, isSystemBucket } from './system-bucket.ts';
import { readWebsite, websiteSettings, type WebsiteWish } from './website.ts';
import type { Why } from './why.ts';

export interface NativeOptions {
  readonly store: Store;
  readonly why: (bucket: string, key: string, version?: string) => Promise<Why>;
  /** Copies of a policy that no storage is there for now. */
  readonly lacks: (policy: string) => readonly string[];
}

const META = 'x-moln-meta-';
/** What is given back as it came. */
const KEPT_HEADERS = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const;
const LIST_DEFAULT = 1000;
const MARK_CHARACTERS_MAX = 100;

export class NativeHttp {
  readonly #store: Store;
  /** With the system's buckets. */
  readonly #whole: Store;
  readonly #why: NativeOptions['why'];
  readonly #lacks: NativeOptions['lacks'];

  constructor(options: NativeOptions) {
    this.#store = forUsers(options.store);
    this.#whole = options.store;
    this.#why = options.why;
    this.#lacks = options.lacks;
  }

  async answer(asked: Asked): Promise<void> {
    const { bucket, key } = asked;
    if (bucket === '') return await this.#root(asked);
    if (isSystemBucket(bucket)) return await this.#system(asked);
    if (key === '') return await this.#bucket(asked);
    if (isAboutUploads(asked.query)) return await this.#upload(asked);
    switch (asked.method) {
      case 'GET':
      case 'HEAD':
        if (asked.query.has('why'))
          return sendJson(asked.response, 200, await this.#why(bucket, key));
        return await this.#get(asked);
      case 'PUT':
        return await this.#put(asked);
      case 'DELETE':
        return await this.#delete(asked);
      case 'POST':
        return await this.#post(asked);
      default:
        throw pathUnknown(asked.method, asked.path);
    }
  }

  async #root({ method, path, response }: Asked): Promise<void> {
    if (method !== 'GET') throw pathUnknown(method, path);
    const buckets = await this.#whole.buckets();
    sendJson(response, 200, { buckets: buckets.map((info) => this.#withLacks(info)) });
  }

  async #bucket(asked: Asked): Promise<void> {
    const { method, bucket, caller, request, response, path } = asked;
    switch (method) {
      case 'GET':
        return await this.#list(asked);
      case 'PUT':
        return sendJson(response, 201, await this.#store.createBucket(bucket, { owner: caller }));
      case 'PATCH': {
        const { website, ...change } = readChange(await readJson(request));
        const settings =
          website === undefined ? {} : { settings: await this.#websiteOf(bucket, website) };
        const changed = await this.#store.changeBucket(bucket, { ...change, ...settings });
        return sendJson(response, 200, this.#withLacks(changed));
      }
      case 'DELETE':
        await this.#store.deleteBucket(bucket);
        return sendJson(response, 200, { bucket, deleted: true });
      default:
        throw pathUnknown(method, path);
    }
  }

  /** Its policy can be set, nothing else. */
  async #system({ method, key, bucket, request, response }: Asked): Promise<void> {
    if (method !== 'PATCH' || key !== '') throw bucketOfSystem(bucket);
    const { policy, ...rest } = readChange(await readJson(request));
    if (policy === undefined || Object.keys(rest).length > 0) throw bucketOfSystem(bucket);
    const changed = await this.#whole.changeBucket(bucket, { policy });
    sendJson(response, 200, this.#withLacks(changed));
  }

  async #websiteOf(bucket: string, wish: WebsiteWish | null): Promise<BucketInfo['settings']> {
    const info = await this.#store.bucket(bucket);
    if (info === undefined) throw noBucket(bucket);
    return websiteSettings(info, wish);
  }

  async #list({ bucket, query, response }: Asked): Promise<void> {
    const info = await this.#store.bucket(bucket);
    if (info === undefined) throw noBucket(bucket);
    const limit = wholeNumber(query.get('limit') ?? String(LIST_DEFAULT), 'limit');
    const page = await this.#store.list(bucket, {
      prefix: query.get('prefix') ?? '',
      delimiter: query.get('delimiter') ?? undefined,
      after: query.get('after') ?? undefined,
      afterVersion: query.get('afterVersion') ?? undefined,
      versions: query.has('versions'),
      limit: Math.min(limit, LIST_PAGE_MAX),
    });
    sendJson(response, 200, {
      bucket: this.#withLacks(info),
      ...page,
      objects: page.objects.map(shown),
    });
  }

  /** With the copies of its policy that no storage is there for now. */
  #withLacks(info: BucketInfo): BucketInfo & { readonly policyLacks: readonly string[] } {
    return { ...info, policyLacks: this.#lacks(info.policy) };
  }

  async #get(asked: Asked): Promise<void> {
    const { bucket, key, method, query, request, response } = asked;
    const info = await this.#store.head(bucket, key, query.get('version') ?? undefined);
    if (info === undefined || info.isDeleteMarker) {
      if ((await this.#store.bucket(bucket)) === undefined) throw noBucket(bucket);
      throw noObject(bucket, key);
    }
    const headers = headersOf(info);
    const range = request.headers.range;
    const verdict = evaluatePreconditions(method, preconditionsOf(request), {
      etag: `"${info.etag}"`,
      lastModifiedMs: info.modifiedAt,
    });
    if (verdict === 'not-modified' || verdict === 'precondition-failed') {
      if (verdict === 'not-modified') response.writeHead(304, headers).end();
      else response.writeHead(412, { ...headers, 'content-length': 0 }).end();
      return;
    }
    const wanted =
      range === undefined || verdict === 'perform-ignoring-range'
        ? undefined
        : parseRange(range, info.size);
    if (wanted?.kind === 'unsatisfiable') {
      const said = { 'content-range': unsatisfiedRange(info.size), 'content-length': 0 };
      response.writeHead(416, said).end();
      return;
    }
    const [first, ...more] = wanted?.kind === 'ranges' ? wanted.ranges : [];
    const part = more.length > 0 ? undefined : first;
    const [start, end] = part === undefined ? [0, info.size] : [part.first, part.last + 1];
    // Before the head goes out: it may need a key that this face does not take.
    const read = this.#store.read(info, { start, end });
    const isWanted = method !== 'HEAD' && start < end;
    const body = isWanted ? await begun(read) : undefined;
    response.writeHead(part === undefined ? 200 : 206, {
      ...headers,
      'content-length': end - start,
      ...(part === undefined ? {} : { 'content-range': contentRange(part, info.size) }),
    });
    if (body === undefined) response.end();
    else await sendPieces(response, body);
  }

  async #put({ bucket, key, request, response, caller }: Asked): Promise<void> {
    const options: PutOptions = { ...fieldsOf(request), owner: caller, ...sizeOf(request) };
    const conditions = conditionsOf(request);
    const info = await this.#store.put(bucket, key, request, { ...options, conditions });
    sendJson(response, 201, shown(info), { etag: `"${info.etag}"` });
  }

  async #upload(asked: Asked): Promise<void> {
    const { request, caller } = asked;
    const options: PutOptions = { ...fieldsOf(request), owner: caller, ...sizeOf(request) };
    await answerUpload(this.#store, asked, { ...options, conditions: conditionsOf(request) });
  }

  async #delete({ bucket, key, query, request, response }: Asked): Promise<void> {
    const version = query.get('version') ?? undefined;
    const conditions = conditionsOf(request);
    const deleted = await this.#store.delete(bucket, key, { version, conditions });
    if (!deleted.existed) throw noObject(bucket, key);
    sendJson(response, 200, { bucket, key, ...deleted });
  }

  async #post(asked: Asked): Promise<void> {
    const { bucket, key, query, request, response, path, method } = asked;
    const conditions = conditionsOf(request);
    const offset = query.get('append');
    const to = query.get('move');
    const copy = query.get('copy');
    let info: ObjectInfo;
    if (offset !== null) {
      const at = offset === '' ? await this.#lengthOf(bucket, key) : wholeNumber(offset, 'append');
      info = await this.#store.append(bucket, key, at, request, {
        ...fieldsOf(request),
        ...sizeOf(request),
        conditions,
      });
    } else if (to !== null)
      info = await this.#store.move(bucket, key, to, { conditions, mark: markOf(request) });
    else if (copy !== null) info = await this.#copy(asked, copy);
    else if (query.has('undelete')) info = await this.#store.undelete(bucket, key);
    else throw pathUnknown(method, path);
    sendJson(response, 200, shown(info), { etag: `"${info.etag}"` });
  }

  async #copy({ bucket, key, request }: Asked, to: string): Promise<ObjectInfo> {
    const at = to.indexOf('/');
    if (at <= 0 || at === to.length - 1)
      throw requestInvalid(`"${to.slice(0, 100)}" is no place for a copy`, 'Give BUCKET/KEY');
    const from = await this.#store.head(bucket, key);
    if (from === undefined || from.isDeleteMarker) throw noObject(bucket, key);
    const place = { bucket: to.slice(0, at), key: to.slice(at + 1) };
    return await this.#store.copy(from, place, { conditions: conditionsOf(request) });
  }

  async #lengthOf(bucket: string, key: string): Promise<number> {
    const info = await this.#store.head(bucket, key);
    return info === undefined || info.isDeleteMarker ? 0 : info.size;
  }
}

/** Without the sealed key. */
function shown(info: ObjectInfo): object {
  if (info.encryption === undefined) return info;
  const { by, name } = info.encryption;
  return { ...info, encryption: { by, name } };
}

function headersOf(info: ObjectInfo): Record<string, string> {
  const meta = Object.entries(info.meta).map(([name, value]) => [`${META}${name}`, value]);
  return {
    'content-type': info.contentType ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    etag: `"${info.etag}"`,
    'last-modified': formatHttpDate(info.modifiedAt),
    // What others put here must not run as a page of this origin.
    'content-security-policy': 'sandbox',
    'x-content-type-options': 'nosniff',
    // Nor be a part of a page of another one: apps on other ports are the same site, so browsers send the session for them, too.
    'cross-origin-resource-policy': 'same-origin',
    ...info.headers,
    ...(Object.fromEntries(meta) as Record<string, string>),
    ...(info.version === 'null' ? {} : { 'x-moln-version': info.version }),
  };
}

function fieldsOf({ headers }: IncomingMessage): PutOptions {
  const kept: Record<string, string> = {};
  for (const name of KEPT_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  const meta: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (name.startsWith(META) && typeof value === 'string') meta[name.slice(META.length)] = value;
  return { contentType: headers['content-type'], headers: kept, meta };
}

function sizeOf({ headers }: IncomingMessage): { readonly size?: number } {
  const length = headers['content-length'];
  return length === undefined ? {} : { size: wholeNumber(length, 'Content-Length') };
}

function preconditionsOf({ headers }: IncomingMessage): Preconditions {
  return {
    ifMatch: headers['if-match'],
    ifNoneMatch: headers['if-none-match'],
    ifModifiedSince: headers['if-modified-since'],
    ifUnmodifiedSince: headers['if-unmodified-since'],
    ifRange: headers['if-range'] as string | undefined,
    range: headers.range !== undefined,
  };
}

/** For changes: judged in the commit. */
function conditionsOf({ headers }: IncomingMessage): Conditions | undefined {
  const tags = (text: string | undefined): readonly string[] | undefined =>
    text?.split(',').map((tag) => tag.trim().replace(/^"(.*)"$/, '$1'));
  const since = headers['if-unmodified-since'];
  const found: Conditions = {
    ifMatch: tags(headers['if-match']),
    ifNoneMatch: tags(headers['if-none-match']),
    ifUnmodifiedSince: since === undefined ? undefined : parseHttpDate(since),
  };
  return Object.values(found).some((one) => one !== undefined) ? found : undefined;
}

/** Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), quoted or not. */
function markOf({ headers }: IncomingMessage): string | undefined {
  const mark = headers['idempotency-key']?.toString();
  if (mark !== undefined && mark.length > MARK_CHARACTERS_MAX)
    throw requestInvalid(
      `The Idempotency-Key has ${mark.length} characters, at most ${MARK_CHARACTERS_MAX} are kept`,
      'Give a UUID',
    );
  return mark;
}

type BucketChange = Omit<Parameters<Store['changeBucket']>[1], 'settings'> & {
  readonly website?: WebsiteWish | null;
};

function readChange(value: unknown): BucketChange {
  const known = new Set(['policy', 'quotaBytes', 'versioning', 'website']);
  const hint =
    'Give policy (text), quotaBytes (number or null), versioning (enabled, suspended) or website';
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw requestInvalid('The change of a bucket is a JSON object', hint);
  const change = value as Record<string, unknown>;
  const strange = Object.keys(change).find((name) => !known.has(name));
  if (strange !== undefined)
    throw requestInvalid(`A bucket has no "${strange.slice(0, 50)}"`, hint);
  const { policy, quotaBytes, versioning, website } = change;
  const isQuota =
    quotaBytes === undefined ||
    quotaBytes === null ||
    (Number.isSafeInteger(quotaBytes) && (quotaBytes as number) >= 0);
  const isVersioning =
    versioning === undefined || versioning === 'enabled' || versioning === 'suspended';
  if ((policy !== undefined && typeof policy !== 'string') || !isQuota || !isVersioning)
    throw requestInvalid('The change of a bucket has a wrong value', hint);
  return {
    ...(change as BucketChange),
    ...(website === undefined ? {} : { website: readWebsite(website) }),
  };
}
