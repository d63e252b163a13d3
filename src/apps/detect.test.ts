import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detect } from './detect.ts';
import type { LaunchPlan } from './model.ts';
import { NO_TOOLS } from './tools.ts';
import type { PythonTools, Tools } from './tools.ts';
import { textView } from './tree-view.ts';

const PYTHON: PythonTools = {
  path: '/usr/bin/python3',
  version: '3.11.2',
  venv: true,
  packages: {},
};
const BARE: Tools = {
  ...NO_TOOLS,
  npm: '/usr/bin/npm',
  python: PYTHON,
  phpCgi: '/usr/bin/php-cgi',
};
const SERVERS: Tools = {
  ...BARE,
  python: { ...PYTHON, packages: { gunicorn: '20.1.0', uvicorn: '0.17.6', flask: '2.2.2' } },
};

interface Case {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  readonly tools?: Tools;
  readonly kind: LaunchPlan['kind'];
  readonly explanation: string | RegExp;
  /** Commands of the process types, joined. */
  readonly processes?: Readonly<Record<string, string>>;
  /** Commands of the build, joined. */
  readonly build?: readonly string[];
  readonly staticRoot?: string;
  readonly fallback?: string;
  readonly notFound?: string;
}

const packageJson = (fields: object): string => JSON.stringify({ name: 'x', ...fields });
const INSTALL = 'npm ci --omit=dev --no-audit --no-fund';
const INSTALL_ALL = 'npm install --no-audit --no-fund';
const PRUNE = 'npm prune --omit=dev --no-audit --no-fund';
const VENV = 'python3 -m venv --system-site-packages .venv';
const PIP = '.venv/bin/python -m pip install --no-input --disable-pip-version-check';
const RUNNER = 'python3 {runners}/python_runner.py';

const NODE: readonly Case[] = [
  {
    what: 'SvelteKit with the adapter for Node: the server that its build writes',
    files: {
      'package.json': packageJson({
        scripts: { dev: 'vite dev', build: 'vite build', preview: 'vite preview' },
        devDependencies: { '@sveltejs/adapter-node': '6', '@sveltejs/kit': '3', vite: '8' },
      }),
    },
    kind: 'node',
    explanation: 'Node app, SvelteKit, built, then build/index.js',
    processes: { web: '{node} build/index.js' },
    build: [INSTALL_ALL, 'npm run build', PRUNE],
  },
  {
    what: 'Next.js in its standalone form: not by its start script',
    files: {
      'next.config.mjs': "export default { output: 'standalone' };",
      'package.json': packageJson({
        scripts: { build: 'next build', start: 'next start' },
        dependencies: { next: '16', react: '19' },
      }),
    },
    kind: 'node',
    explanation: 'Node app, Next.js, standalone, built, then .next/standalone/server.js',
    processes: { web: '{node} .next/standalone/server.js' },
    build: [
      INSTALL_ALL,
      'npm run build',
      'sh -c cp -R .next/static .next/standalone/.next/ && if [ -d public ]; then cp -R public .next/standalone/; fi',
    ],
  },
  {
    what: 'Next.js whose standalone form is only a comment',
    files: {
      'next.config.mjs': "export default {\n  // output: 'standalone',\n};",
      'package.json': packageJson({
        scripts: { build: 'next build', start: 'next start' },
        dependencies: { next: '16', react: '19' },
      }),
    },
    kind: 'node',
    explanation: /next start/,
    build: [INSTALL_ALL, 'npm run build'],
  },
  {
    what: 'an express app with a lockfile',
    files: {
      'package.json': packageJson({
        scripts: { start: 'node app.js', test: 'mocha' },
        dependencies: { express: '^5' },
        devDependencies: { mocha: '1' },
      }),
      'package-lock.json': '{}',
      'app.js': '',
    },
    kind: 'node',
    explanation: 'Node app, start script "node app.js"',
    processes: { web: 'sh -c exec node app.js' },
    build: [INSTALL],
  },
  {
    what: 'a start script with settings in front and a prestart',
    files: {
      'package.json': packageJson({ scripts: { start: 'A=1 node .', prestart: 'node m.js' } }),
    },
    kind: 'node',
    explanation: /start script/,
    processes: { web: 'sh -c node m.js && A=1 node .' },
    build: [],
  },
  {
    what: 'a Next.js app, which has to be built',
    files: {
      'package.json': packageJson({
        scripts: { dev: 'next dev', build: 'next build', start: 'next start' },
        dependencies: { next: '16' },
        devDependencies: { typescript: '7' },
      }),
    },
    kind: 'node',
    explanation: /next start/,
    build: [INSTALL_ALL, 'npm run build', PRUNE],
  },
  {
    what: 'a package with a main file',
    files: { 'package.json': packageJson({ main: './lib/www.js' }), 'lib/www.js': '' },
    kind: 'node',
    explanation: 'Node app, lib/www.js',
    processes: { web: '{node} lib/www.js' },
    build: [],
  },
  {
    what: 'a package whose main file is missing',
    files: { 'package.json': packageJson({ main: 'index.js' }), 'server.mjs': '' },
    kind: 'node',
    explanation: 'Node app, server.mjs',
  },
  {
    what: 'a bare server.js',
    files: { 'server.js': '' },
    kind: 'node',
    explanation: 'Node app, server.js',
    processes: { web: '{node} server.js' },
  },
  {
    what: 'a TypeScript server beside an index.html',
    files: {
      'package.json': packageJson({ type: 'module' }),
      'index.ts': 'createServer(f).listen(process.env.PORT)',
      'index.html': '',
    },
    kind: 'node',
    explanation: 'Node app, index.ts',
  },
];

const STATIC: readonly Case[] = [
  {
    what: 'plain files',
    files: { 'index.html': '', 'style.css': '', '404.html': '' },
    kind: 'static',
    explanation: 'Static site, files as they are',
    staticRoot: '.',
    notFound: '404.html',
  },
  ...['public', 'dist', '_site', 'build'].map((root) => ({
    what: `files in ${root}`,
    files: { 'README.md': '', [`${root}/index.html`]: '' },
    kind: 'static' as const,
    explanation: `Static site, the files in ${root}/`,
    staticRoot: root,
  })),
  {
    what: 'a page with a script and a package.json for its tools',
    files: {
      'package.json': packageJson({ main: 'index.js', devDependencies: { prettier: '3' } }),
      'index.html': '<script src=index.js>',
      'index.js': 'document.title = 1',
    },
    kind: 'static',
    explanation: /as they are/,
    build: [],
    staticRoot: '.',
  },
  {
    what: 'a Vite app, although it has an index.html',
    files: {
      'package.json': packageJson({
        scripts: { dev: 'vite', build: 'tsc && vite build', preview: 'vite preview' },
        devDependencies: { vite: '8' },
      }),
      'package-lock.json': '{}',
      'index.html': '',
      'src/main.ts': '',
    },
    kind: 'static',
    explanation: 'Static site built by vite into dist/',
    build: ['npm ci --no-audit --no-fund', 'npm run build', PRUNE],
    staticRoot: 'dist',
    fallback: 'index.html',
  },
  {
    what: 'a React app whose start script is a development server',
    files: {
      'package.json': packageJson({
        scripts: { start: 'react-scripts start', build: 'react-scripts build' },
        dependencies: { 'react-scripts': '5' },
      }),
      'public/index.html': '',
    },
    kind: 'static',
    explanation: 'Static site built by react-scripts into build/',
    staticRoot: 'build',
    fallback: 'index.html',
  },
  {
    what: 'an Eleventy blog',
    files: {
      'package.json': packageJson({
        scripts: { start: 'eleventy --serve', build: 'eleventy' },
        devDependencies: { '@11ty/eleventy': '3' },
      }),
    },
    kind: 'static',
    explanation: /eleventy into _site/,
    staticRoot: '_site',
  },
  {
    what: 'a root that moln.json names',
    files: {
      'moln.json': '{"static": {"root": "htdocs/", "fallback": "app.html", "notFound": "no.html"}}',
      'htdocs/app.html': '',
      'server.js': '',
    },
    kind: 'static',
    explanation: /htdocs/,
    staticRoot: 'htdocs',
    fallback: 'app.html',
    notFound: 'no.html',
  },
];

const PYTHONS: readonly Case[] = [
  {
    what: 'Flask without gunicorn',
    files: {
      'app.py': 'from flask import Flask\n\napp = Flask(__name__)\n',
      'requirements.txt': 'Flask\n',
    },
    kind: 'python',
    explanation:
      'Python WSGI app app:app, served by the standard library (gunicorn is not installed)',
    processes: { web: '{release}/.venv/bin/python {runners}/python_runner.py wsgi app:app' },
    build: [VENV, `${PIP} -r requirements.txt`],
  },
  {
    what: 'Flask with everything there',
    files: { 'app.py': 'app = Flask(__name__)', 'requirements.txt': '# web\nflask>=2.0  # ok\n\n' },
    tools: SERVERS,
    kind: 'python',
    explanation: 'Python WSGI app app:app, served by gunicorn',
    build: [],
    processes: {
      web: 'python3 -m gunicorn --config {runners}/gunicorn_config.py app:app',
    },
  },
  {
    what: 'settings for gunicorn, which stay',
    files: { 'app.py': 'def create_app():\n  pass', 'gunicorn.conf.py': 'workers = 2' },
    tools: SERVERS,
    kind: 'python',
    explanation: /served by gunicorn/,
    processes: {
      web: 'sh -c exec "$0" -m gunicorn --bind "unix:$LISTEN_SOCKET" "$1" python3 app:create_app()',
    },
  },
  {
    what: 'a newer Flask than the machine has',
    files: { 'app.py': 'app = Flask(__name__)', 'requirements.txt': 'flask==3.1.0\n' },
    tools: SERVERS,
    kind: 'python',
    explanation: /gunicorn/,
    build: [VENV, `${PIP} -r requirements.txt`],
  },
  {
    what: 'gunicorn among the requirements',
    files: {
      'wsgi.py': 'def application(environ, start_response):\n  pass',
      'requirements.txt': 'gunicorn~=23.0',
    },
    kind: 'python',
    explanation: 'Python WSGI app wsgi:application, served by gunicorn',
    build: [VENV, `${PIP} -r requirements.txt`],
  },
  {
    what: 'FastAPI in a package, with a pyproject.toml',
    files: {
      'pyproject.toml':
        '[build-system]\nrequires = ["hatchling"]\n\n[project]\nname = "x"\ndependencies = [\n  "fastapi>=0.100", # web\n  "uvicorn[standard]",\n]\n[tool.x]\ndependencies = ["no"]\n',
      'shop/__init__.py': '',
      'shop/main.py': 'import fastapi\n\napi: fastapi.FastAPI = fastapi.FastAPI()\n',
    },
    kind: 'python',
    explanation: 'Python ASGI app shop.main:api, served by uvicorn',
    build: [VENV, `${PIP} fastapi>=0.100 uvicorn[standard]`],
  },
  {
    what: 'a raw ASGI app',
    files: { 'main.py': 'async def app(scope, receive, send):\n    pass\n' },
    kind: 'python',
    explanation:
      'Python ASGI app main:app, served by the standard library, without WebSockets (uvicorn is not installed)',
    processes: { web: `${RUNNER} asgi main:app` },
    build: [],
  },
  {
    what: 'an application factory',
    files: {
      'web/__init__.py': 'def create_app(config=None):\n    return Flask(__name__)\n',
      'setup.py': '',
    },
    kind: 'python',
    explanation: /WSGI app web:create_app/,
    processes: { web: `${RUNNER} wsgi --factory web:create_app` },
  },
  {
    what: 'Django',
    files: {
      'manage.py': "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')",
      'mysite/settings.py': '',
      'mysite/wsgi.py': 'application = get_wsgi_application()',
      'mysite/asgi.py': 'application = get_asgi_application()',
      'requirements.txt': 'django\n',
    },
    kind: 'python',
    explanation: /WSGI app mysite.wsgi:application/,
  },
  {
    what: 'an app made elsewhere',
    files: { 'wsgi.py': 'from shop import make\n\napplication = make()\n', 'shop.py': '' },
    kind: 'python',
    explanation: /WSGI app wsgi:application/,
  },
  {
    what: 'a program with its own server',
    files: { 'main.py': 'import http.server\nif __name__ == "__main__":\n    app = 1\n' },
    kind: 'python',
    explanation: 'Python program main.py',
    processes: { web: 'python3 main.py' },
  },
];

const OTHERS: readonly Case[] = [
  {
    what: 'PHP at the top',
    files: { 'index.php': '<?php', 'index.html': '' },
    kind: 'php',
    explanation: 'PHP app index.php, served by php-cgi',
    processes: { web: '{node} {runners}/php-main.ts --root {release} --php /usr/bin/php-cgi' },
    build: [],
  },
  {
    what: 'PHP where php-fpm is there and php-cgi is not',
    files: { 'index.php': '<?php' },
    tools: { ...NO_TOOLS, php: '/usr/bin/php', phpFpm: '/usr/sbin/php-fpm8.2' },
    kind: 'php',
    explanation: 'PHP app index.php, served by php-fpm8.2',
    processes: { web: '{node} {runners}/php-main.ts --root {release} --php /usr/sbin/php-fpm8.2' },
  },
  {
    what: 'a Laravel-like app',
    files: {
      'public/index.php': '',
      'composer.json': '{"require": {"php": "^8.2", "laravel/framework": "^12"}}',
    },
    tools: { ...BARE, composer: '/usr/bin/composer' },
    kind: 'php',
    explanation: /public\/index.php/,
    build: ['composer install --no-dev --no-interaction --no-progress --optimize-autoloader'],
  },
  {
    what: 'PHP where only the command line program is there',
    files: {
      'index.php': '',
      'composer.json': '{"require": {"php": "^8.2", "ext-mbstring": "*"}}',
    },
    tools: { ...NO_TOOLS, php: '/usr/bin/php' },
    kind: 'php',
    explanation: /built-in server, which is meant for development \(php-cgi is not installed\)/,
    processes: { web: 'sh -c exec php -S "127.0.0.1:$PORT" -t "$0" {release}' },
  },
  {
    what: 'a Procfile, whatever else is there',
    files: {
      Procfile:
        '# how it runs\nweb: gunicorn -b 0.0.0.0:$PORT app:app\nworker: cd jobs && python run.py\nrelease: x\n',
      'app.py': 'app = Flask(__name__)',
      'requirements.txt': 'flask',
      'package.json': packageJson({ scripts: { build: 'x' }, dependencies: { y: '1' } }),
    },
    tools: SERVERS,
    kind: 'procfile',
    explanation: 'Procfile with web, worker; its "release" line is not run',
    processes: {
      web: 'sh -c exec gunicorn -b 0.0.0.0:$PORT app:app',
      worker: 'sh -c cd jobs && python run.py',
    },
    build: [INSTALL_ALL, 'npm run build'],
  },
  {
    what: 'processes in moln.json, before a Procfile',
    files: {
      'moln.json': '{"processes": {"web": "node a.js", "mailer": "node b.js"}, "build": "make"}',
      Procfile: 'web: no',
    },
    kind: 'procfile',
    explanation: 'Processes from moln.json: web, mailer',
    processes: { web: 'sh -c exec node a.js', mailer: 'sh -c exec node b.js' },
    build: ['sh -c exec make'],
  },
  {
    what: 'a kind that moln.json asks for',
    files: { 'moln.json': '{"kind": "static"}', 'server.js': '', 'index.html': '' },
    kind: 'static',
    explanation: /as they are/,
    staticRoot: '.',
  },
];

for (const each of [...NODE, ...STATIC, ...PYTHONS, ...OTHERS]) {
  test(`detects ${each.what}`, () => {
    const { plan } = detect(textView(each.files), each.tools ?? BARE);
    assert.equal(plan.kind, each.kind);
    if (typeof each.explanation === 'string') assert.equal(plan.explanation, each.explanation);
    else assert.match(plan.explanation, each.explanation);
    const commands = Object.entries(plan.processes).map(([name, { command }]) => [
      name,
      command.join(' '),
    ]);
    if (each.processes !== undefined) {
      assert.deepEqual(Object.fromEntries(commands), each.processes);
    }
    if (each.kind === 'static') assert.deepEqual(commands, []);
    if (each.build !== undefined) {
      assert.deepEqual(
        plan.build.map(({ command }) => command.join(' ')),
        each.build,
      );
    }
    assert.equal(plan.staticRoot, each.staticRoot);
    assert.equal(plan.fallback, each.fallback);
    assert.equal(plan.notFound, each.notFound);
  });
}

test('settings reach the plan', () => {
  const settings = {
    processes: { web: 'node a.js', jobs: 'node b.js' },
    health: { path: '/up', startTimeout: '2m', stopTimeout: '500ms' },
    env: { GREETING: 'hej', NODE_ENV: 'staging' },
    domains: ['example.org', '*.example.org'],
    scale: { web: 3, jobs: 0 },
  };
  const { plan, domains, scale } = detect(
    textView({ 'moln.json': JSON.stringify(settings) }),
    BARE,
  );
  assert.deepEqual(plan.health, { path: '/up', startTimeoutMs: 120_000, stopTimeoutMs: 500 });
  assert.deepEqual(domains, settings.domains);
  assert.deepEqual(scale, settings.scale);
  assert.equal(plan.processes['web']?.kind, 'http');
  assert.equal(plan.processes['jobs']?.kind, 'worker');
  assert.equal(plan.processes['jobs']?.env['GREETING'], 'hej');
  assert.equal(plan.processes['web']?.env['NODE_ENV'], 'staging');
});
