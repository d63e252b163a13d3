/** Pages with slow parts, as they come through a socket. */
import assert from 'node:assert/strict';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { MolnError } from '../base/errors.ts';
import { createLogger } from '../base/log.ts';
import { until } from '../../testing/until.ts';
import { App } from './app.ts';
import { currentContext } from './context.ts';
import { Form } from './forms.ts';
import { element, renderText, Suspense } from './jsx-runtime.ts';
import { oncePerRequest } from './once-per-request.ts';
import { serve } from './serve.ts';
import { SqliteDatabase } from './sqlite-database.ts';

/** What slow parts wait for, by name; whoever resolves one lets it come. */
const waits = new Map<string, PromiseWithResolvers<void>>();
function waitFor(name: string): PromiseWithResolvers<void> {
  const known = waits.get(name) ?? Promise.withResolvers<void>();
  waits.set(name, known);
  return known;
}

let asked = 0;
const askedOnce = oncePerRequest(async () => ++asked);

async function Slow({ name }: { readonly name: string }): Promise<unknown> {
  await askedOnce();
  await waitFor(name).promise;
  return element('b', {}, `<${name}> ${await askedOnce()}`);
}
async function Broken({ error }: { readonly error: () => unknown }): Promise<unknown> {
  await waitFor('broken').promise;
  throw error();
}
const later = (inside: unknown, fallback?: unknown): unknown =>
  element(Suspense, { fallback }, inside);
const pages: Readonly<Record<string, () => unknown>> = {
  two: () => [
    later(element(Slow, { name: 'first' }), element('i', {}, 'Wait')),
    element('hr', {}),
    later([element(Slow, { name: 'second' }), later(element(Slow, { name: 'inner' }))]),
  ],
  ready: () => later(element('b', {}, 'There'), 'Never'),
  broken: () => [
    later(element(Broken, { error: () => new Error('secret detail') }), 'Wait'),
    later(element(Broken, { error: () => new MolnError('WEB_NOT_FOUND', 'No post <7>') })),
  ],
  form: () => later(element(LateForm, {})),
  session: () => later(element(LateSession, {})),
};
async function LateForm(): Promise<unknown> {
  await waitFor('form').promise;
  return element(Form as never, { action: '/saved' }, element('button', {}, 'Save'));
}
async function LateSession(): Promise<unknown> {
  await waitFor('session').promise;
  assert.deepEqual(currentContext().takeFlashes(), []);
  currentContext().session.set('a', 1);
  return 'kept';
}

async function start() {
  waits.clear();
  asked = 0;
  const database = new SqliteDatabase(':memory:');
  const reasons: string[] = [];
  const parts = {
    controllers: {
      home: {
        'GET /:page': (c: { params: Record<string, string> }) =>
          element(
            'html',
            {},
            element('body', {}, 'Top ', pages[c.params['page'] ?? '']?.(), ' End'),
          ),
        'POST /saved': () => 'saved',
      },
    },
    models: [],
    migrations: [],
    policies: [],
    jobs: [],
    publicFolder: '/nowhere',
    islands: new Map(),
    islandScript: '',
  };
  const sinks = [
    ({ fields: { error } }: { readonly fields: Readonly<Record<string, unknown>> }) =>
      typeof error === 'string' && reasons.push(error),
  ];
  const log = createLogger({ part: 'test', now: () => 0, sinks });
  const app = await App.start(parts, { database, log });
  const served = await serve(app, { port: 0, host: '127.0.0.1' });
  const { port } = served.server.address() as AddressInfo;
  return {
    app,
    reasons,
    port,
    async [Symbol.asyncDispose]() {
      await served.close(0);
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A page as it comes: `until` resolves when that has been heard. */
async function open(port: number, path: string) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get({ port, host: '127.0.0.1', path, agent: false }, resolve).once('error', reject);
  const answer = await promise;
  let heard = '';
  const pieces = answer.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
  return {
    head: answer.headers,
    until: async (words: string): Promise<string> => {
      while (!heard.includes(words)) {
        const { value, done } = await pieces.next();
        if (done === true) throw new Error(`It ended with ${heard}`);
        heard += value;
      }
      return heard;
    },
    whole: async (): Promise<string> => {
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next())
        heard += next.value;
      return heard;
    },
  };
}

test('what stands before a slow part is there before it, and everything in its place at last', async () => {
  await using app = await start();
  const page = await open(app.port, '/two');
  const early = await page.until('Wait');
  assert.match(
    early,
    /^<!doctype html><html><body>Top <moln-wait id="moln-wait-\d" role="status"><i>Wait<\/i><\/moln-wait>$/,
  );
  assert.match(String(page.head['content-security-policy']), /^default-src 'self'; /);
  // Made at the same time, written in order.
  waitFor('inner').resolve();
  waitFor('first').resolve();
  const middle = await page.until('<hr/>');
  assert.doesNotMatch(middle, /second/);
  waitFor('second').resolve();
  const whole = await page.whole();
  const shown = whole
    .replace(/<moln-wait id="(.*?)".*?<\/moln-wait><style>#\1\{display:none\}<\/style>/g, '')
    .replace(/^.*<body>/, '');
  assert.equal(
    shown,
    'Top <b>&lt;first&gt; 1</b><hr/><b>&lt;second&gt; 1</b><b>&lt;inner&gt; 1</b> End</body></html>',
  );
});

test('what is there at once is a page like any other, and where nothing can come later all is waited for', async () => {
  await using app = await start();
  const page = await open(app.port, '/ready');
  assert.equal(await page.whole(), '<!doctype html><html><body>Top <b>There</b> End</body></html>');
  assert.ok(page.head['content-length'] !== undefined && page.head['set-cookie'] === undefined);
  waitFor('mail').resolve();
  const mail = renderText(later(element(Slow, { name: 'mail' }), 'Wait'));
  assert.equal(await mail, '<b>&lt;mail&gt; 2</b>');
});

test('a part that fails is a sentence with the id, and the rest of the page comes', async () => {
  await using app = await start();
  const page = await open(app.port, '/broken');
  await page.until('Wait');
  waitFor('broken').resolve();
  const whole = await page.whole();
  const id = String(page.head['x-request-id']);
  assert.ok(whole.includes(`It was noted as <code>${id}</code>`), whole);
  assert.match(whole, /There is nothing here[^<]* No post &lt;7&gt;.* End<\/body><\/html>$/);
  assert.doesNotMatch(whole, /secret detail/);
  assert.equal(app.reasons.length, 1);
  assert.match(app.reasons[0] ?? '', /secret detail[\s\S]*streamed-page\.test/);
});

test('a form that comes late can be sent; the session that is sent cannot change', async () => {
  await using app = await start();
  const page = await open(app.port, '/form');
  await page.until('Top');
  waitFor('form').resolve();
  const token = /name="_csrf" value="([^"]+)"/.exec(await page.whole())?.[1] ?? '';
  const [cookie = ''] = page.head['set-cookie'] ?? [];
  const saved = await fetch(`http://127.0.0.1:${app.port}/saved`, {
    method: 'POST',
    headers: { cookie: cookie.split(';')[0] ?? '' },
    body: new URLSearchParams({ _csrf: token }),
  });
  assert.equal(await saved.text(), 'saved');
  const second = await open(app.port, '/session');
  await second.until('Top');
  waitFor('session').resolve();
  assert.match(await second.whole(), /This part of the page could not be shown/);
  assert.match(app.reasons[0] ?? '', /its cookie is sent already/);
});

test('who leaves before the slow part, and who asks for the head alone, harm nobody', async () => {
  await using app = await start();
  const leaving = new AbortController();
  const url = `http://127.0.0.1:${app.port}/two`;
  const left = await fetch(url, { signal: leaving.signal });
  leaving.abort();
  await assert.rejects(left.text(), /abort/);
  const { status } = await fetch(url, { method: 'HEAD' });
  for (const name of ['first', 'second', 'inner']) waitFor(name).resolve();
  assert.equal(status, 200);
  assert.match(await (await fetch(url)).text(), /End<\/body>/);
  assert.deepEqual(app.reasons, []);
  // What fails is noted all the same.
  await fetch(`http://127.0.0.1:${app.port}/broken`, { method: 'HEAD' });
  waitFor('broken').resolve();
  await until('the note', () => app.reasons.some((reason) => reason.includes('secret detail')));
});
