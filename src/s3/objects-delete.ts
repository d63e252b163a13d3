/** DELETE of one object or version, and of many. */
import type { BucketInfo, Conditions } from '../files/files.ts';
import { isMolnError } from '../base/errors.ts';
import { element, escapeText, XML_HEAD } from '../xml/xml.ts';
import { mayDo } from './access.ts';
import { type Answer, type Call, versionHeader, xmlAnswer } from './call.ts';
import {
  childrenNamed,
  holdsOnly,
  LONG_DOCUMENT_BYTES_MAX,
  malformed,
  neededText,
  readRoot,
  S3_NAMESPACE,
  textIn,
  truth,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { isSummed } from './body.ts';
import { checkKey, writeConditions } from './object-fields.ts';
import { storeError } from './store-errors.ts';

const KEYS_MAX = 1000;
const AT_ONCE = 16;

interface Gone {
  readonly version: string | undefined;
  readonly deleteMarker: boolean;
}

async function deleteOne(
  call: Call,
  bucket: BucketInfo,
  what: {
    readonly key: string;
    readonly version: string | undefined;
    readonly conditions: Conditions | undefined;
  },
): Promise<Gone> {
  const { key, version } = what;
  const action = version === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  const list = { of: 'bucket', permission: 'WRITE' } as const;
  if (!mayDo(call, bucket, { action, list, key })) throw new S3Error('AccessDenied');
  const { conditions } = what;
  const bypassGovernance = bypasses(call, bucket, key);
  try {
    const gone = await call.store.delete(bucket.name, key, {
      version,
      conditions,
      bypassGovernance,
    });
    return { version: gone.version, deleteMarker: gone.deleteMarker };
  } catch (error) {
    if (isMolnError(error, 'FILES_CONDITION') && error.details?.['exists'] === false)
      return await goneBefore(call, bucket, what);
    throw error;
  }
}

/** Nothing is there, so the condition asks for nothing. A marker is there: it is what the condition may be about. */
async function goneBefore(
  call: Call,
  bucket: BucketInfo,
  { key, version, conditions }: Parameters<typeof deleteOne>[2],
): Promise<Gone> {
  const found = await call.store.head(bucket.name, key, version);
  // What came since then is not what was asked about.
  if (found?.isDeleteMarker !== true) return { version: undefined, deleteMarker: false };
  const { ifMatch, ifSize, ifModifiedAt } = conditions ?? {};
  const isMet = ifMatch === '*' && ifSize === undefined && ifModifiedAt === undefined;
  if (!isMet) throw new S3Error('PreconditionFailed');
  const gone = await call.store.delete(bucket.name, key, { version, conditions: undefined });
  return { version: gone.version, deleteMarker: gone.deleteMarker };
}

/** The field is set, and the caller may. */
export function bypasses(call: Call, bucket: BucketInfo, key: string): boolean {
  if (call.header('x-amz-bypass-governance-retention')?.toLowerCase() !== 'true') return false;
  return mayDo(call, bucket, { action: 's3:BypassGovernanceRetention', key });
}

export async function deleteObject(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  const conditions = {
    ...writeConditions(call),
    ...exactly(
      call.header('x-amz-if-match-size'),
      call.header('x-amz-if-match-last-modified-time'),
    ),
  };
  const gone = await deleteOne(call, bucket, { key: call.key, version: call.version, conditions });
  return {
    status: 204,
    headers: {
      ...(gone.deleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
      ...versionHeader(bucket, gone.version),
    },
  };
}

/** Size and time as they must be; a time of HTTP or of a document. */
function exactly(size: string | undefined, time: string | undefined): Conditions {
  if (size !== undefined && !/^\d{1,15}$/.test(size.trim()))
    throw invalidArgument('Bad size', 'x-amz-if-match-size', size);
  const at = time === undefined ? undefined : Date.parse(time);
  if (Number.isNaN(at))
    throw invalidArgument('Bad time', 'x-amz-if-match-last-modified-time', time ?? '');
  return {
    ...(size === undefined ? {} : { ifSize: Number(size) }),
    ...(at === undefined ? {} : { ifModifiedAt: at }),
  };
}

function listedConditions(one: XmlElement): Conditions {
  const etag = textIn(one, 'ETag')?.trim().replaceAll('"', '');
  const tag = etag === undefined ? {} : { ifMatch: etag === '*' ? etag : [etag] };
  return { ...tag, ...exactly(textIn(one, 'Size'), textIn(one, 'LastModifiedTime')) };
}

export async function deleteObjects(call: Call): Promise<Answer> {
  const bucket = await call.bucket();
  // What is removed by a list that was damaged on its way is not what was meant.
  if (!isSummed(call.headers))
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    );
  const root = readRoot(await call.document(LONG_DOCUMENT_BYTES_MAX), 'Delete');
  holdsOnly(root, ['Quiet'], ['Object']);
  const quiet = truth(textIn(root, 'Quiet')) ?? false;
  const wanted = childrenNamed(root, 'Object').map((one) => {
    holdsOnly(one, ['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size']);
    return {
      key: textIn(one, 'Key') ?? neededText(one, 'Key'),
      version: textIn(one, 'VersionId')?.trim(),
      conditions: listedConditions(one),
    };
  });
  if (wanted.length === 0 || wanted.length > KEYS_MAX) throw malformed();
  if (wanted.some(({ key }) => key === '')) throw new S3Error('UserKeyMustBeSpecified');
  const lines: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < wanted.length; at = next++) {
      const one = wanted[at];
      if (one !== undefined) lines[at] = await deleteListed(call, bucket, { ...one, quiet });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return xmlAnswer(
    `${XML_HEAD}<DeleteResult xmlns="${S3_NAMESPACE}">${lines.join('')}</DeleteResult>`,
  );
}

async function deleteListed(
  call: Call,
  bucket: BucketInfo,
  one: {
    readonly key: string;
    readonly version: string | undefined;
    readonly conditions: Conditions;
    readonly quiet: boolean;
  },
): Promise<string> {
  const name = element('Key', one.key) + element('VersionId', one.version);
  try {
    checkKey(one.key);
    const gone = await deleteOne(call, bucket, one);
    if (one.quiet) return '';
    const marker = gone.deleteMarker
      ? `<DeleteMarker>true</DeleteMarker>${element('DeleteMarkerVersionId', gone.version)}`
      : '';
    return `<Deleted>${name}${marker}</Deleted>`;
  } catch (error) {
    const said = isMolnError(error) ? storeError(error) : error;
    if (!(said instanceof S3Error)) throw error;
    return `<Error>${name}<Code>${said.code}</Code><Message>${escapeText(said.message)}</Message></Error>`;
  }
}
