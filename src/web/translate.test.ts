import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestLanguage, type Translation, translator } from './translate.ts';

const en = {
  hello: 'Hello {name}',
  about: 'About',
  posts: { one: 'One post', other: '{count} posts' },
  since: 'Since {day}',
} as const;
const cs: Translation<typeof en> = {
  hello: 'Ahoj {name}',
  about: 'O nás',
  posts: { one: 'Jeden příspěvek', few: '{count} příspěvky', other: '{count} příspěvků' },
  since: 'Od {day}',
};

test('messages are in the language that is meant, plurals as it has them', () => {
  const { t, inLanguage, language } = translator({ en, cs });
  assert.equal(language(), 'en');
  assert.equal(t('about'), 'About');
  assert.equal(t('hello', { name: '<Ada>' }), 'Hello <Ada>');
  assert.deepEqual(
    [1, 2, 5000].map((count) => t('posts', { count })),
    ['One post', '2 posts', '5,000 posts'],
  );
  inLanguage('cs', () => {
    assert.deepEqual(
      [1, 3, 5].map((count) => t('posts', { count })),
      ['Jeden příspěvek', '3 příspěvky', '5 příspěvků'],
    );
  });
  const zone = process.env['TZ'];
  process.env['TZ'] = 'America/New_York';
  assert.match(t('since', { day: new Date(0) }), /Since .*1970/, 'a day is that of UTC');
  if (zone === undefined) delete process.env['TZ'];
  else process.env['TZ'] = zone;
  // @ts-expect-error: there is no such message.
  assert.equal(t('nothing'), 'nothing');
  // @ts-expect-error: it wants a name.
  t('hello');
});

test('a language that lacks a message, or one of its values, is refused', () => {
  const bad = (de: Partial<Translation<typeof en>>) => () =>
    translator({ en, de: de as typeof cs });
  assert.throws(bad({ hello: 'Hallo {name}' }), /Message "about" in "de" is missing/);
  assert.throws(bad({ ...cs, hello: 'Hallo' }), /"hello" in "de" has no values, in "en" \{name\}/);
});

test('a browser is content with what is nearest', () => {
  const of = (header: string) => bestLanguage(header, ['en', 'de', 'pt-BR']);
  assert.equal(of('de-AT,de;q=0.9,en;q=0.8'), 'de');
  assert.equal(of('fr, en;q=0.3, de;q=0.7'), 'de');
  assert.equal(of('pt-br'), 'pt-BR');
  assert.equal(of('en;q=0, fr'), undefined);
  assert.equal(of(''), undefined);
});
