/** What decides by itself: access control lists, policies, cross-origin rules, lifecycle, locks, forms, names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aclAllows, cannedAcl } from './acl.ts';
import { isBucketName } from './bucket-names.ts';
import { corsAnswer, parseCors, printCors } from './cors.ts';
import { S3Error } from './errors.ts';
import {
  abortsUpload,
  expiresNoncurrent,
  expiryOf,
  parseLifecycle,
  printLifecycle,
  removesLoneMarker,
} from './lifecycle.ts';
import { mayChangeRetention } from './object-lock.ts';
import { checkNewPolicy, evaluatePolicy, isPublicPolicy, parsePolicy } from './policy.ts';
import { checkPostPolicy } from './post-policy.ts';
import { parseTagging, tagsOfHeader } from './tagging.ts';
import { encodeUri } from '../base/uri.ts';
import { isHeld } from '../files/files.ts';
import { bucketOfHost, decodeUri, parseTarget } from './uri.ts';
import { matchesWild } from './wildcard.ts';

const refused = (code: string) => (error: unknown) =>
  error instanceof S3Error && error.code === code;
const DAY = 86_400_000;

test('canned lists', () => {
  const allows = (
    name: string,
    caller: string | undefined,
    permission: 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP',
  ) => aclAllows(cannedAcl(name, 'ann', 'bob'), caller, permission);
  assert.deepEqual(
    ['private', 'public-read', 'authenticated-read', 'bucket-owner-read', 'public-read-write'].map(
      (name) => [
        allows(name, undefined, 'READ'),
        allows(name, 'cy', 'READ'),
        allows(name, 'bob', 'READ'),
        allows(name, 'cy', 'WRITE'),
        allows(name, 'ann', 'WRITE_ACP'),
      ],
    ),
    [
      [false, false, false, false, true],
      [true, true, true, false, true],
      [false, true, true, false, true],
      [false, false, true, false, true],
      [true, true, true, true, true],
    ],
  );
  assert.throws(() => cannedAcl('bogus', 'a', 'b'), refused('InvalidArgument'));
});

function policy(...statements: readonly object[]): ReturnType<typeof parsePolicy> {
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'b');
}

test('policies: variables', () => {
  const statement = (key: string, more: object = {}) => ({
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::b/${key}`,
    ...more,
  });
  const ask = (of: ReturnType<typeof policy>, key: string, username?: string) =>
    evaluatePolicy(of, {
      caller: username,
      action: 's3:GetObject',
      resource: `b/${key}`,
      context: new Map(username === undefined ? [] : [['aws:username', [username]]]),
    });
  const home = policy(statement('home/${aws:username}/*'));
  assert.equal(ask(home, 'home/ann/x', 'ann'), 'allow');
  assert.equal(ask(home, 'home/bob/x', 'ann'), 'none');
  assert.equal(ask(home, 'home/bob/x', '*'), 'none', 'a name is no pattern');
  assert.equal(ask(home, 'home/*/x', '*'), 'allow');
  assert.equal(ask(home, 'home//x'), 'none', 'nobody has no name');
  assert.equal(ask(policy(statement("${aws:username, 'guest'}")), 'guest'), 'allow');
  assert.equal(ask(policy(statement('${*}')), 'x'), 'none');
  assert.equal(ask(policy(statement('${*}')), '*'), 'allow');
  const same = policy(
    statement('*', { Condition: { StringEquals: { 'aws:username': '${aws:username}' } } }),
  );
  assert.equal(ask(same, 'x', 'a*'), 'allow');
  const old = parsePolicy(JSON.stringify({ Statement: statement('${aws:username}') }), 'b');
  assert.equal(ask(old, 'ann', 'ann'), 'none', 'before 2012-10-17 there were none');
  const spaces = ' '.repeat(9000);
  assert.equal(ask(policy(statement(`\${${spaces}`)), 'x'), 'none', 'in no time');
  assert.equal(ask(policy(statement(`\${${spaces},${spaces}`)), 'x'), 'none', 'in no time');
});

test('policies: a deny wins, conditions are weighed', () => {
  const allow = {
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:Get*',
    Resource: 'arn:aws:s3:::b/*',
  };
  const ask = (
    of: ReturnType<typeof policy>,
    more: Partial<Parameters<typeof evaluatePolicy>[1]> = {},
  ) =>
    evaluatePolicy(of, {
      caller: undefined,
      action: 's3:GetObject',
      resource: 'b/k',
      context: new Map(),
      ...more,
    });
  assert.equal(ask(policy(allow)), 'allow');
  assert.equal(ask(policy(allow), { action: 's3:PutObject' }), 'none');
  assert.equal(ask(policy(allow), { resource: 'b' }), 'none');
  assert.equal(
    ask(policy(allow, { ...allow, Effect: 'Deny', Resource: 'arn:aws:s3:::b/k' })),
    'deny',
  );
  const some = policy({
    ...allow,
    Principal: { AWS: ['arn:aws:iam::ann:root', 'arn:aws:iam:::user/bob', 'cy'] },
  });
  for (const [caller, verdict] of [
    ['ann', 'allow'],
    ['bob', 'allow'],
    ['cy', 'allow'],
    ['di', 'none'],
    [undefined, 'none'],
  ] as const) {
    assert.equal(ask(some, { caller }), verdict, caller ?? 'nobody');
  }
  const from = policy({
    ...allow,
    Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '2001:db8::/32'] } },
  });
  const at = (address: string) => ask(from, { context: new Map([['aws:sourceip', [address]]]) });
  assert.deepEqual(['10.1.2.3', '11.1.2.3', '::ffff:10.1.1.1', '2001:db8::1'].map(at), [
    'allow',
    'none',
    'allow',
    'allow',
  ]);
  const not = policy({ ...allow, Condition: { StringNotEquals: { 's3:x-amz-acl': 'private' } } });
  assert.equal(ask(not), 'allow');
  assert.equal(ask(not, { context: new Map([['s3:x-amz-acl', ['private']]]) }), 'none');
  const missing = policy({
    ...allow,
    Condition: { Null: { 's3:x-amz-server-side-encryption': 'true' } },
  });
  assert.equal(ask(missing), 'allow');
  assert.deepEqual(
    [isPublicPolicy(policy(allow)), isPublicPolicy(some), isPublicPolicy(from)],
    [true, false, false],
  );
  const conditioned = (condition: object) =>
    isPublicPolicy(policy({ ...allow, Condition: condition }));
  assert.deepEqual(
    [
      { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } },
      { IpAddress: { 'aws:SourceIp': '10.0.0.0/7' } },
      { IpAddress: { 'aws:SourceIp': '2001:db8::/32' } },
      { StringLike: { 'aws:SourceVpc': 'vpc-*' } },
      { StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' } },
      { StringEquals: { 'aws:SourceVpc': 'vpc-1' } },
    ].map(conditioned),
    [true, true, false, true, true, false],
  );
  const more = parsePolicy(JSON.stringify({ Statement: allow, Comment: 'x' }), 'b');
  assert.throws(() => checkNewPolicy(more), refused('MalformedPolicy'));
  const { Principal: _everybody, ...rest } = allow;
  const kept = policy({ ...rest, NotPrincipal: { AWS: 'ann' } });
  assert.throws(() => checkNewPolicy(kept), refused('MalformedPolicy'));
  assert.equal(ask(kept, { caller: 'bob' }), 'allow', 'what was put before goes on');
  const named = (action: string) => () => checkNewPolicy(policy({ ...allow, Action: action }));
  for (const action of ['s3:*', 's3:getobject', 's3:Get*', 's3:RestoreObject'])
    assert.doesNotThrow(named(action), action);
  for (const action of ['s3:GetObjekt', 's3:PutBucketEncryption', 's3:Fetch*'])
    assert.throws(named(action), refused('MalformedPolicy'), action);
  const principal = (AWS: unknown) => () =>
    checkNewPolicy(policy({ ...allow, Principal: { AWS } }));
  for (const who of [
    '*',
    'ann',
    '123456789012',
    'arn:aws:iam::123456789012:root',
    ['arn:aws:iam:::user/team/bob', 'arn:aws:iam::ann:role/r', 'arn:aws:sts::1:assumed-role/r/s'],
  ])
    assert.doesNotThrow(principal(who), String(who));
  for (const who of [
    '',
    'a b',
    'ann*',
    'arn:aws:iam::ann',
    'arn:aws:iam::ann:user/*',
    'arn:aws:s3:::b',
  ])
    assert.throws(principal(who), refused('MalformedPolicy'), who);
  const service = policy({ ...allow, Principal: { Service: 'logging' } });
  assert.throws(() => checkNewPolicy(service), refused('MalformedPolicy'));
  const others = policy(allow, { ...rest, Effect: 'Deny', NotPrincipal: { AWS: 'ann' } });
  checkNewPolicy(others);
  assert.deepEqual(
    ['ann', 'bob'].map((caller) => ask(others, { caller })),
    ['allow', 'deny'],
  );
  for (const bad of [
    { ...allow, Effect: 'Maybe' },
    { ...allow, Action: 'ec2:Run' },
    { ...allow, Resource: 'arn:aws:s3:::c/*' },
    { ...allow, Condition: { Bogus: {} } },
    { ...allow, Extra: 1 },
  ]) {
    assert.throws(() => policy(bad), refused('MalformedPolicy'));
  }
});

test('wildcards, in no more steps than they need', () => {
  assert.ok(matchesWild('a*b?d', 'axxbcd') && matchesWild('*', '') && matchesWild('**', 'x'));
  assert.ok(!matchesWild('a*b', 'ac') && !matchesWild('?', ''));
  assert.ok(!matchesWild(`${'a*'.repeat(200)}b`, 'a'.repeat(1000)));
});

const CORS = Buffer.from(
  '<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>' +
    '<AllowedHeader>x-amz-*</AllowedHeader><MaxAgeSeconds>9</MaxAgeSeconds></CORSRule>' +
    '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
);

test('cross-origin rules', () => {
  const rules = parseCors(CORS);
  assert.deepEqual(parseCors(Buffer.from(printCors(rules))), rules);
  const origin = 'https://a.example.com';
  const put = corsAnswer(rules, { origin, method: 'PUT', headers: ['X-Amz-Date'] }, true);
  assert.equal(put?.['access-control-allow-origin'], origin);
  assert.equal(put?.['access-control-max-age'], '9');
  assert.equal(corsAnswer(rules, { origin, method: 'PUT', headers: ['other'] }, true), undefined);
  assert.equal(
    corsAnswer(rules, { origin: 'https://example.com', method: 'PUT' }, false),
    undefined,
  );
  assert.equal(
    corsAnswer(rules, { origin: 'x', method: 'GET' }, false)?.['access-control-allow-origin'],
    '*',
  );
});

test('lifecycle', () => {
  const rules = parseLifecycle(
    Buffer.from(
      '<LifecycleConfiguration><Rule><ID>a</ID><Filter><And><Prefix>log/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Status>Enabled</Status>' +
        '<Expiration><Days>2</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>' +
        '<Rule><ID>b</ID><Prefix/><Status>Enabled</Status><AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>',
    ),
  );
  assert.deepEqual(parseLifecycle(Buffer.from(printLifecycle(rules))), rules);
  const object = { key: 'log/x', size: 1, tags: { k: 'v' }, modifiedAt: 10 * DAY + 5 };
  assert.deepEqual(expiryOf(rules, object), { at: 13 * DAY, rule: 'a' });
  assert.equal(expiryOf(rules, { ...object, tags: {} }), undefined);
  assert.equal(expiryOf(rules, { ...object, key: 'other' }), undefined);
  const old = { ...object, replacedAt: 10 * DAY };
  assert.deepEqual(
    [{ newer: 0 }, { newer: 1 }].map((more) =>
      expiresNoncurrent(rules, { ...old, ...more }, 12 * DAY),
    ),
    [false, true],
  );
  assert.equal(expiresNoncurrent(rules, { ...old, newer: 1 }, 10.5 * DAY), false);
  assert.equal(removesLoneMarker(rules, object), true);
  assert.deepEqual(
    [2, 3].map((days) => abortsUpload(rules, { key: 'z', createdAt: 0 }, days * DAY)),
    [false, true],
  );
});

test('object locks', () => {
  const governed = { mode: 'GOVERNANCE', until: 100 } as const;
  assert.deepEqual(
    [
      isHeld(governed, 50, false),
      isHeld(governed, 50, true),
      isHeld(governed, 100, false),
      isHeld({ ...governed, mode: 'COMPLIANCE' }, 50, true),
      isHeld({ hold: true }, 50, true),
    ],
    [true, false, false, true, true],
  );
  const at = { nowMs: 50, bypassGovernance: false };
  assert.ok(mayChangeRetention(governed, { mode: 'GOVERNANCE', until: 200 }, at));
  assert.ok(!mayChangeRetention(governed, { mode: 'GOVERNANCE', until: 90 }, at));
  assert.ok(
    !mayChangeRetention({ ...governed, mode: 'COMPLIANCE' }, undefined, {
      ...at,
      bypassGovernance: true,
    }),
  );
});

test('policies of forms', () => {
  const encode = (document: object): string =>
    Buffer.from(JSON.stringify(document)).toString('base64');
  const conditions = [
    { bucket: 'b' },
    ['starts-with', '$key', 'u/'],
    ['content-length-range', 1, 9],
    ['starts-with', '$Content-Type', 'image/'],
  ];
  const expiration = '2026-01-02T00:00:00Z';
  const now = Date.UTC(2026, 0, 1);
  const fields = new Map([
    ['key', 'u/x'],
    ['content-type', 'image/png'],
    ['policy', 'p'],
    ['x-amz-signature', 's'],
  ]);
  const check = (document: object, more: ReadonlyMap<string, string> = fields, at = now) =>
    checkPostPolicy(encode(document), { fields: more, bucket: 'b' }, at);
  assert.deepEqual(check({ expiration, conditions }), { sizeMin: 1, sizeMax: 9 });
  assert.throws(
    () => check({ expiration, conditions }, fields, now + 2 * DAY),
    refused('AccessDenied'),
  );
  assert.throws(
    () => check({ expiration, conditions }, new Map([...fields, ['key', 'v/x']])),
    refused('AccessDenied'),
  );
  assert.throws(
    () => check({ expiration, conditions }, new Map([...fields, ['acl', 'private']])),
    refused('AccessDenied'),
  );
  assert.throws(
    () => check({ expiration, conditions: conditions.slice(1) }),
    refused('AccessDenied'),
  );
  for (const bad of [
    { conditions },
    { expiration },
    { expiration: 'soon', conditions },
    { expiration, conditions: [{}] },
    { expiration, conditions: [['content-length-range', -1, 0]] },
  ]) {
    assert.throws(() => check(bad), refused('InvalidPolicyDocument'));
  }
});

test('names, addresses, tags', () => {
  const good = ['abc', 'a.b-c', '1ab', 'a'.repeat(63)];
  const bad = [
    'ab',
    'Abc',
    'a_b',
    '-ab',
    'ab-',
    'a..b',
    'a.-b',
    '1.2.3.4',
    'xn--abc',
    'a'.repeat(64),
  ];
  assert.deepEqual([...good, ...bad].filter(isBucketName), good);
  assert.equal(bucketOfHost('my.bucket.localhost:7430', ['localhost']), 'my.bucket');
  assert.equal(bucketOfHost('localhost:7430', ['localhost']), undefined);
  assert.equal(bucketOfHost('b.s3.eu-west-1.amazonaws.com', []), 'b');
  assert.equal(bucketOfHost('s3.example.com', []), undefined);
  assert.equal(bucketOfHost('10.0.0.1:7430', []), undefined);
  assert.equal(encodeUri("ä b/+'()*~", true), '%C3%A4%20b/%2B%27%28%29%2A~');
  assert.throws(() => decodeUri('%ff'), refused('InvalidURI'));
  assert.deepEqual(parseTarget('/a%20b?x=1+2&y').query, [
    ['x', '1 2'],
    ['y', ''],
  ]);
  assert.deepEqual(tagsOfHeader('a=b%20c&d'), { a: 'b c', d: '' });
  assert.throws(() => tagsOfHeader('a=1&a=2'), refused('InvalidArgument'));
  assert.throws(() => parseTagging(Buffer.from('<Tagging/>'), 10), refused('MalformedXML'));
});
