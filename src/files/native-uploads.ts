/** Large objects in parts over native HTTP, so that what breaks off goes on where it was: `?uploads`, `?upload=ID`, `&part=N`. */
import { pathUnknown, requestInvalid } from './errors.ts';
import { type Asked, readJson, sendJson, wholeNumber } from './http-words.ts';
import { LIST_PAGE_MAX, PARTS_MAX } from './limits.ts';
import type { ObjectFields, PutOptions, Received, WantedPart } from './model.ts';
import type { Store } from './store.ts';

export function isAboutUploads(query: URLSearchParams): boolean {
  return query.has('uploads') || query.has('upload');
}

/** `options`: what the request says of the object. */
export async function answerUpload(store: Store, asked: Asked, options: PutOptions): Promise<void> {
  const { bucket, key, method, query, response, path, request } = asked;
  const id = query.get('upload') ?? '';
  switch (`${method} ${query.has('uploads') ? 'uploads' : 'upload'}`) {
    case 'POST uploads': {
      const told = query.get('size');
      // That of the request is of a body that says nothing.
      const size = told === null ? undefined : wholeNumber(told, 'size');
      return sendJson(response, 201, await store.createUpload(bucket, key, { ...options, size }));
    }
    case 'GET uploads': {
      // Others may begin with the same words.
      const { uploads } = await store.uploads(bucket, { prefix: key, limit: LIST_PAGE_MAX });
      const own = uploads.filter((one) => one.key === key);
      return sendJson(response, 200, {
        uploads: own.map(({ upload, createdAt }) => ({ upload, createdAt })),
      });
    }
    case 'PUT upload': {
      const part = wholeNumber(query.get('part') ?? '', 'number of a part');
      const { size } = options;
      // Tells whoever goes on later what there is, also where the tag is not that of the bytes.
      const accept = ({ sha256 }: Received): Partial<ObjectFields> => ({
        checksums: { sha256: Buffer.from(sha256, 'hex').toString('base64') },
      });
      const made = await store.putPart(bucket, key, id, part, request, { size, accept });
      return sendJson(response, 201, made, { etag: `"${made.etag}"` });
    }
    case 'GET upload':
      return sendJson(response, 200, await store.parts(bucket, key, id, { limit: PARTS_MAX }));
    case 'POST upload': {
      const parts = readParts(await readJson(request));
      const info = await store.completeUpload(bucket, key, id, parts, {
        conditions: options.conditions,
      });
      return sendJson(response, 200, info, { etag: `"${info.etag}"` });
    }
    case 'DELETE upload':
      await store.abortUpload(bucket, key, id);
      return sendJson(response, 200, { upload: id, aborted: true });
    default:
      throw pathUnknown(method, path);
  }
}

const HINT = 'Give { "parts": [{ "number": 1, "etag": "…" }] }, in order';

function readParts(value: unknown): readonly WantedPart[] {
  const { parts } = (value ?? {}) as { readonly parts?: unknown };
  const isList =
    Array.isArray(parts) &&
    parts.length > 0 &&
    parts.length <= PARTS_MAX &&
    parts.every((one: unknown) => {
      const { number, etag } = (one ?? {}) as Record<string, unknown>;
      return Number.isSafeInteger(number) && typeof etag === 'string';
    });
  if (!isList) throw requestInvalid('An upload is completed with its parts', HINT);
  return (parts as readonly WantedPart[]).map(({ number, etag }) => ({ number, etag }));
}
