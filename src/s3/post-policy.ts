/** The policy of a browser's upload: its date and conditions, held against the fields of the form. Pure. */
import { PUT_BYTES_MAX } from './body.ts';
import { S3Error } from './errors.ts';

export interface PostPolicy {
  readonly sizeMin: number;
  readonly sizeMax: number;
}

/** Fields that need no condition. */
const FREE_FIELDS: ReadonlySet<string> = new Set([
  'awsaccesskeyid',
  'signature',
  'policy',
  'file',
  'x-amz-signature',
  'submit',
]);

function refuse(reason: string): never {
  throw new S3Error('AccessDenied', `Invalid according to Policy: ${reason}`);
}

/** Throws AccessDenied or InvalidPolicyDocument; gives the limits for the file. */
export function checkPostPolicy(
  encoded: string,
  form: { readonly fields: ReadonlyMap<string, string>; readonly bucket: string },
  nowMs: number,
): PostPolicy {
  const { expiration, conditions } = readPolicy(encoded);
  if (Number.isNaN(expiration))
    throw new S3Error('InvalidPolicyDocument', "Invalid Policy: Invalid 'expiration' value");
  if (expiration <= nowMs) refuse('Policy expired.');
  const covered = new Set<string>(FREE_FIELDS);
  let sizeMin = 0;
  let sizeMax = PUT_BYTES_MAX;
  const valueOf = (name: string): string =>
    name === 'bucket' ? (form.fields.get('bucket') ?? form.bucket) : (form.fields.get(name) ?? '');
  for (const condition of conditions) {
    const [kind, name, value, more] = normalise(condition);
    if (kind === 'content-length-range') {
      sizeMin = wholeNumber(name);
      sizeMax = Math.min(wholeNumber(value), PUT_BYTES_MAX);
      continue;
    }
    covered.add(name);
    const actual = valueOf(name);
    const holds = kind === 'eq' ? actual === value : startsWith(name, actual, value);
    if (!holds || more !== undefined)
      refuse(`Policy Condition failed: ["${kind}", "$${name}", "${value}"]`);
  }
  if (!covered.has('bucket')) refuse('Policy has no condition for the bucket');
  for (const name of form.fields.keys()) {
    if (!covered.has(name) && !name.startsWith('x-ignore-')) refuse(`Extra input fields: ${name}`);
  }
  return { sizeMin, sizeMax };
}

function readPolicy(encoded: string): {
  readonly expiration: number;
  readonly conditions: readonly unknown[];
} {
  let document: unknown;
  try {
    document = JSON.parse(plainJson(Buffer.from(encoded, 'base64').toString('utf8')));
  } catch (cause) {
    throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: Invalid JSON.', { cause });
  }
  const { expiration, conditions } = (document ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof expiration !== 'string')
    throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: Policy missing expiration.');
  if (!Array.isArray(conditions))
    throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: Policy missing conditions.');
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/.test(
    expiration,
  );
  return {
    expiration: isTime ? Date.parse(expiration) : Number.NaN,
    conditions: conditions as readonly unknown[],
  };
}

/** Two of a policy's escapes are none of JSON's (AWS, "POST Policy": characters that must be escaped). */
function plainJson(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, escaped: string) =>
    escaped === '$' ? '$' : escaped === 'v' ? '\\u000b' : all,
  );
}

/** `["eq", "$key", "x"]` and `{"key": "x"}` are the same. */
function normalise(
  condition: unknown,
): readonly [kind: string, name: string, value: string, more?: string] {
  if (Array.isArray(condition)) {
    const list: readonly unknown[] = condition;
    const [kind, name, value] = list;
    const word = typeof kind === 'string' ? kind.toLowerCase() : '';
    if (list.length !== 3 || !['eq', 'starts-with', 'content-length-range'].includes(word))
      invalid();
    if (word === 'content-length-range') return [word, String(name), String(value)];
    if (typeof name !== 'string' || !name.startsWith('$') || typeof value !== 'string') invalid();
    return [word, name.slice(1).toLowerCase(), value];
  }
  if (typeof condition !== 'object' || condition === null) invalid();
  const entries = Object.entries(condition);
  const [entry] = entries;
  if (entries.length !== 1 || entry === undefined || typeof entry[1] !== 'string') invalid();
  return ['eq', entry[0].toLowerCase(), entry[1]];
}

function invalid(): never {
  throw new S3Error('InvalidPolicyDocument', 'Invalid Policy: Invalid Simple-Condition.');
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) invalid();
  return Number(text);
}

/** A list of content types each has to begin so. */
function startsWith(name: string, actual: string, start: string): boolean {
  if (name !== 'content-type') return actual.startsWith(start);
  return actual.split(',').every((one) => one.startsWith(start));
}
