/** A request as the cache sees it: what bears on reuse, read once; the rest is asked for when a variant needs it. */
import { ABSENT, cacheControlOf, DIRECTIVE, INVALID, type CacheControl } from './control.ts';
import { copyFields, HeadFields, REQUEST_WISHES, type Fields } from './fields.ts';

/** Bits of `CacheRequest.bits`. */
export const REQUEST = {
  noStore: 1,
  noCache: 2,
  onlyIfCached: 4,
  range: 8,
  /** If-None-Match or If-Modified-Since: a cache may answer these (RFC 9111 4.3.2). */
  conditional: 16,
  /** If-Match or If-Unmodified-Since: only the origin may. */
  originCondition: 32,
  authorization: 64,
  cookie: 128,
  body: 256,
} as const;

const NO_FIELDS: Fields = { count: 0, get: () => undefined, nameAt: () => '', valueAt: () => '' };

/** Reused from request to request; `keep` makes a copy for what comes after a wait. */
export class CacheRequest {
  method = 'GET';
  /** What answers are stored under: see `cacheKey`. */
  key = '';
  fields: Fields = NO_FIELDS;
  bits = 0;
  maxAgeS: number = ABSENT;
  minFreshS: number = ABSENT;
  maxStaleS: number = ABSENT;
  staleIfErrorS: number = ABSENT;

  /** `hasBody`: the request has a body, so its answer is nobody else's. */
  read(options: {
    readonly method: string;
    readonly key: string;
    readonly fields: Fields;
    readonly hasBody?: boolean;
  }): this {
    const { method, key, fields, hasBody = false } = options;
    this.method = method;
    this.key = key;
    this.fields = fields;
    this.bits = hasBody ? REQUEST.body : 0;
    this.maxAgeS = ABSENT;
    this.minFreshS = ABSENT;
    this.maxStaleS = ABSENT;
    this.staleIfErrorS = ABSENT;
    if (fields.get('authorization') !== undefined) this.bits |= REQUEST.authorization;
    if (fields.get('cookie') !== undefined) this.bits |= REQUEST.cookie;
    // A scanned head tells at once that it has nothing of all that.
    const plain = fields instanceof HeadFields && (fields.scanner.seen & REQUEST_WISHES) === 0;
    if (plain) this.#readPragma(fields);
    else this.#readWishes(fields);
    return this;
  }

  /** Wants nothing but the answer: no conditions, ranges, credentials, cookies or limits of age. */
  get isPlain(): boolean {
    const hasLimits =
      this.maxAgeS !== ABSENT || this.minFreshS !== ABSENT || this.maxStaleS !== ABSENT;
    return this.bits === 0 && !hasLimits && this.method === 'GET';
  }

  /** A copy that owns its fields. */
  keep(): CacheRequest {
    const copy = new CacheRequest();
    copy.method = this.method;
    copy.key = this.key;
    copy.fields = copyFields(this.fields);
    copy.bits = this.bits;
    copy.maxAgeS = this.maxAgeS;
    copy.minFreshS = this.minFreshS;
    copy.maxStaleS = this.maxStaleS;
    copy.staleIfErrorS = this.staleIfErrorS;
    return copy;
  }

  #readWishes(fields: Fields): void {
    const control = fields.get('cache-control');
    // RFC 9111 5.4: Pragma counts only where nothing newer is said.
    if (control === undefined) this.#readPragma(fields);
    else this.#readControl(cacheControlOf(control));
    // RFC 9110 14.2: Range means something in GET alone.
    if (this.method === 'GET' && fields.get('range') !== undefined) this.bits |= REQUEST.range;
    if (fields.get('if-none-match') !== undefined) this.bits |= REQUEST.conditional;
    else if (fields.get('if-modified-since') !== undefined) this.bits |= REQUEST.conditional;
    if (fields.get('if-match') !== undefined || fields.get('if-unmodified-since') !== undefined) {
      this.bits |= REQUEST.originCondition;
    }
  }

  #readControl(control: CacheControl): void {
    if ((control.bits & DIRECTIVE.noStore) !== 0) this.bits |= REQUEST.noStore;
    // Fields of an answer that nobody has seen yet cannot be meant: then it is the directive itself.
    const namesFields = control.withoutFields.length > 0;
    if (namesFields || (control.bits & DIRECTIVE.noCache) !== 0) this.bits |= REQUEST.noCache;
    if ((control.bits & DIRECTIVE.onlyIfCached) !== 0) this.bits |= REQUEST.onlyIfCached;
    // What cannot be read as a number asks for the most careful treatment.
    this.maxAgeS = control.maxAgeS === INVALID ? 0 : control.maxAgeS;
    this.minFreshS = control.minFreshS;
    this.maxStaleS = control.maxStaleS;
    this.staleIfErrorS = control.staleIfErrorS;
  }

  #readPragma(fields: Fields): void {
    const pragma = fields.get('pragma');
    if (pragma !== undefined && /(?:^|,)[ \t]*no-cache[ \t]*(?:,|$)/i.test(pragma)) {
      this.bits |= REQUEST.noCache;
    }
  }
}
