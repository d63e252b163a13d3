import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Field } from '../http2/http2.ts';
import { translateRequest as translate, translateTrailers as trailers } from './h2-request.ts';
import type { TranslatedRequest } from './h2-request.ts';

/** Names and values in turn. */
function fieldsOf(texts: readonly string[]): readonly Field[] {
  return texts.flatMap((name, at) => (at % 2 === 0 ? new Field(name, texts[at + 1] ?? '') : []));
}

function translateRequest(
  texts: readonly string[],
  isWhole: boolean,
): TranslatedRequest | undefined {
  return translate(fieldsOf(texts), isWhole);
}

function translateTrailers(texts: readonly string[]): string | undefined {
  return trailers(fieldsOf(texts));
}

const GET = [':method', 'GET', ':scheme', 'https', ':authority', 'a.b', ':path', '/x?y'];

test('a head becomes one of HTTP/1.1', () => {
  const made = translateRequest([...GET, 'accept', '*/*', 'cookie', 'a=1', 'cookie', 'b=2'], true);
  assert.equal(
    made?.text,
    'GET /x?y HTTP/1.1\r\nhost: a.b\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n',
  );
  assert.equal(made.isChunked, false);
  const host = [':method', 'HEAD', ':scheme', 'https', ':path', '/', 'host', 'a.b'];
  assert.equal(translateRequest(host, true)?.text, 'HEAD / HTTP/1.1\r\nhost: a.b\r\n\r\n');
  assert.equal(translateRequest(host, true)?.isHead, true);
});

test('a body has its length, or comes in chunks', () => {
  const sized = translateRequest([...GET, 'content-length', '7'], false);
  assert.match(sized?.text ?? '', /\r\ncontent-length: 7\r\n/);
  assert.deepEqual([sized?.length, sized?.isChunked], [7, false]);
  const open = translateRequest(GET, false);
  assert.match(open?.text ?? '', /\r\ntransfer-encoding: chunked\r\n/);
  assert.deepEqual([open?.length, open?.isChunked], [undefined, true]);
});

test('extended CONNECT becomes an upgrade, with a key of its own', () => {
  const connect = [':method', 'CONNECT', ':protocol', 'websocket', ...GET.slice(2)];
  const made = translateRequest([...connect, 'sec-websocket-key', 'x'], false);
  assert.match(made?.text ?? '', /^GET \/x\?y HTTP\/1\.1\r\nhost: a\.b\r\nupgrade: websocket\r\n/);
  const keys = [...(made?.text ?? '').matchAll(/sec-websocket-key: (.*)\r\n/g)];
  assert.deepEqual(
    keys.map(([, key]) => key),
    [made?.webSocketKey],
  );
});

test('what could be read in two ways is malformed', () => {
  for (const fields of [
    [...GET, 'a', 'b\r\nc: d'],
    [...GET, 'a', 'b\nc: d'],
    [...GET, 'a', 'b\0'],
    [...GET, 'a: b', 'c'],
    [...GET, 'A', 'b'],
    [...GET, 'host', 'c.d'],
    [...GET, 'host', 'a.b', 'host', 'a.b'],
    [...GET, 'transfer-encoding', 'chunked'],
    [...GET, 'content-length', '1', 'content-length', '1'],
    [...GET, 'content-length', '+1'],
    [...GET, ':path', '/z'],
    ['a', 'b', ...GET],
    [...GET.slice(0, 6), ':path', '/ HTTP/1.1\r\nx: y'],
    [...GET.slice(0, 6), ':path', '*x'],
    [':method', 'GET /', ...GET.slice(2)],
    GET.slice(0, 6),
  ]) {
    assert.equal(translateRequest(fields, false), undefined, JSON.stringify(fields));
  }
  assert.equal(translateRequest([...GET, 'content-length', '1'], true), undefined);
});

test('trailers are lines, and nothing else', () => {
  assert.equal(translateTrailers(['a', '1', 'b', '2']), 'a: 1\r\nb: 2\r\n');
  for (const fields of [
    ['a', '1\r\nb: 2'],
    [':path', '/'],
    ['connection', 'x'],
  ]) {
    assert.equal(translateTrailers(fields), undefined);
  }
});
