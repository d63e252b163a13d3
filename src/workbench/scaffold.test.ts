import assert from 'node:assert/strict';
import { test } from 'node:test';
import { string } from '../web/web.ts';
import { compile } from './compile.ts';
import { readFields } from './field-words.ts';
import { labelField, modelFile, scaffoldFiles } from './scaffold.ts';

const FIELDS = readFields(['title:string']);

test('a model is named after one, and nouns that only end like many are one', () => {
  for (const one of ['alias', 'canvas', 'sms', 'address', 'bus', 'news', 'mail_alias'])
    assert.ok(modelFile(one, FIELDS), one);
  for (const many of ['notes', 'categories', 'boxes', 'areas', 'blog_posts'])
    assert.throws(() => modelFile(many, FIELDS), /is many/, many);
});

test('choices of a form are code that runs, whatever models and fields are called', () => {
  const fields = readFields(['student:belongs_to', 'form:belongs_to', 'page:belongs_to']);
  const files = scaffoldFiles('grade', fields, { student: 'class', form: undefined });
  const views = files['app/views/grades.tsx'] ?? '';
  assert.ok(compile('/app/views/grades.tsx', views));
  assert.match(views, /import \{ Page as PageModel \}[\s\S]*await PageModel\.order/);
});

test('a form tells nobody the e-mail addresses of users', () => {
  const email = string({ format: 'email' });
  assert.equal(labelField({ email, password_digest: string({ hidden: true }) }), undefined);
  assert.equal(labelField({ email, name: string() }), 'name');
  const files = scaffoldFiles('post', readFields(['title:string', 'user:belongs_to']), {
    user: labelField({ email }),
  });
  assert.match(files['app/views/posts.tsx'] ?? '', /users\.map\(\(row\) => \[row\.id, String/);
});
