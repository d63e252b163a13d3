/** Reads what a request sends: forms, uploads and JSON objects, as fields by name, within limits. */
import { MolnError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { Given } from './model.ts';
import { type MultipartOptions, readMultipart } from './multipart.ts';

/** Of a form or JSON without files. */
export const FORM_BYTES_MAX: number = 1024 ** 2;
/** Of a form with files, unless the controller says `uploadBytesMax`. */
export const UPLOAD_BYTES_MAX: number = 32 * 1024 ** 2;

/** How files are taken. */
export type UploadOptions = Pick<MultipartOptions, 'admit' | 'bytesMax' | 'folder'>;

/** Throws `WEB_BODY_TOO_LARGE` or `WEB_BAD_BODY`. */
export async function readForm(request: Request, uploads: UploadOptions): Promise<Given> {
  const type =
    (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (request.body === null) return {};
  if (type === 'multipart/form-data')
    return fieldsOf(await readMultipart(request, { ...uploads, textBytesMax: FORM_BYTES_MAX }));
  const text = await readText(request);
  if (type === 'application/json' || type.endsWith('+json')) return readJson(text);
  if (type === 'application/x-www-form-urlencoded') return fieldsOf(new URLSearchParams(text));
  if (text === '') return {};
  throw new MolnError('WEB_BAD_BODY', `A body of type "${type}" is no form`, {
    hint: 'Send application/x-www-form-urlencoded, multipart/form-data or application/json',
  });
}

function readJson(text: string): Given {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MolnError('WEB_BAD_BODY', 'The body is not JSON', { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given;
  throw new MolnError('WEB_BAD_BODY', 'The body is JSON, but no object');
}

/** Of fields that come several times the last counts, as with a box and its hidden twin; `name[]` gives them all. */
function fieldsOf(form: Iterable<readonly [string, unknown]>): Given {
  const fields = new Map<string, unknown>();
  for (const [name, value] of form) {
    const list = name.endsWith('[]') ? name.slice(0, -2) : undefined;
    const known = list === undefined ? undefined : fields.get(list);
    if (list === undefined) fields.set(name, value);
    // In place: a form of 1 MiB may have 200,000 of them.
    else if (Array.isArray(known)) known.push(value);
    else fields.set(list, known === undefined ? [value] : [known, value]);
  }
  return Object.fromEntries(fields);
}

async function readText(request: Request): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > FORM_BYTES_MAX) {
      throw new MolnError(
        'WEB_BODY_TOO_LARGE',
        `The request has more than ${formatBytes(FORM_BYTES_MAX)}`,
      );
    }
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new MolnError('WEB_BAD_BODY', 'The body is not UTF-8', { cause: error });
  }
}
