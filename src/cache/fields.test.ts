import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHead } from '../http/head.ts';
import { DEFAULT_HEAD_LIMITS } from '../http/limits.ts';
import { copyFields, FieldList, HeadFields, readLines } from './fields.ts';
import { CacheRequest, REQUEST } from './request.ts';

function headOf(...lines: readonly string[]): HeadFields {
  const head = new RequestHead(DEFAULT_HEAD_LIMITS);
  const bytes = Buffer.from(
    ['GET / HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n'),
    'latin1',
  );
  head.reset(0);
  assert(head.scan(bytes, bytes.length));
  return new HeadFields(head);
}

test('a scanned head and a list say the same', () => {
  const head = headOf(
    'X-A: 1',
    'Accept-Encoding: gzip',
    'x-a:2',
    'AUTHORIZATION: b',
    'Via: 1.1 x',
    'Accept-Encoding:  br ',
  );
  for (const fields of [
    head,
    copyFields(head),
    readLines(
      'X-A: 1\r\nAccept-Encoding: gzip\r\nx-a: 2\r\nAuthorization: b\r\nAccept-Encoding: br\r\nVia: 1.1 x\r\n\r\n',
    ),
  ]) {
    assert.equal(fields.get('x-a'), '1, 2');
    assert.equal(fields.get('accept-encoding'), 'gzip, br');
    assert.equal(fields.get('authorization'), 'b');
    assert.equal(fields.get('via'), '1.1 x');
    assert.equal(fields.get('pragma'), undefined);
    assert.equal(fields.get('x-b'), undefined);
    assert.equal(fields.get('range'), undefined);
  }
});

test('fields that the scanner knows by number but nobody listed here are found by name', () => {
  const head = headOf(
    'Server: s',
    'Expect: 100-continue',
    'Forwarded: for=x',
    'X-Forwarded-For: y',
  );
  for (const name of ['server', 'expect', 'forwarded', 'x-forwarded-for', 'host']) {
    assert.equal(head.get(name), copyFields(head).get(name), name);
    assert.notEqual(head.get(name), undefined, name);
  }
});

test('a request is read alike from a head and from a list', () => {
  const table: readonly (readonly [readonly string[], number])[] = [
    [[], 0],
    [['Pragma: no-cache'], REQUEST.noCache],
    [['Authorization: a'], REQUEST.authorization],
    [['Cookie: a=b'], REQUEST.cookie],
    [['Range: bytes=0-1'], REQUEST.range],
    [['If-None-Match: "a"'], REQUEST.conditional],
    [['If-Modified-Since: x'], REQUEST.conditional],
    [['If-Match: *'], REQUEST.originCondition],
    [['If-Unmodified-Since: x'], REQUEST.originCondition],
    [['Cache-Control: no-store, only-if-cached'], REQUEST.noStore | REQUEST.onlyIfCached],
    [['If-Range: "a"', 'Pragma: no-cache'], REQUEST.noCache],
  ];
  const request = new CacheRequest();
  for (const [lines, bits] of table) {
    const head = headOf(...lines);
    for (const fields of [head, copyFields(head)]) {
      request.read({ method: 'GET', key: 'k', fields });
      assert.equal(request.bits, bits, lines.join());
    }
  }
});

test('a request that is read anew has forgotten the last one, and a kept one has not', () => {
  const request = new CacheRequest();
  const lines = ['Cache-Control: max-age=1, min-fresh=2, max-stale=3, stale-if-error=4', 'X-A: 1'];
  request.read({ method: 'GET', key: 'k', fields: headOf(...lines), hasBody: true });
  const kept = request.keep();
  request.read({ method: 'HEAD', key: 'l', fields: new FieldList([]) });
  assert.deepEqual(
    [request.bits, request.maxAgeS, request.minFreshS, request.maxStaleS, request.staleIfErrorS],
    [0, -1, -1, -1, -1],
  );
  assert.deepEqual(
    [
      kept.method,
      kept.key,
      kept.bits,
      kept.maxAgeS,
      kept.minFreshS,
      kept.maxStaleS,
      kept.staleIfErrorS,
    ],
    ['GET', 'k', REQUEST.body, 1, 2, 3, 4],
  );
  assert.equal(kept.fields.get('x-a'), '1');
});
