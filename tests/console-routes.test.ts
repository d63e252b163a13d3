/** Routes and listeners in the console, as a person adds, changes and removes them: real node, real Chromium. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteDetail } from '../src/api/api.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { type Page, TestBrowser } from '../testing/browser.ts';
import { freePorts } from '../testing/free-ports.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { focused, loginLink, pagesAreForEverybody, tabTo, text, until } from './console-kit.ts';
import { askHost, firstWords, startServer, startTcp } from './routes-kit.ts';

const HOST = 'shop.example.org';

/** The panel that adds or changes one of that kind. */
function editor(page: Page, kind: 'route' | 'listener'): ReturnType<Page['locator']> {
  return page.locator(`section[aria-labelledby="edit-${kind}"]`);
}

async function said(page: Page, kind: 'route' | 'listener', words: RegExp): Promise<void> {
  const outcome = editor(page, kind).locator('.record-outcome');
  await until(`the page to say ${words}`, async () =>
    words.test((await outcome.textContent()) ?? ''),
  );
}

test('routes and listeners in the console', async (t) => {
  await using node = await TestNode.start(t);
  await using browser = await TestBrowser.start();
  const page = await browser.page();
  const [red, blue] = [await startServer(t, 'red'), await startServer(t, 'blue')];
  await node.json('deploy', appFolder(t, nodeApp(`'the app'`)), '--name', 'blog');
  await page.goto(await loginLink(node));
  await page.waitForSelector('.sentence');

  await step(t, 'the keyboard alone adds a route', async () => {
    await page.keyboard.press('g');
    await page.keyboard.press('r');
    await until('the page of routes', async () => (await focused(page)) === 'Routes');
    const form = editor(page, 'route');
    await form.getByLabel('Name', { exact: true }).focus();
    await page.keyboard.type('shop');
    await page.keyboard.press('Tab');
    await page.keyboard.type(HOST);
    await form.getByLabel('Servers, with spaces between them').focus();
    await page.keyboard.type(red);
    await page.keyboard.press('Enter');
    await said(page, 'route', /shop is in use on /);
    assert.match((await askHost(node, HOST)).body, /^red /);
    await page.waitForSelector('table:has(caption:text-is("Routes")) a:text-is("shop")');
  });

  await step(t, 'the form changes what it knows and leaves the rest', async () => {
    await node.json('route', 'set', 'shop', 'headers.response.set.X-Frame-Options=DENY');
    await tabTo(page, 'shop');
    await page.keyboard.press('Enter');
    await until('the page of the route', async () => (await text(page, 'h1')) === 'shop');
    const form = editor(page, 'route');
    await form.getByLabel('Servers, with spaces between them').fill(blue);
    await form.getByLabel('Keep answers in the cache').check();
    await form.getByRole('button', { name: 'Save' }).click();
    await said(page, 'route', /shop is in use on /);
    const { written } = await node.json<RouteDetail>('route', 'show', 'shop');
    const headers = { response: { set: { 'X-Frame-Options': 'DENY' } } };
    assert.deepEqual(written, { host: HOST, upstreams: blue, headers, cache: true });
  });

  await step(t, 'the text says everything, and what is wrong with it', async () => {
    const form = editor(page, 'route');
    await form.getByRole('button', { name: 'Text' }).click();
    const area = form.getByLabel('The route as YAML');
    const yaml = await area.inputValue();
    assert.match(yaml, /^host: shop\.example\.org$/m);
    await area.fill(`${yaml}\nrates: 5\n`);
    await form.getByRole('button', { name: 'Form' }).click();
    await said(page, 'route', /Unknown key "rates": did you mean "rate"\?/);
    await area.fill(`${yaml}\nrate: { requests: 1, per: 1h }\n`);
    await form.getByRole('button', { name: 'Save' }).click();
    await said(page, 'route', /shop is in use on /);
    await until('the rate', async () => (await askHost(node, HOST)).status === 429);
    await form.getByRole('button', { name: 'Form' }).click();
    await until('the form', () => form.getByLabel('Hosts').isVisible());
  });

  await step(t, 'who was slower is told so', async () => {
    await node.json('route', 'set', 'shop', 'rate=');
    await editor(page, 'route').getByRole('button', { name: 'Save' }).click();
    await said(page, 'route', /Somebody else has changed the route "shop" meanwhile/);
  });

  await step(t, 'a route to an app, and a port', async () => {
    await page.getByRole('link', { name: 'Routes', exact: true }).first().click();
    const form = editor(page, 'route');
    await form.getByLabel('Name', { exact: true }).fill('www');
    await form.getByLabel('Hosts').fill('www.example.org');
    await form.getByLabel('Leads to').selectOption('app');
    await form.getByRole('button', { name: 'Add route' }).click();
    await said(page, 'route', /www is in use on /);
    assert.equal((await askHost(node, 'www.example.org')).body, 'the app');
    const [port = 0] = await freePorts(node.address, 1);
    const ports = editor(page, 'listener');
    await ports.getByLabel('Name', { exact: true }).fill('mail');
    await ports.getByLabel('Port').fill(String(port));
    await ports.getByLabel('Servers, with spaces between them').fill(await startTcp(t, 'hello'));
    await ports.getByRole('button', { name: 'Add listener' }).click();
    await said(page, 'listener', /mail is in use on /);
    assert.equal(await firstWords(node.address, port), 'hello');
    await page.waitForSelector('a:text-is("mail")');
  });

  await step(t, 'the pages are for everybody, and can be read without scripts', async () => {
    await pagesAreForEverybody(browser, page, ['/routes', '/routes/shop', '/listeners/mail']);
    const plain = await browser.page({ javaScript: false }, page);
    await plain.goto(new URL('/routes', page.url()).href);
    assert.match((await plain.locator('table').first().textContent()) ?? '', /shop\.example\.org/);
    // Chromium notes every refusal as an error of its own.
    const own = browser.problems.filter((problem) => !/status of (?:400|409) /.test(problem));
    assert.deepEqual(own, []);
  });

  await step(t, 'removed only after its name was typed', async () => {
    await page.goto(new URL('/routes/shop', page.url()).href);
    await page.getByRole('button', { name: 'Remove shop …' }).click();
    const dialog = page.getByRole('dialog');
    const yes = dialog.getByRole('button', { name: 'Remove', exact: true });
    assert.equal(await yes.isDisabled(), true);
    await dialog.getByLabel('Name of the route').fill('shop');
    await yes.click();
    await until('the list without it', async () => new URL(page.url()).pathname === '/routes');
    assert.equal((await askHost(node, HOST)).status, 404);
  });
});
