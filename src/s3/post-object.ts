/** An upload by a browser's form: who signed its policy, what the policy allows, and what the browser gets to see. */
import type { IncomingHttpHeaders } from 'node:http';
import { sameSecret } from '../base/ids.ts';
import type { AccessKey } from '../files/files.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import { refuseToken } from './authenticate.ts';
import { PUT_BYTES_MAX, summedBody } from './body.ts';
import { type Answer, type Call, quoted } from './call.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { checkKey } from './object-fields.ts';
import { newObject, putHeaders } from './objects-put.ts';
import { checkPostPolicy } from './post-policy.ts';
import { boundaryOf, type PostedForm, readForm } from './posted-form.ts';
import { signV2 } from './signature-v2.ts';
import { ALGORITHM, parseCredential, sign, signingKey } from '../base/aws-signature.ts';
import { headerOfTags, OBJECT_TAGS_MAX, parseTagging, type Tags } from './tagging.ts';
import { encodeUri } from '../base/uri.ts';

export async function postObject(call: Call): Promise<Answer> {
  const boundary = boundaryOf(call.header('content-type') ?? '');
  if (boundary === undefined) {
    throw new S3Error(
      'InvalidRequest',
      'Bucket POST must be of the enclosure-type multipart/form-data',
    );
  }
  const form = await readForm(call.source, boundary);
  const { fields } = form;
  const key = fields.get('key')?.replaceAll('${filename}', form.fileName);
  if (key === undefined || key === '') {
    throw invalidArgument(
      "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      'key',
      '',
    );
  }
  checkKey(key);
  const sender = await signer(call, fields);
  const limits =
    sender === undefined
      ? { sizeMin: 0, sizeMax: PUT_BYTES_MAX }
      : checkPostPolicy(
          fields.get('policy') ?? '',
          { fields, bucket: call.bucketName },
          call.nowMs,
        );
  const headers = headersOf(call.headers, form);
  const posted = call.but({
    key,
    headers,
    sender: {
      key: sender,
      payload: { kind: 'plain', sha256: undefined },
      how: sender === undefined ? 'anonymous' : 'form',
    },
  });
  call.posted = posted;
  const bucket = await posted.bucket();
  const options = await newObject(posted, bucket);
  const body = summedBody(limited(form.file, limits.sizeMax), headers);
  const object = await call.store.put(bucket.name, key, body.bytes, {
    ...options,
    checksumType: 'FULL_OBJECT',
    accept(received) {
      if (received.size < limits.sizeMin) {
        throw new S3Error('EntityTooSmall', undefined, {
          details: { ProposedSize: received.size, MinSizeAllowed: limits.sizeMin },
        });
      }
      return body.accept();
    },
  });
  const location = `http${call.isSecure ? 's' : ''}://${call.header('host') ?? ''}/${bucket.name}/${encodeUri(key, true)}`;
  return answer(fields, {
    bucket: bucket.name,
    key,
    etag: quoted(object.etag),
    location,
    headers: { ...putHeaders(posted, bucket, object), location },
  });
}

/** Undefined when nobody signed: then the bucket must be open to all. */
async function signer(call: Call, fields: PostedForm['fields']): Promise<AccessKey | undefined> {
  refuseToken(fields.get('x-amz-security-token'));
  const policy = fields.get('policy');
  const v4 = fields.get('x-amz-signature');
  const v2 = fields.get('signature');
  if (v4 === undefined && v2 === undefined) {
    if (policy === undefined && fields.get('awsaccesskeyid') === undefined) return undefined;
    throw invalidArgument(
      "Bucket POST must contain a field named 'Signature'.  If it is specified, please check the order of the fields.",
      'Signature',
      '',
    );
  }
  if (policy === undefined) {
    throw invalidArgument(
      "Bucket POST must contain a field named 'policy'.  If it is specified, please check the order of the fields.",
      'policy',
      '',
    );
  }
  return v4 === undefined ? signerV2(call, fields, policy) : signerV4(call, fields, policy);
}

async function keyOf(call: Call, id: string): Promise<AccessKey> {
  const key = await call.store.accessKey(id);
  if (key === undefined)
    throw new S3Error('InvalidAccessKeyId', undefined, { details: { AWSAccessKeyId: id } });
  return key;
}

async function signerV2(
  call: Call,
  fields: PostedForm['fields'],
  policy: string,
): Promise<AccessKey> {
  const id = fields.get('awsaccesskeyid');
  if (id === undefined) {
    throw invalidArgument(
      "Bucket POST must contain a field named 'AWSAccessKeyId'.  If it is specified, please check the order of the fields.",
      'AWSAccessKeyId',
      '',
    );
  }
  const key = await keyOf(call, id);
  if (sameSecret(fields.get('signature') ?? '', signV2(key.secret, policy))) return key;
  throw new S3Error('SignatureDoesNotMatch');
}

async function signerV4(
  call: Call,
  fields: PostedForm['fields'],
  policy: string,
): Promise<AccessKey> {
  const credential = parseCredential(fields.get('x-amz-credential') ?? '');
  if (fields.get('x-amz-algorithm') !== ALGORITHM || credential === undefined) {
    throw new S3Error('AuthorizationQueryParametersError');
  }
  const key = await keyOf(call, credential.accessKey);
  const own = sign(signingKey(key.secret, credential), policy);
  if (sameSecret((fields.get('x-amz-signature') ?? '').toLowerCase(), own)) return key;
  throw new S3Error('SignatureDoesNotMatch');
}

/** RFC 9110 5.6.2. What is kept under another name could never be told of. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** Fields of the form that are fields of a put. */
function headersOf(headers: IncomingHttpHeaders, form: PostedForm): IncomingHttpHeaders {
  const { host, referer } = headers;
  const out: IncomingHttpHeaders = { host, referer, 'user-agent': headers['user-agent'] };
  for (const [name, value] of form.fields) {
    const known =
      /^(?:cache-control|content-type|content-disposition|content-encoding|expires|x-amz-(?!signature|credential|algorithm|date).*)$/;
    if (name.startsWith('x-amz-') && !TOKEN.test(name))
      throw invalidArgument('A field whose name no header can have', 'Name', name);
    if (known.test(name)) out[name] = Buffer.from(value, 'utf8').toString('latin1');
    if (name === 'acl') out['x-amz-acl'] = value;
    if (name === 'tagging') out['x-amz-tagging'] = headerOfTags(tagsOfForm(value));
  }
  return out;
}

function tagsOfForm(text: string): Tags {
  return parseTagging(Buffer.from(text), OBJECT_TAGS_MAX);
}

async function* limited(
  file: AsyncIterable<Uint8Array>,
  sizeMax: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const piece of file) {
    size += piece.length;
    if (size > sizeMax) {
      throw new S3Error('EntityTooLarge', undefined, {
        details: { ProposedSize: size, MaxSizeAllowed: sizeMax },
      });
    }
    yield piece;
  }
}

interface Posted {
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly location: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** 204, or what the form asks for: another place to go to, 200, or 201 with a document. */
function answer(fields: PostedForm['fields'], posted: Posted): Answer {
  const redirect = fields.get('success_action_redirect') ?? fields.get('redirect');
  if (redirect !== undefined && URL.canParse(redirect)) {
    const url = new URL(redirect);
    for (const name of ['bucket', 'key', 'etag'] as const)
      url.searchParams.append(name, posted[name]);
    const query = url.search.replaceAll('+', '%20');
    return {
      status: 303,
      headers: { ...posted.headers, location: `${url.origin}${url.pathname}${query}${url.hash}` },
    };
  }
  const status = fields.get('success_action_status');
  if (status === '200') return { status: 200, headers: posted.headers };
  if (status !== '201') return { status: 204, headers: posted.headers };
  return {
    status: 201,
    headers: { ...posted.headers, 'content-type': 'application/xml' },
    body: `${XML_HEAD}<PostResponse>${element('Location', posted.location)}${element('Bucket', posted.bucket)}${element('Key', posted.key)}${element('ETag', posted.etag)}</PostResponse>`,
  };
}
