import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCallable } from './python-app.ts';
import { isInstalled, pythonNeeds } from './python-packages.ts';
import { textView } from './tree-view.ts';

const SOURCES: readonly (readonly [string, string | undefined])[] = [
  ['app = Flask(__name__)', 'wsgi app'],
  ['app = flask.Flask(__name__)', 'wsgi app'],
  ['server: Flask = Flask("x")', 'wsgi server'],
  ['import bottle\napp = bottle.Bottle()', 'wsgi app'],
  ['app = bottle.default_app()', 'wsgi app'],
  ['import falcon\nx = falcon.App()', 'wsgi x'],
  ['import falcon.asgi\nx = falcon.asgi.App()', 'asgi x'],
  ['from falcon.asgi import App\nx = App()', 'asgi x'],
  ['from mine import App\nx = App()', undefined],
  ['app = FastAPI(\n  title="x",\n)', 'asgi app'],
  ['app = Starlette(routes=[])', 'asgi app'],
  ['app = Quart(__name__)', 'asgi app'],
  ['application = get_wsgi_application()', 'wsgi application'],
  ['application = get_asgi_application()', 'asgi application'],
  ['def application(environ, start_response):\n  pass', 'wsgi application'],
  ['def hello(env, start_response): pass', 'wsgi hello'],
  ['async def app(scope, receive, send): pass', 'asgi app'],
  ['async def application(scope, receive, send): pass', 'asgi application'],
  ['def application(*args): pass', 'wsgi application'],
  ['from x import app', 'wsgi app'],
  ['from x import a, app, b', 'wsgi app'],
  ['import fastapi\nfrom x import app', 'asgi app'],
  ['application = app', 'wsgi application'],
  ['    app = Flask(__name__)', undefined],
  ['app = None\napp_name = "x"', undefined],
  ['app = "name"', undefined],
  ['app = {}', undefined],
  ['# app = Flask(__name__)', undefined],
  ['def make_app():\n    app = Flask(__name__)\n', 'wsgi make_app()'],
  ['print("hello")', undefined],
];

for (const [source, wanted] of SOURCES) {
  test(`${JSON.stringify(source)} is ${wanted ?? 'no app'}`, () => {
    const found = findCallable(source);
    const text =
      found === undefined
        ? undefined
        : `${found.interface} ${found.callable}${found.factory ? '()' : ''}`;
    assert.equal(text, wanted);
  });
}

test('what is installed is not installed again', () => {
  const python = {
    path: '',
    version: '3.11.2',
    venv: true,
    packages: { flask: '2.10.1', 'zope-interface': '5.0' },
  };
  const table: readonly (readonly [string, boolean])[] = [
    ['flask', true],
    ['Flask', true],
    ['zope.interface', true],
    ['flask==2.10.1', true],
    ['flask == 2.10.1', true],
    ['flask==2.10', false],
    ['flask>=2.9', true],
    ['flask>=3', false],
    ['flask<3', false],
    ['flask[async]', false],
    ['django', false],
    ['git+https://example.org/x.git', false],
    ['-r more.txt', false],
  ];
  for (const [requirement, wanted] of table) {
    assert.equal(isInstalled(requirement, python), wanted, requirement);
  }
});

test('requirements come from requirements.txt before pyproject.toml', () => {
  const toml = "[project]\ndependencies = [\"a; python_version > '3'\", 'b']\n";
  assert.deepEqual(pythonNeeds(textView({ 'pyproject.toml': toml }))?.install, [
    "a; python_version > '3'",
    'b',
  ]);
  const both = textView({ 'pyproject.toml': toml, 'requirements.txt': 'c # why\n#d\n' });
  assert.deepEqual(pythonNeeds(both), { install: ['-r', 'requirements.txt'], requirements: ['c'] });
  assert.equal(pythonNeeds(textView({ 'requirements.txt': '\n# nothing\n' })), undefined);
  assert.equal(
    pythonNeeds(textView({ 'pyproject.toml': '[tool]\ndependencies = ["x"]' })),
    undefined,
  );
});

test('source that was written to keep us busy is read in no time', () => {
  for (const text of [
    `async def app(scope${',x'.repeat(150_000)}`,
    `def app(environ${',start_response'.repeat(20_000)}`,
    `app${':'.repeat(300_000)}`,
    'def a(environ,\n'.repeat(20_000),
  ]) {
    assert.equal(findCallable(text), undefined);
  }
});
