import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childNamed, escapeText, parseXml, serialise, textOf, XmlError } from './xml.ts';

const LIMITS = { bytesMax: 4096, depthMax: 8, elementsMax: 100 };
const parse = (text: string): ReturnType<typeof parseXml> => parseXml(Buffer.from(text), LIMITS);

test('names, namespaces, text and references', () => {
  const root = parse(
    '<?xml version="1.0" encoding="utf-8"?><!-- hi --><a xmlns="urn:x" xmlns:b="urn:y" b:k="1&#10;2">' +
      't&amp;&#x41;<![CDATA[<&]]><b:c/>\r\n</a>\n',
  );
  assert.equal(root.namespace, 'urn:x');
  assert.equal(textOf(root), 't&A<&\n');
  assert.deepEqual(root.attributes, [{ namespace: 'urn:y', name: 'k', value: '1\n2' }]);
  assert.equal(childNamed(root, 'c', 'urn:y')?.namespace, 'urn:y');
});

test('what is written is read again, beyond the basic plane too', () => {
  const text =
    '<a xmlns="DAV:"><p xmlns="urn:q" xml:lang="de">\u{10000} &lt;&#13;</p><p xmlns=""/></a>';
  const root = parse(text);
  assert.deepEqual(parse(serialise(root)), root);
  assert.equal(serialise(root), text);
  assert.equal(escapeText('\u0001\u{1f600}'), '&#x1;\u{1f600}');
});

const BAD: readonly string[] = [
  '',
  'x',
  '<a>',
  '<a></b>',
  '<a/><b/>',
  '<a b=1/>',
  '<a b="1"c="2"/>',
  '<a b="1" b="2"/>',
  '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>',
  '<p:a/>',
  '<a xmlns:p=""/>',
  '<a xmlns:xml="u"/>',
  '<a:b:c xmlns:a="u"/>',
  '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
  '<a>&x;</a>',
  '<a>& </a>',
  '<a>&#0;</a>',
  '<a>&#xD800;</a>',
  '<a>\u0001</a>',
  '<a>]]></a>',
  '<a><!-- -- --></a>',
  '<a b="<"/>',
  ' <?xml version="1.0"?><a/>',
  '<?xml version="1.0" encoding="koi8-r"?><a/>',
  '<a>'.repeat(9) + '</a>'.repeat(9),
  '<a>' + '<b/>'.repeat(100) + '</a>',
  '<a ' + 'x'.repeat(4096) + '/>',
];

test('what is malformed or too much is refused', () => {
  for (const text of BAD) assert.throws(() => parse(text), XmlError, text.slice(0, 60));
  assert.throws(() => parseXml(Buffer.from([0x3c, 0xff, 0x3e]), LIMITS), XmlError);
});

test('UTF-16 with its mark', () => {
  const text = Buffer.from('\ufeff<a>ä</a>', 'utf16le');
  assert.equal(textOf(parseXml(text, LIMITS)), 'ä');
});
