/** Python apps on their real servers and interpreters, as an instance runs them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { answering, FORWARDED, raw, run } from '../testing/runner-kit.ts';
import { until } from '../testing/until.ts';

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
  assert.equal(
    ignored.headers.connection,
    'close',
    'said before: nobody sends the next one into the end',
  );
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

const FLASK_APP = `
from flask import Flask, request
app = Flask(__name__)

@app.route("/")
def page():
    return f"Flask at {request.url_root}"
`;

test('a Flask app as its tutorial writes it', async (t) => {
  const files = { 'app.py': FLASK_APP, 'requirements.txt': 'flask\n' };
  const app = await run(t, files, { withServers: true, explanation: /WSGI app app:app/ });
  await answering(app);
  const { status, body } = await app.ask('/', { headers: FORWARDED });
  assert.deepEqual([status, body], [200, 'Flask at https://shop.example/']);
});

const DJANGO_SITE = {
  'manage.py': `
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
`,
  'requirements.txt': 'django\n',
  'shop/__init__.py': '',
  'shop/settings.py': `
SECRET_KEY = "only in a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
`,
  'shop/urls.py': `
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("Django at " + request.get_host()))]
`,
  'shop/wsgi.py': `
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
`,
};

test('a Django site as "startproject" writes it', async (t) => {
  const app = await run(t, DJANGO_SITE, {
    withServers: true,
    explanation: /shop\.wsgi:application/,
  });
  await answering(app);
  const { status, body } = await app.ask('/', { headers: FORWARDED });
  assert.deepEqual([status, body], [200, 'Django at shop.example']);
});
