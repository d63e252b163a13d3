/** Reads what a request sends: forms, uploads and JSON objects, as fields by name, within limits. */
import { MolnError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { Given } from './model.ts';

/** Of a form or JSON without files. */
export const FORM_BYTES_MAX: number = 1024 ** 2;
/** Of a form with files, which are in memory while it is read. */
export const UPLOAD_BYTES_MAX: number = 32 * 1024 ** 2;

/** Throws `WEB_BODY_TOO_LARGE` or `WEB_BAD_BODY`. */
export async function readForm(request: Request): Promise<Given> {
  const type =
    (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (request.body === null) return {};
  const isUpload = type === 'multipart/form-data';
  const bytes = await readBytes(request, isUpload ? UPLOAD_BYTES_MAX : FORM_BYTES_MAX);
  if (type === 'application/json' || type.endsWith('+json')) return readJson(bytes);
  if (!isUpload && type !== 'application/x-www-form-urlencoded') {
    if (bytes.length === 0) return {};
    throw new MolnError('WEB_BAD_BODY', `A body of type "${type}" is no form`, {
      hint: 'Send application/x-www-form-urlencoded, multipart/form-data or application/json',
    });
  }
  const headers = { 'content-type': request.headers.get('content-type') ?? '' };
  try {
    return fieldsOf(await new Response(bytes, { headers }).formData());
  } catch (error) {
    throw new MolnError('WEB_BAD_BODY', 'The form that was sent cannot be read', { cause: error });
  }
}

function readJson(bytes: Uint8Array<ArrayBuffer>): Given {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MolnError('WEB_BAD_BODY', 'The body is not JSON', { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Given;
  throw new MolnError('WEB_BAD_BODY', 'The body is JSON, but no object');
}

/** Of fields that come several times the last counts, as with a box and its hidden twin; `name[]` gives them all. */
function fieldsOf(form: FormData): Given {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of form) {
    if (!name.endsWith('[]')) fields[name] = value;
    else
      fields[name.slice(0, -2)] = [
        ...((fields[name.slice(0, -2)] as unknown[] | undefined) ?? []),
        value,
      ];
  }
  return fields;
}

async function readBytes(request: Request, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) {
      throw new MolnError(
        'WEB_BODY_TOO_LARGE',
        `The request has more than ${formatBytes(bytesMax)}`,
      );
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
