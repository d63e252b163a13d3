import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { phpTarget } from './php-paths.ts';
import type { PhpFolders } from './php-paths.ts';

function folders(t: TestContext, files: readonly string[]): PhpFolders {
  const inside = realpathSync(mkdtempSync(join(tmpdir(), 'moln-php-')));
  t.after(() => rmSync(inside, { recursive: true, force: true }));
  for (const file of files) {
    mkdirSync(dirname(join(inside, file)), { recursive: true });
    writeFileSync(join(inside, file), '');
  }
  return { inside, root: join(inside, 'public') };
}

/** `script /x.php /info`, `file /a.css`, `to /x/`, or the status. */
function look(path: string, at: PhpFolders): string {
  const target = phpTarget(path, at);
  if (target.kind === 'script') return `script ${target.scriptName} ${target.pathInfo}`.trim();
  if (target.kind === 'file') return `file ${target.file.slice(at.inside.length)}`;
  return target.kind === 'redirect' ? `to ${target.location}` : String(target.status);
}

const FILES = [
  'public/index.php',
  'public/a.php',
  'public/style.css',
  'public/blog/index.php',
  'public/docs/index.html',
  'public/empty/x.txt',
  'public/photo.jpg',
  'public/dump.sql',
  'public/composer.json',
  'public/.htaccess',
  'public/.well-known/security.txt',
  'public/å ä.txt',
  'private.txt',
];

const TABLE: readonly (readonly [string, string])[] = [
  ['/', 'script /index.php'],
  ['/index.php', 'script /index.php'],
  ['/index.php/a/b', 'script /index.php /a/b'],
  ['/a.php', 'script /a.php'],
  ['/a.php/', 'script /a.php /'],
  ['//a.php', 'script /a.php'],
  ['/style.css', 'file /public/style.css'],
  ['/style.css/x', 'script /index.php'],
  ['/no/such/page', 'script /index.php'],
  ['/no.php', 'script /index.php'],
  ['/blog', 'to /blog/'],
  ['/blog/', 'script /blog/index.php'],
  ['/docs/', 'file /public/docs/index.html'],
  ['/docs', 'to /docs/'],
  ['/empty/', 'script /index.php'],
  ['/photo.jpg/evil.php', 'script /index.php'],
  ['/dump.sql', '404'],
  ['/composer.json', '404'],
  ['/.htaccess', '404'],
  ['/blog/.git/config', '404'],
  ['/.well-known/security.txt', 'file /public/.well-known/security.txt'],
  ['/%C3%A5%20%C3%A4.txt', 'file /public/å ä.txt'],
  ['/../private.txt', '400'],
  ['/%2e%2e/private.txt', '400'],
  ['/blog/..%2f..%2fprivate.txt', '400'],
  ['/a%00.php', '400'],
  ['/%ff', '400'],
  ['relative', '400'],
  ['/link-in/private.txt', 'file /private.txt'],
  ['/link-out/passwd', 'script /index.php'],
  ['/passwd', 'script /index.php'],
];

test('every path means one thing', (t) => {
  const at = folders(t, FILES);
  symlinkSync('..', join(at.root, 'link-in'));
  symlinkSync('/etc', join(at.root, 'link-out'));
  symlinkSync('/etc/passwd', join(at.root, 'passwd'));
  for (const [path, wanted] of TABLE) assert.equal(look(path, at), wanted, path);
});

test('without a front controller, what is not there is not found', (t) => {
  const at = folders(t, ['public/a.php', 'public/style.css']);
  assert.equal(look('/', at), '404');
  assert.equal(look('/nothing', at), '404');
  assert.equal(look('/a.php', at), 'script /a.php');
});
