/** The examples of AWS's "Authenticating Requests (AWS Signature Version 4)", with the key that they use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticate, type Sender, type SignedRequest } from './authenticate.ts';
import { decodeChunked } from './chunked-body.ts';
import { S3Error } from './errors.ts';
import { signV2, stringToSignV2 } from './signature-v2.ts';
import { EMPTY_SHA256 } from '../base/aws-signature.ts';
import { giveBack, takePiece } from '../base/piece-pool.ts';
import { parseTarget } from './uri.ts';

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const ID = 'AKIAIOSFODNN7EXAMPLE';
const NOW = Date.UTC(2013, 4, 24, 0, 1);
const HOST = 'examplebucket.s3.amazonaws.com';
const SCOPE = `${ID}/20130524/us-east-1/s3/aws4_request`;

function ask(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  now = NOW,
): Promise<Sender> {
  const request: SignedRequest = {
    method,
    target: parseTarget(url),
    hostBucket: 'examplebucket',
    headers: { host: HOST, ...headers },
  };
  const findKey = (id: string) =>
    Promise.resolve(
      id === ID ? { id, secret: SECRET, owner: 'o', may: 'all' as const } : undefined,
    );
  return authenticate(request, findKey, now);
}

function signed(headers: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=${SCOPE},SignedHeaders=${headers},Signature=${signature}`;
}

const DATED = { 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': EMPTY_SHA256 };
const PUT_HASH = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072';

const GOOD: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  [
    'GET',
    '/test.txt',
    {
      ...DATED,
      range: 'bytes=0-9',
      authorization: signed(
        'host;range;x-amz-content-sha256;x-amz-date',
        'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
      ),
    },
  ],
  [
    'PUT',
    '/test%24file.text',
    {
      date: 'Fri, 24 May 2013 00:00:00 GMT',
      ...DATED,
      'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      'x-amz-content-sha256': PUT_HASH,
      authorization: signed(
        'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
        '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
      ),
    },
  ],
  [
    'GET',
    '/?lifecycle',
    {
      ...DATED,
      authorization: signed(
        'host;x-amz-content-sha256;x-amz-date',
        'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
      ),
    },
  ],
  [
    'GET',
    '/?max-keys=2&prefix=J',
    {
      ...DATED,
      authorization: signed(
        'host;x-amz-content-sha256;x-amz-date',
        '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
      ),
    },
  ],
];

const PRESIGNED =
  `/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(SCOPE)}&X-Amz-Date=20130524T000000Z` +
  '&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

const refused = (code: string) => (error: unknown) =>
  error instanceof S3Error && error.code === code;

test('what is signed well is somebody', async () => {
  for (const [method, url, headers] of GOOD) {
    const sender = await ask(method, url, headers);
    assert.equal(sender.key?.owner, 'o', url);
    assert.equal(sender.how, 'header-v4');
  }
  assert.equal((await ask('GET', PRESIGNED, {})).how, 'query-v4');
  assert.equal((await ask('GET', '/test.txt', {})).how, 'anonymous');
});

test('what is not is refused, with the reason', async () => {
  const [method, url, headers] = GOOD[0] ?? ['', '', {}];
  const change = (more: Readonly<Record<string, string>>, now = NOW) =>
    ask(method, url, { ...headers, ...more }, now);
  await assert.rejects(change({ range: 'bytes=0-8' }), refused('SignatureDoesNotMatch'));
  await assert.rejects(ask('HEAD', url, headers), refused('SignatureDoesNotMatch'));
  await assert.rejects(ask(method, '/other', headers), refused('SignatureDoesNotMatch'));
  await assert.rejects(change({ 'x-amz-acl': 'public-read' }), refused('AccessDenied'));
  await assert.rejects(change({}, NOW + 16 * 60_000), refused('RequestTimeTooSkewed'));
  // The seventh was a Sunday; who gets that wrong is told of the time.
  for (const date of ['Tue, 07 Jul 2030 21:53:04 GMT', 'Sun, 7 Jul 2030 21:53:04 +0200'])
    await assert.rejects(
      ask(method, url, { date, authorization: 'AWS x:y' }),
      refused('RequestTimeTooSkewed'),
    );
  await assert.rejects(
    ask(method, url, { date: 'Tue, 45 Jul 2030 21:53:04 GMT', authorization: 'AWS x:y' }),
    refused('AccessDenied'),
  );
  await assert.rejects(
    change({ authorization: 'AWS4-HMAC-SHA256 Credential=x' }),
    refused('AuthorizationHeaderMalformed'),
  );
  await assert.rejects(change({ authorization: 'Bearer x' }), refused('InvalidArgument'));
  await assert.rejects(
    change({ authorization: signed('host', 'aa').replace(ID, 'NOBODY') }),
    refused('InvalidAccessKeyId'),
  );
  await assert.rejects(ask('GET', PRESIGNED, {}, NOW + 86_400_000), refused('AccessDenied'));
  await assert.rejects(ask('PUT', PRESIGNED, {}), refused('SignatureDoesNotMatch'));
  await assert.rejects(
    ask('GET', PRESIGNED.replace('86400', '604801'), {}),
    refused('AuthorizationQueryParametersError'),
  );
});

test('version 2: the examples of its documentation', () => {
  const at = (method: string, url: string, headers: Readonly<Record<string, string>>): string =>
    signV2(
      SECRET,
      stringToSignV2({
        method,
        target: parseTarget(url),
        hostBucket: 'awsexamplebucket1',
        headers,
      }),
    );
  assert.equal(
    at('GET', '/photos/puppy.jpg', { date: 'Tue, 27 Mar 2007 19:36:42 +0000' }),
    'qgk2+6Sv9/oM7G3qLEjTH1a1l1g=',
  );
  assert.equal(at('GET', '/?acl', { date: 'Tue, 27 Mar 2007 19:44:46 +0000' }).length, 28);
});

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size)
    yield await Promise.resolve(bytes.subarray(at, at + size));
}

async function decoded(
  bytes: Buffer,
  size: number,
  options: Parameters<typeof decodeChunked>[1],
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of decodeChunked(cut(bytes, size), options)) pieces.push(piece);
  return Buffer.concat(pieces);
}

test('a body signed in chunks: the example of AWS, however it is cut', async () => {
  const { payload } = await ask('PUT', '/examplebucket/chunkObject.txt', {
    host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'content-length': '66824',
    authorization: signed(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
  });
  assert.ok(payload.kind === 'chunked' && payload.signer !== undefined);
  const body = Buffer.from(
    `10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n${'a'.repeat(65_536)}\r\n` +
      `400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n${'a'.repeat(1024)}\r\n` +
      '0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n',
  );
  const options = { signer: payload.signer, decodedLength: 66_560 };
  for (const size of [7, 1000, 65_536, body.length]) {
    assert.equal((await decoded(body, size, options)).toString(), 'a'.repeat(66_560));
  }
  const bad = Buffer.from(body);
  bad[100] = 98;
  await assert.rejects(decoded(bad, 999, options), refused('SignatureDoesNotMatch'));
  await assert.rejects(decoded(body.subarray(0, -90), 999, options), refused('IncompleteBody'));
  await assert.rejects(
    decoded(body, 999, { ...options, decodedLength: 66_561 }),
    refused('IncompleteBody'),
  );
});

test('chunks with fields after them', async () => {
  const seen: Record<string, string> = {};
  const options = {
    signer: undefined,
    decodedLength: 5,
    onTrailers: (fields: ReadonlyMap<string, string>) =>
      Object.assign(seen, Object.fromEntries(fields)),
  };
  const body = Buffer.from('5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n');
  for (const size of [1, 4, body.length]) {
    assert.equal((await decoded(body, size, options)).toString(), 'hello');
    assert.deepEqual(seen, { 'x-amz-checksum-crc32': 'NhCmhg==' });
  }
  for (const text of [
    '5\r\nhelloX0\r\n\r\n',
    'zz\r\n',
    `${'1'.repeat(5000)}`,
    '5\r\nhello\r\n0\r\nbad trailer\r\n\r\n',
    '5;chunk-signature=00\r\n',
  ]) {
    await assert.rejects(decoded(Buffer.from(text), 5, options), S3Error, text.slice(0, 20));
  }
});

test('chunks share the pieces that they came in until each was given back', async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, at) => (at >> 8) ^ at));
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 70_000) {
    const chunk = bytes.subarray(at, at + 70_000);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  const coded = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
  const buffers = new Set<ArrayBufferLike>();
  let came = 0;
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < coded.length; at += 200_000) {
      const piece = takePiece(Math.min(200_000, coded.length - at));
      coded.copy(piece, 0, at);
      buffers.add(piece.buffer);
      came++;
      yield await Promise.resolve(piece);
    }
  };
  const held: Uint8Array[] = [];
  let got = Buffer.alloc(0);
  const take = (): void => {
    const piece = held.shift() ?? assert.fail('nothing came');
    got = Buffer.concat([got, piece]);
    giveBack(piece);
  };
  for await (const piece of decodeChunked(pieces(), {
    signer: undefined,
    decodedLength: bytes.length,
  })) {
    held.push(piece);
    if (held.length > 5) take();
  }
  while (held.length > 0) take();
  assert.ok(got.equals(bytes));
  assert.ok(buffers.size < came);
});
