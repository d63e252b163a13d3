/** The console as a person meets it: real node, real Chromium, mouse, keyboard, and no scripts at all. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { appFolder, writeFiles } from '../testing/app-folder.ts';
import { TestBrowser, type Page } from '../testing/browser.ts';
import { TestNode } from '../testing/test-node.ts';
import { focused, loginLink, pagesAreForEverybody, tabTo, text, until } from './console-kit.ts';

const PAGES: readonly string[] = ['/', '/apps/hello', '/nodes', '/gateway', '/events', '/settings'];

/** An app that answers with its version and writes down what it was asked. */
function helloApp(version: string): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({ name: 'hello', scripts: { start: 'node server.js' } }),
    'server.js': `const { createServer } = require('node:http');
const server = createServer((request, response) => {
  console.log('asked for ' + request.url);
  response.end(${JSON.stringify(version)});
});
server.listen(process.env.LISTEN_SOCKET ?? Number(process.env.PORT));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`,
  };
}

/** Node with two releases of `hello`, and a browser that is logged in. */
async function deployedTwice(t: TestContext): Promise<TestNode> {
  const node = await TestNode.start(t);
  const folder = appFolder(t, helloApp('one'));
  await node.json('deploy', folder, '--name', 'hello');
  writeFiles(folder, helloApp('two'));
  await node.json('deploy', folder, '--name', 'hello');
  return node;
}

/** What every story is told with; the page is logged in from the first story on. */
interface Session {
  readonly node: TestNode;
  readonly browser: TestBrowser;
  readonly page: Page;
}

async function logsInOnce({ node, browser, page }: Session): Promise<void> {
  const link = await loginLink(node);
  await page.goto(link);
  await page.waitForSelector('.sentence');
  assert.match(await text(page, '.sentence'), /All good: 1 app on 1 node/);
  assert.match(await text(page, '.boxes'), /Ready/);
  const second = await browser.page();
  const answer = await second.goto(link);
  assert.equal(answer?.status(), 401);
  assert.match(await text(second, 'main'), /used already or has expired/);
  assert.match(await text(second, 'main'), /moln console/);
  await second.close();
  // Chromium notes every 401 as an error of its own.
  browser.problems.length = 0;
}

async function walksByKeyboard({ page }: Session): Promise<void> {
  await page.keyboard.press('g');
  await page.keyboard.press('a');
  await until('the apps to have the focus', async () => (await focused(page)) === 'Apps');
  await tabTo(page, 'hello');
  await page.keyboard.press('Enter');
  await until('the app page', async () => (await focused(page)) === 'hello');
  assert.equal(new URL(page.url()).pathname, '/apps/hello');
  assert.match(await page.title(), /hello · Moln/);
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
}

async function chartsSpeak({ node, page }: Session): Promise<void> {
  const figure = page.locator('[role=figure]').first();
  const load = node.load('hello');
  await until('requests in the chart', async () =>
    /Requests\/s: now (?!0,)[\d.]+/.test((await figure.getAttribute('aria-label')) ?? ''),
  );
  await load.stop();
  const rows = page.locator('.chart table tbody tr');
  assert.ok((await rows.count()) >= 1 && (await rows.count()) <= 25);
  await figure.focus();
  await page.keyboard.press('ArrowLeft');
  await until('the chart to say the point', async () =>
    /\d\d:\d\d:\d\d: Requests/.test(await text(page, '.chart [aria-live]')),
  );
}

async function logsAppear({ node, page }: Session): Promise<void> {
  await node.get('hello', '/a-page-nobody-knows');
  await page.waitForSelector('.log-text:has-text("asked for /a-page-nobody-knows")');
  await page.keyboard.press('/');
  await page.keyboard.type('nobody-knows');
  await until('only that line', async () => (await page.locator('.log-line').count()) === 1);
  await page.locator('#logs ~ .log-tools input, .log-tools input').first().fill('');
  const pause = page.getByRole('button', { name: 'Pause' });
  await pause.click();
  await node.get('hello', '/while-paused');
  await page.getByRole('button', { name: /Go on \([1-9]/ }).click();
  await page.waitForSelector('.log-text:has-text("/while-paused")');
}

/** Pretends that the tab was put behind another, or back in front. */
function setHidden(page: Page, hidden: boolean): Promise<void> {
  return page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

async function restsWhileHidden({ node, page }: Session): Promise<void> {
  const streams: string[] = [];
  page.on('requestfailed', (request) => streams.push(new URL(request.url()).pathname));
  await setHidden(page, true);
  await until('both streams to end', () =>
    ['/api/live', '/api/apps/hello/logs'].every((path) => streams.includes(path)),
  );
  await node.get('hello', '/while-hidden');
  await setHidden(page, false);
  const line = page.locator('.log-text:has-text("/while-hidden")');
  await line.waitFor();
  assert.equal(await line.count(), 1);
  assert.equal(await page.locator('.log-text:has-text("/while-paused")').count(), 1);
}

async function rollsBack({ node, page }: Session): Promise<void> {
  assert.equal((await node.get('hello')).body, 'two');
  await page.getByRole('button', { name: 'Roll back', exact: true }).click();
  const dialog = page.getByRole('dialog');
  assert.match((await dialog.textContent()) ?? '', /moln app hello rollback/);
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click();
  assert.equal((await node.get('hello')).body, 'two');
  await page.getByRole('button', { name: 'Roll back', exact: true }).click();
  await dialog.getByRole('button', { name: 'Roll back', exact: true }).click();
  await page.waitForSelector('.outcome:has-text("done")');
  assert.ok((await page.locator('.progress li').count()) > 0);
  assert.equal((await node.get('hello')).body, 'one');
  await page.waitForSelector('td:text-is("rollback")');
}

async function changesSettings({ page }: Session): Promise<void> {
  await page.getByRole('button', { name: 'One web more' }).click();
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForSelector('.outcome:has-text("web=2: done")');
  await page.waitForSelector('text=2 of 2 wanted instances are healthy');
  await page.getByLabel('Name', { exact: true }).fill('API_KEY');
  await page.getByLabel('Value', { exact: true }).fill('hush-hush');
  await page.getByLabel('Secret: nobody can read it again').check();
  await page.getByRole('button', { name: 'Set and restart' }).click();
  await page.waitForSelector('.outcome:has-text("Set API_KEY: done")');
  await page.waitForSelector('td:has-text("secret, not shown")');
  assert.ok(!(await page.content()).includes('hush-hush'));
}

async function makesTokens({ page }: Session): Promise<void> {
  await page.keyboard.press('Escape');
  await page.goto(new URL('/settings', page.url()).href);
  await page.getByLabel('Name', { exact: true }).fill('ci');
  await page.getByRole('button', { name: 'Create token' }).click();
  const token = await text(page, '.secret-once code');
  const ask = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(new URL('/api/status', page.url()), { headers })).status;
  };
  assert.equal(await ask(), 200);
  await page.getByRole('button', { name: 'I have it' }).click();
  assert.ok(!(await page.content()).includes(token));
  await page.getByRole('button', { name: 'Revoke token ci' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await until('the token to be refused', async () => (await ask()) === 401);
}

async function refusesForeignAddress({ browser, page }: Session): Promise<void> {
  await page.goto(new URL('/gateway', page.url()).href);
  const panel = page.locator('.panel', { has: page.locator('#addresses') });
  await panel.getByText('None: clients find the gateways').waitFor();
  await panel.getByLabel('A free address of your network').fill('203.0.113.50');
  await panel.getByRole('button', { name: 'Add', exact: true }).click();
  await panel.locator('[role=status]:has-text("203.0.113.50")').waitFor();
  assert.match(
    await text(page, '#addresses ~ [role=status], .panel [role=status].tone-bad'),
    /^✗ /,
  );
  // Chromium notes every refusal as an error of its own.
  browser.problems.length = 0;
}

async function isAccessible({ browser, page }: Session): Promise<void> {
  await pagesAreForEverybody(browser, page, PAGES);
}

async function readsWithoutScripts({ browser, page }: Session): Promise<void> {
  const plain = await browser.page({ javaScript: false }, page);
  await plain.goto(new URL('/', page.url()).href);
  assert.match(await text(plain, 'h1'), /1 app on 1 node/);
  const apps = plain.locator('table', { has: plain.locator('caption', { hasText: 'Apps' }) });
  assert.match((await apps.textContent()) ?? '', /hello/);
  await plain.getByRole('link', { name: 'hello', exact: true }).click();
  assert.match(await text(plain, 'h1'), /hello/);
  assert.match((await plain.locator('main').textContent()) ?? '', /Instances/);
  assert.ok(!(await plain.content()).includes('hush-hush'));
}

function complainedNever({ browser }: Session): Promise<void> {
  assert.deepEqual(browser.problems, []);
  return Promise.resolve();
}

async function survivesCrash({ node, page }: Session): Promise<void> {
  await page.goto(new URL('/', page.url()).href);
  await page.waitForSelector('.sentence');
  await node.crash();
  await page.waitForSelector('.connection:has-text("Connection lost")');
  await node.restart();
  await until('the note to go', async () => (await text(page, '.connection')) === '');
  assert.match(await text(page, '.sentence'), /1 app on 1 node/);
}

async function removesApp({ node, page }: Session): Promise<void> {
  await page.goto(new URL('/apps/hello', page.url()).href);
  await page.getByRole('button', { name: 'Remove hello' }).click();
  const dialog = page.getByRole('dialog');
  const yes = dialog.getByRole('button', { name: 'Remove', exact: true });
  assert.equal(await yes.isDisabled(), true);
  await dialog.getByLabel('Name of the app').fill('hello');
  await yes.click();
  await until('the overview without it', async () => {
    const apps = (await node.status()).apps.map((app) => app.name);
    return apps.length === 0 && new URL(page.url()).pathname === '/';
  });
}

async function logsOut({ page }: Session): Promise<void> {
  await page.goto(new URL('/settings', page.url()).href);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForSelector('text=You are logged out');
  assert.equal((await page.goto(page.url()))?.status(), 401);
  assert.match(await text(page, 'main'), /moln console/);
}

const STORIES: readonly (readonly [string, (session: Session) => Promise<void>])[] = [
  ['a login link opens the overview once, and no second time', logsInOnce],
  ['the keyboard alone leads to an app', walksByKeyboard],
  ['charts get samples, and speak', chartsSpeak],
  ['a request appears in the log at once, and the filter finds it', logsAppear],
  ['a hidden tab holds no connection and catches up when it is shown', restsWhileHidden],
  ['a rollback asks, shows its steps, and serves the release before', rollsBack],
  ['scale, settings and secrets are changed, and secrets are not shown', changesSettings],
  ['a token is shown once and works until it is revoked', makesTokens],
  ['an address that no node can hold is refused in words', refusesForeignAddress],
  ['every page has names, contrast, visible focus and room on a phone', isAccessible],
  ['without scripts the tables can be read', readsWithoutScripts],
  ['no page complained', complainedNever],
  ['while the node is away the page says so, and goes on by itself', survivesCrash],
  ['an app is removed only after its name was typed', removesApp],
  ['after logging out nothing is left to see', logsOut],
];

test('the console in a real browser', async (t) => {
  await using node = await deployedTwice(t);
  await using browser = await TestBrowser.start();
  const session = { node, browser, page: await browser.page() };
  for (const [title, story] of STORIES) await t.test(title, () => story(session));
});
