/** PHP apps on real interpreters, as an instance runs them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { answering, FORWARDED, raw, run, RUNNERS, start } from '../testing/runner-kit.ts';
import { until } from '../testing/until.ts';

const PHP_FILES = {
  'public/index.php': `<?php
if ($_SERVER['REQUEST_URI'] === '/boom') throw new Exception('on purpose');
if ($_SERVER['REQUEST_URI'] === '/go') { header('Location: /elsewhere'); exit; }
if ($_SERVER['REQUEST_URI'] === '/large') { for ($i = 0; $i < 200; $i++) echo str_repeat('x', 50000); exit; }
if ($_SERVER['REQUEST_URI'] === '/session') { session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n']; exit; }
setcookie('a', '1'); setcookie('b', '2'); header('Content-Type: application/json'); http_response_code(201);
$keys = ['REQUEST_METHOD', 'REQUEST_URI', 'QUERY_STRING', 'SCRIPT_NAME', 'PATH_INFO', 'REMOTE_ADDR', 'HTTPS',
  'SERVER_NAME', 'SERVER_PORT', 'CONTENT_TYPE', 'HTTP_PROXY', 'HTTP_X_FORWARDED_FOR'];
$out = []; foreach ($keys as $k) $out[$k] = $_SERVER[$k] ?? null;
echo json_encode($out + ['bytes' => strlen(file_get_contents('php://input')), 'greeting' => getenv('GREETING')]);
`,
  'public/info.php': '<?php echo $_SERVER["SCRIPT_NAME"], " ", $_SERVER["PATH_INFO"] ?? "-";',
  'public/admin/index.php': '<?php echo "admin";',
  'public/style.css': 'body {}',
  'public/upload.jpg': '<?php echo "executed";',
  'public/page.phtml': '<?php echo "executed";',
  'public/.secret': 'hidden',
  'storage/photo.txt': 'stored',
  'secret.txt': 'outside of the root',
};

for (const [server, explanation, without] of [
  ['php-cgi', /served by php-cgi/, undefined],
  ['php-fpm', /served by php-fpm/, 'phpCgi'],
] as const) {
  test(`a PHP app behind ${server}`, async (t) => {
    const options = without === undefined ? { explanation } : { explanation, without };
    const app = await run(t, PHP_FILES, options);
    await answering(app);
    const body = Buffer.alloc(3_000_000, 'x');
    for (const chunked of [false, true]) {
      const headers = { ...FORWARDED, 'content-type': 'text/x', proxy: 'http://evil.example' };
      const answer = await app.ask('/a%20b?q=1', { method: 'POST', headers, body, chunked });
      assert.equal(answer.status, 201);
      assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
      assert.deepEqual(JSON.parse(answer.body), {
        REQUEST_METHOD: 'POST',
        REQUEST_URI: '/a%20b?q=1',
        QUERY_STRING: 'q=1',
        SCRIPT_NAME: '/index.php',
        PATH_INFO: null,
        REMOTE_ADDR: '203.0.113.7',
        HTTPS: 'on',
        SERVER_NAME: 'shop.example',
        SERVER_PORT: '443',
        CONTENT_TYPE: 'text/x',
        HTTP_PROXY: null,
        HTTP_X_FORWARDED_FOR: '10.0.0.1, 203.0.113.7',
        bytes: 3_000_000,
        greeting: 'hej',
      });
    }
    assert.equal((await app.ask('/large')).body.length, 10_000_000);
    const moved = await app.ask('/go');
    assert.deepEqual([moved.status, moved.headers.location], [302, '/elsewhere']);
    assert.equal((await app.ask('/boom')).status, 500);
    await until('the log to say why', () => app.log().includes('on purpose'));
    const first = await app.ask('/session');
    const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    assert.equal((await app.ask('/session', { headers: { cookie } })).body, '2');
    const many = await Promise.all(Array.from({ length: 40 }, () => app.ask('/info.php/x')));
    assert.ok(many.every((answer) => answer.body === '/info.php /x'));
    assert.equal(await app.stop(), 0);
  });
}

test('a PHP app gives away its files and nothing else', async (t) => {
  const app = await run(t, PHP_FILES);
  await answering(app);
  const root = join(app.folder, 'release/public');
  await symlink('../storage', join(root, 'storage'));
  await symlink('/etc/passwd', join(root, 'passwd'));
  const body = async (path: string): Promise<string> => (await app.ask(path)).body;

  const css = await app.ask('/style.css');
  assert.deepEqual([css.body, css.headers['content-type']], ['body {}', 'text/css; charset=utf-8']);
  const again = { 'if-none-match': String(css.headers.etag) };
  assert.equal((await app.ask('/style.css', { headers: again })).status, 304);
  assert.equal((await app.ask('/style.css', { method: 'POST', body: '' })).status, 405);
  assert.equal(await body('/storage/photo.txt'), 'stored', 'a link that stays in the release');
  assert.equal(await body('/info.php'), '/info.php -');
  assert.equal(await body('/admin/'), 'admin');
  const folder = await app.ask('/admin?x=1');
  assert.deepEqual([folder.status, folder.headers.location], [301, '/admin/?x=1']);

  assert.equal(await body('/upload.jpg'), '<?php echo "executed";', 'a picture is not a script');
  assert.doesNotMatch(await body('/upload.jpg/x.php'), /executed/);
  assert.equal((await app.ask('/page.phtml')).status, 404);
  assert.equal((await app.ask('/.secret')).status, 404);
  assert.doesNotMatch(await body('/passwd'), /root:/);
  for (const path of [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/x/%00',
    '/%zz',
  ]) {
    const answer = await raw(
      app.socket,
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 /, path);
  }
});

test('the runner ends when php-cgi does, and says so when there is none', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'moln-runner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const args = [join(RUNNERS, 'php-main.ts'), '--root', '.', '--php', '/nowhere/php-cgi'];
  const app = await start(t, { folder, release: folder, file: process.execPath, args, env: {} });
  assert.equal(await app.exited, 1);
  assert.match(app.log(), /moln: Cannot start \/nowhere\/php-cgi/);
});
