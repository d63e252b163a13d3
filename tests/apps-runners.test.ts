/** The programs that serve Python and PHP apps inside their instances, with the real interpreters. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { detect } from '../src/apps/detect.ts';
import { findTools, type Tools } from '../src/apps/tools.ts';
import { folderView } from '../src/apps/tree-view.ts';
import { until } from '../testing/until.ts';

const RUNNERS = join(import.meta.dirname, '../src/apps/runners');

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Sent without a length. */
  readonly chunked?: boolean;
}

interface Running {
  readonly socket: string;
  readonly folder: string;
  log(): string;
  ask(path: string, question?: Question): Promise<Answer>;
  /** SIGTERM, and the exit code that follows. */
  stop(): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

async function writeFiles(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

/** Runs a folder as its detection says, but for servers that a test wants to be missing. */
async function run(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  options: {
    readonly withServers?: boolean;
    readonly explanation?: RegExp;
    readonly without?: keyof Tools;
  } = {},
): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'moln-runner-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const release = join(folder, 'release');
  await writeFiles(release, files);
  const found = await findTools();
  const tools = options.without === undefined ? found : { ...found, [options.without]: undefined };
  const python =
    tools.python === undefined || options.withServers === true
      ? tools.python
      : { ...tools.python, packages: {} };
  const { plan } = detect(folderView(release), { ...tools, python });
  if (options.explanation !== undefined) assert.match(plan.explanation, options.explanation);
  const web = plan.processes['web'];
  assert.ok(web !== undefined);
  const [file = '', ...args] = web.command.map((part) =>
    part
      .replaceAll('{node}', process.execPath)
      .replaceAll('{runners}', RUNNERS)
      .replaceAll('{release}', release),
  );
  return start(t, { folder, release, file, args, env: web.env });
}

async function start(
  t: TestContext,
  options: {
    readonly folder: string;
    readonly release: string;
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<Running> {
  const socket = join(options.folder, 'http.sock');
  const child = spawn(options.file, [...options.args], {
    cwd: options.release,
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      TMPDIR: options.folder,
      HOME: options.folder,
      MOLN_DATA_DIR: join(options.folder, 'data'),
      LISTEN_SOCKET: socket,
      GREETING: 'hej',
      PYTHONDONTWRITEBYTECODE: '1',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(async () => {
    agent.destroy();
    // Not SIGKILL: php-cgi has a session of its own and would stay.
    child.kill('SIGTERM');
    await exited;
  });
  return {
    socket,
    folder: options.folder,
    log: () => log,
    ask: (path, question) => ask(socket, agent, path, question),
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
    exited,
  };
}

function ask(socket: string, agent: Agent, path: string, question: Question = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    {
      socketPath: socket,
      path,
      agent,
      method: question.method ?? 'GET',
      headers: { host: 'shop.example', ...question.headers },
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      });
    },
  );
  sent.once('error', reject);
  if (question.body !== undefined && question.chunked !== true) {
    sent.setHeader('content-length', Buffer.byteLength(question.body));
  }
  if (question.chunked === true) sent.flushHeaders();
  sent.end(question.body);
  return promise;
}

/** Bytes in, bytes out, on a connection of its own. */
async function raw(socket: string, bytes: string): Promise<string> {
  const connection = createConnection({ path: socket });
  connection.write(bytes, 'latin1');
  let text = '';
  for await (const chunk of connection) text += (chunk as Buffer).toString('latin1');
  return text;
}

async function answering(running: Running): Promise<void> {
  await until('the app to answer', () => running.ask('/').then(({ status }) => status < 500));
}

const FORWARDED = {
  'x-forwarded-for': '10.0.0.1, 203.0.113.7',
  'x-forwarded-proto': 'https',
  x_forwarded_for: 'spoofed',
};

const WSGI_APP = `
import json, os, threading

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/boom":
        raise ValueError("on purpose")
    if path == "/late-boom":
        start_response("200 OK", [("Content-Type", "text/plain")])
        def late():
            yield b"some"
            raise ValueError("too late")
        return late()
    if path == "/ignore-body":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"did not read"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"line %d\\n" % n for n in range(1000))
    if path == "/too-much":
        start_response("200 OK", [("Content-Length", "3")])
        return [b"abcHTTP/1.1 200 OK"]
    if path == "/inject":
        start_response("200 OK", [("X-A", "b\\r\\nX-C: d")])
        return [b""]
    if path == "/none":
        start_response("204 No Content", [])
        return []
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    keys = ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "SERVER_NAME",
            "SERVER_PORT", "SERVER_PROTOCOL", "CONTENT_TYPE", "HTTP_X_FORWARDED_FOR", "HTTPS", "wsgi.url_scheme"]
    return [json.dumps({**{k: environ.get(k) for k in keys}, "bytes": len(body), "greeting": os.environ["GREETING"]}).encode()]
`;

test('a WSGI app on the standard library', async (t) => {
  const app = await run(t, { 'wsgi.py': WSGI_APP }, { explanation: /standard library/ });
  await answering(app);
  const body = Buffer.alloc(3_000_000, 'x');
  const wanted = {
    REQUEST_METHOD: 'POST',
    SCRIPT_NAME: '',
    // PEP 3333: bytes as latin1.
    PATH_INFO: '/a b/Ã¶',
    QUERY_STRING: 'q=%20',
    REMOTE_ADDR: '203.0.113.7',
    SERVER_NAME: 'shop.example',
    SERVER_PORT: '443',
    SERVER_PROTOCOL: 'HTTP/1.1',
    CONTENT_TYPE: 'text/x',
    HTTP_X_FORWARDED_FOR: '10.0.0.1, 203.0.113.7',
    HTTPS: 'on',
    'wsgi.url_scheme': 'https',
    bytes: 3_000_000,
    greeting: 'hej',
  };
  for (const chunked of [false, true]) {
    const headers = { ...FORWARDED, 'content-type': 'text/x' };
    const answer = await app.ask('/a%20b/%C3%B6?q=%20', { method: 'POST', headers, body, chunked });
    assert.deepEqual(JSON.parse(answer.body), wanted);
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
    assert.ok(answer.headers.date !== undefined);
  }
  assert.equal((await app.ask('/stream')).body.split('\n').length, 1001);
  const head = await app.ask('/stream', { method: 'HEAD' });
  assert.deepEqual([head.status, head.body], [200, '']);
  assert.equal((await app.ask('/none')).status, 204);
  const ignored = await app.ask('/ignore-body', { method: 'POST', body });
  assert.equal(ignored.body, 'did not read');
  assert.equal((await app.ask('/boom')).status, 500);
  await until('the log to say why', () => app.log().includes('ValueError: on purpose'));
  await assert.rejects(app.ask('/late-boom'), 'a response that failed half-way is not a whole one');
  assert.equal((await app.ask('/inject')).status, 500);
  assert.equal((await app.ask('/too-much')).body, 'abc');
  assert.equal(await app.stop(), 0);
});

test('what a WSGI app gets is what was framed', async (t) => {
  const app = await run(t, { 'wsgi.py': WSGI_APP });
  await answering(app);
  const twice =
    'GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  assert.equal((await raw(app.socket, twice)).match(/HTTP\/1\.1 20[04]/g)?.length, 2);
  for (const headers of [
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: +5',
    'Transfer-Encoding: gzip',
    'Bad Header: x',
    ' folded: x',
  ]) {
    const answer = await raw(
      app.socket,
      `POST / HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n0\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 /, headers);
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, 'and nothing after it');
  }
  const old = await raw(app.socket, 'GET /stream HTTP/1.0\r\n\r\n');
  assert.match(old, /connection: close/i);
  assert.ok(old.endsWith('line 999\n'));
});

test('a factory, and modules that cannot be imported', async (t) => {
  const factory = `def create_app():\n    ${WSGI_APP.trim().replaceAll('\n', '\n    ')}\n    return app\n`;
  const app = await run(t, { 'app.py': factory }, { explanation: /app:create_app/ });
  await answering(app);
  assert.equal(await app.stop(), 0);

  const broken = await run(t, { 'app.py': 'import nothing_like_that\napp = Flask(__name__)\n' });
  assert.equal(await broken.exited, 1);
  assert.match(broken.log(), /moln: Cannot import "app": ModuleNotFoundError: .*nothing_like_that/);

  const missing = await run(t, {
    'app.py': 'if False:\n    pass\ndef application(*a): pass\ndel application',
  });
  assert.equal(await missing.exited, 1);
  assert.match(missing.log(), /moln: Module "app" has no "application"/);
});

const ASGI_APP = `
import asyncio, json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], flush=True)
            scope.get("state", {})["made"] = "at start"
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    if path == "/boom":
        raise ValueError("on purpose")
    if path == "/wait":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await receive()
        print("gone", flush=True)
        return
    size = 0
    while True:
        message = await receive()
        size += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    out = {k: scope[k] for k in ["method", "path", "scheme", "client", "server", "http_version"]}
    out["state"] = scope.get("state")
    out["query"] = scope["query_string"].decode()
    out["bytes"] = size
    await send({"type": "http.response.body", "body": json.dumps(out).encode()[:10], "more_body": True})
    await send({"type": "http.response.body", "body": json.dumps(out).encode()[10:]})
`;

test('an ASGI app on the standard library', async (t) => {
  const app = await run(t, { 'main.py': ASGI_APP }, { explanation: /without WebSockets/ });
  await answering(app);
  const body = Buffer.alloc(2_000_000, 'x');
  for (const chunked of [false, true]) {
    const answer = await app.ask('/a%20b/%C3%B6?q=1', {
      method: 'PUT',
      headers: FORWARDED,
      body,
      chunked,
    });
    assert.equal(answer.status, 201);
    assert.deepEqual(JSON.parse(answer.body), {
      method: 'PUT',
      path: '/a b/ö',
      scheme: 'https',
      client: ['203.0.113.7', 0],
      server: ['shop.example', 443],
      http_version: '1.1',
      state: { made: 'at start' },
      query: 'q=1',
      bytes: 2_000_000,
    });
  }
  assert.equal((await app.ask('/boom')).status, 500);
  await until('the log to say why', () => app.log().includes('ValueError: on purpose'));
  const upgrade = { upgrade: 'websocket', connection: 'upgrade' };
  assert.equal((await app.ask('/', { headers: upgrade })).status, 501);

  const leaving = createConnection({ path: app.socket });
  leaving.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(leaving, 'data');
  leaving.destroy();
  await until('the app to notice', () => app.log().includes('gone'));
  assert.equal(await app.stop(), 0);
  assert.match(app.log(), /lifespan.startup[\s\S]*lifespan.shutdown/);
});

for (const [server, files] of [
  ['gunicorn', { 'wsgi.py': WSGI_APP }],
  ['uvicorn', { 'main.py': ASGI_APP }],
] as const) {
  test(`the same app on ${server}`, async (t) => {
    const explanation = new RegExp(`served by ${server}$`);
    const app = await run(t, files, { withServers: true, explanation });
    await answering(app);
    // As the gateway sends it: one address.
    const headers = { ...FORWARDED, 'x-forwarded-for': '203.0.113.7' };
    const answer = await app.ask('/x?q=1', { method: 'POST', headers, body: 'abc' });
    assert.equal((JSON.parse(answer.body) as { bytes: number }).bytes, 3);
    assert.match(answer.body, /https/);
    assert.match(answer.body, /203\.0\.113\.7/);
    assert.equal(await app.stop(), 0);
  });
}

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
