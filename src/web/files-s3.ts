/** Files of an app in a bucket of S3: of the cluster, as the variables `S3_…` say, or of anybody else. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  ALGORITHM,
  canonicalRequest,
  scopeText,
  sign,
  signingKey,
  stringToSign,
} from '../base/aws-signature.ts';
import { messageOf, MolnError } from '../base/errors.ts';
import { isoTime, systemClock } from '../base/time.ts';
import { encodeUri } from '../base/uri.ts';
import type { FileKeeper } from './files.ts';

export interface S3Place {
  /** `http://HOST:PORT`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface Asked {
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** So much is held in memory at a time; S3 wants 5 MiB in each part but the last. */
const PART_BYTES = 8 * 1024 * 1024;
/** Of a visitor's request, what S3 answers as HTTP has it. */
const PASSED = ['range', 'if-range', 'if-none-match', 'if-modified-since'] as const;

/** Undefined when the variables do not name a place. */
export function s3PlaceOf(env: Readonly<Record<string, string | undefined>>): S3Place | undefined {
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_REGION: region = 'us-east-1' } = env;
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (endpoint === undefined || bucket === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { endpoint, region, bucket, accessKeyId, secretAccessKey };
}

export class S3Files implements FileKeeper {
  readonly #place: S3Place;

  constructor(place: S3Place) {
    this.#place = place;
  }

  /** What fits into one part is put at once; more goes up in parts. */
  async put(key: string, body: AsyncIterable<Uint8Array>, type: string): Promise<number> {
    const headers = { 'content-type': type };
    let upload: Upload | undefined;
    let size = 0;
    try {
      for await (const part of inParts(body)) {
        size += part.bytes.length;
        if (part.isLast && upload === undefined) {
          await this.#done('PUT', key, { headers, body: part.bytes });
          return size;
        }
        upload ??= await this.#begin(key, headers);
        await this.#putPart(key, upload, part.bytes);
      }
      if (upload !== undefined) await this.#complete(key, upload);
      return size;
    } catch (error) {
      if (upload !== undefined) await this.#abort(key, upload);
      throw error;
    }
  }

  async get(key: string, asked?: Headers): Promise<Response | undefined> {
    const headers: Record<string, string> = {};
    for (const name of PASSED) {
      const value = asked?.get(name);
      if (value !== null && value !== undefined) headers[name] = value;
    }
    const answer = await this.#ask('GET', key, { headers });
    if (answer.ok || answer.status === 304 || answer.status === 416) return answer;
    if (answer.status !== 404) throw await refused('GET', key, answer);
    await answer.body?.cancel();
    return undefined;
  }

  async delete(key: string): Promise<void> {
    await this.#done('DELETE', key, {});
  }

  async #begin(key: string, headers: Readonly<Record<string, string>>): Promise<Upload> {
    const text = await this.#done('POST', key, { query: [['uploads', '']], headers });
    const id = /<UploadId>([^<]+)<\/UploadId>/.exec(text)?.[1];
    if (id === undefined)
      throw new MolnError('WEB_FILES_REFUSED', 'S3 began an upload without naming it');
    return { id, tags: [] };
  }

  async #putPart(key: string, upload: Upload, body: Uint8Array<ArrayBuffer>): Promise<void> {
    const number = String(upload.tags.length + 1);
    const query = [
      ['partNumber', number],
      ['uploadId', upload.id],
    ] as const;
    const answer = await this.#ask('PUT', key, { query, body });
    if (!answer.ok) throw await refused('PUT', key, answer);
    await answer.body?.cancel();
    upload.tags.push(answer.headers.get('etag') ?? '');
  }

  async #complete(key: string, { id, tags }: Upload): Promise<void> {
    const parts = tags.map(
      (tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag}</ETag></Part>`,
    );
    const body = Buffer.from(
      `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
    );
    await this.#done('POST', key, { query: [['uploadId', id]], body });
  }

  /** The first error is what the caller hears; what is left over, the lifecycle of the bucket removes. */
  async #abort(key: string, { id }: Upload): Promise<void> {
    await this.#done('DELETE', key, { query: [['uploadId', id]] }).catch(() => undefined);
  }

  async #done(method: string, key: string, asked: Asked): Promise<string> {
    const answer = await this.#ask(method, key, asked);
    if (!answer.ok) throw await refused(method, key, answer);
    return await answer.text();
  }

  async #ask(method: string, key: string, asked: Asked): Promise<Response> {
    const { endpoint, bucket } = this.#place;
    const path = `/${bucket}/${key}`;
    const { query = [], body } = asked;
    const url = new URL(`${endpoint}${encodeUri(path, true)}`);
    url.search = query.map((pair) => pair.map((one) => encodeUri(one)).join('=')).join('&');
    const headers = this.#signed(method, { path, host: url.host, asked });
    try {
      return await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
    } catch (error) {
      throw new MolnError('WEB_FILES_AWAY', `Files do not answer: ${messageOf(error)}`, {
        retryable: true,
        cause: error,
      });
    }
  }

  #signed(
    method: string,
    { path, host, asked }: { readonly path: string; readonly host: string; readonly asked: Asked },
  ): Record<string, string> {
    const { region, accessKeyId, secretAccessKey } = this.#place;
    const time = isoTime(systemClock.now()).replace(/[-:]|\.\d+/g, '');
    const scope = { date: time.slice(0, 8), region, service: 's3' };
    const payloadHash = createHash('sha256')
      .update(asked.body ?? '')
      .digest('hex');
    const own = { 'x-amz-date': time, 'x-amz-content-sha256': payloadHash };
    const headers: Record<string, string> = { host, ...own };
    const signedHeaders = Object.keys(headers).toSorted();
    const canonical = canonicalRequest({
      method,
      path,
      query: asked.query ?? [],
      headers,
      signedHeaders,
      payloadHash,
    });
    const signature = sign(
      signingKey(secretAccessKey, scope),
      stringToSign(time, scope, canonical),
    );
    const credential = `${accessKeyId}/${scopeText(scope)}`;
    const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
    return { ...asked.headers, ...own, authorization };
  }
}

interface Upload {
  readonly id: string;
  readonly tags: string[];
}

/** Pieces of `PART_BYTES`, and a last one, which may be empty only when it is the only one. */
async function* inParts(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<
  { readonly bytes: Uint8Array<ArrayBuffer>; readonly isLast: boolean },
  void,
  undefined
> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let count = 0;
  for await (const piece of body) {
    for (let rest = piece; rest.length > 0;) {
      if (bytes === PART_BYTES) {
        yield { bytes: Buffer.concat(waiting), isLast: false };
        [waiting, bytes, count] = [[], 0, count + 1];
      }
      const some = rest.subarray(0, PART_BYTES - bytes);
      waiting.push(some);
      bytes += some.length;
      rest = rest.subarray(some.length);
    }
  }
  if (bytes > 0 || count === 0) yield { bytes: Buffer.concat(waiting), isLast: true };
}

async function refused(method: string, key: string, answer: Response): Promise<MolnError> {
  const text = await answer.text();
  const said = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? `status ${answer.status}`;
  const code = answer.status >= 500 ? 'WEB_FILES_AWAY' : 'WEB_FILES_REFUSED';
  return new MolnError(code, `Files refuse ${method} of "${key.slice(0, 100)}": ${said}`, {
    retryable: answer.status >= 500,
  });
}
