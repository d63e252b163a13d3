/** A small app in each of the frameworks that people use, written for no platform but for a PORT, deployed unchanged. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runMoln } from '../../testing/moln.ts';
import { REGISTRY_SETTINGS, registryAway } from '../../testing/npm-registry.ts';
import { TestNode } from '../../testing/test-node.ts';

interface Example {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** What the deploy says that it found. */
  readonly found: RegExp;
  readonly page: RegExp;
  /** Installed or built with packages from npm's registry. */
  readonly needsRegistry?: boolean;
}

const manifest = (fields: object): string => JSON.stringify({ private: true, ...fields });

const EXAMPLES: readonly Example[] = [
  {
    name: 'express',
    files: {
      'package.json': manifest({
        scripts: { start: 'node app.js' },
        dependencies: { express: '5.3.0' },
      }),
      'app.js': `const app = require('express')();
app.get('/', (req, res) => res.send('Hello from Express'));
app.listen(process.env.PORT || 3000);`,
    },
    found: /Node app, start script/,
    page: /Hello from Express/,
    needsRegistry: true,
  },
  {
    name: 'fastify',
    files: {
      'package.json': manifest({
        type: 'module',
        main: 'server.js',
        dependencies: { fastify: '5.12.8' },
      }),
      'server.js': `import Fastify from 'fastify';
const fastify = Fastify({ logger: true });
fastify.get('/', async () => ({ hello: 'from Fastify' }));
await fastify.listen({ port: process.env.PORT || 3000 });`,
    },
    found: /Node app, server\.js/,
    page: /from Fastify/,
    needsRegistry: true,
  },
  {
    name: 'hono',
    files: {
      'package.json': manifest({
        type: 'module',
        scripts: { start: 'node src/index.ts' },
        dependencies: { hono: '4.13.19', '@hono/node-server': '2.1.8' },
      }),
      'src/index.ts': `import { serve } from '@hono/node-server'; import { Hono } from 'hono';
const app = new Hono();
app.get('/', (c) => c.text('Hello from Hono'));
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) });`,
    },
    found: /Node app, start script/,
    page: /Hello from Hono/,
    needsRegistry: true,
  },
  {
    name: 'next',
    files: {
      'package.json': manifest({
        scripts: { dev: 'next dev', build: 'next build', start: 'next start' },
        dependencies: { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' },
      }),
      'next.config.mjs': `export default { output: 'standalone' };`,
      'app/layout.jsx': `export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>;
}`,
      'app/page.jsx': `export const dynamic = 'force-dynamic';
export default function Page() { return <h1>Hello from Next, port {process.env.PORT}</h1>; }`,
      'public/robots.txt': 'User-agent: *',
    },
    found: /Next\.js, standalone, built/,
    page: /Hello from Next, port/,
    needsRegistry: true,
  },
  {
    name: 'sveltekit',
    files: {
      'package.json': manifest({
        type: 'module',
        scripts: { dev: 'vite dev', build: 'vite build', preview: 'vite preview' },
        devDependencies: {
          '@sveltejs/adapter-node': '6.0.1',
          '@sveltejs/kit': '3.2.0',
          '@sveltejs/vite-plugin-svelte': '7.3.1',
          svelte: '5.57.3',
          vite: '8.3.8',
        },
      }),
      'vite.config.js': `import adapter from '@sveltejs/adapter-node'; import { sveltekit } from '@sveltejs/kit/vite';
export default { plugins: [sveltekit({ adapter: adapter() })] };`,
      'src/app.html': `<!doctype html><html lang="en"><head>%sveltekit.head%</head><body><div>%sveltekit.body%</div></body></html>`,
      'src/routes/+page.server.js': `export const load = ({ url }) => ({ origin: url.origin });`,
      'src/routes/+page.svelte': `<script>let { data } = $props();</script><h1>Hello from SvelteKit at {data.origin}</h1>`,
    },
    found: /SvelteKit, built/,
    page: /Hello from SvelteKit at http:\/\/sveltekit\.localhost/,
    needsRegistry: true,
  },
  {
    name: 'flask',
    files: {
      'app.py': `from flask import Flask
app = Flask(__name__)

@app.route("/")
def hello():
    return "Hello from Flask"
`,
      'requirements.txt': 'flask\n',
    },
    found: /Python WSGI app app:app/,
    page: /Hello from Flask/,
  },
  {
    name: 'django',
    files: {
      'manage.py': `import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
`,
      'requirements.txt': 'django\n',
      'shop/__init__.py': '',
      'shop/settings.py': `SECRET_KEY = "only in a test"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
`,
      'shop/urls.py': `from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("Hello from Django at " + request.get_host()))]
`,
      'shop/wsgi.py': `import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = get_wsgi_application()
`,
    },
    found: /shop\.wsgi:application/,
    page: /Hello from Django at django\.localhost/,
  },
  {
    name: 'php',
    files: { 'index.php': '<?php echo "Hello from PHP at ", $_SERVER["HTTP_HOST"];' },
    found: /PHP app index\.php/,
    page: /Hello from PHP at php\.localhost/,
  },
];

test('apps in other frameworks are deployed as they are', async (t) => {
  await using node = await TestNode.start(t, { env: REGISTRY_SETTINGS });
  const away = await registryAway();
  for (const { name, files, found, page, needsRegistry } of EXAMPLES) {
    await t.test(name, { skip: needsRegistry === true && away !== undefined && away }, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'moln-framework-'));
      t.after(() => rm(folder, { recursive: true, force: true }));
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), text);
      }
      const env = { ...process.env, MOLN_DATA: node.dataFolder };
      const { code, stdout, stderr } = await runMoln(['deploy', folder, '--name', name], { env });
      assert.equal(code, 0, stdout + stderr);
      assert.match(stderr, found);
      const answer = await node.get(name, '/', {});
      assert.equal(answer.status, 200, answer.body);
      assert.match(answer.body, page);
    });
  }
});
