/** The console of a cluster as a person meets it: two real nodes, real Chromium, mostly by keyboard. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { InviteDetail, SlotDetail } from '../src/api/model.ts';
import { appFolder, nodeApp } from '../testing/app-folder.ts';
import { TestBrowser, type Page } from '../testing/browser.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { askHost, startServer } from './routes-kit.ts';
import { focused, loginLink, pagesAreForEverybody, tabTo, text, until } from './console-kit.ts';

const REGIONS = { one: 'north', two: 'south' } as const;
const PAGES: readonly string[] = ['/', '/nodes', '/nodes/two', '/events', '/apps/hello'];

interface Session {
  readonly cluster: TestCluster;
  readonly browser: TestBrowser;
  /** Logged in at the node that leads. */
  readonly page: Page;
  /** Of the story. */
  readonly t: TestContext;
}

function row(page: Page, name: string): Promise<string> {
  return text(page, `tr:has(th a:text-is("${name}"))`);
}

async function pictureHasBoth({ page }: Session): Promise<void> {
  await page.waitForSelector('.topology .region-name:has-text("Region south")');
  assert.equal(await page.locator('.topology .node-name').count(), 2);
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await until('the page of nodes', async () => (await focused(page)) === 'Nodes');
}

async function nodesAreListed({ page }: Session): Promise<void> {
  await page.waitForSelector('tr:has(th a:text-is("two")) .role-standby');
  assert.match(await row(page, 'one'), /Ready.*north.*Leader/);
  assert.match(await row(page, 'two'), /Ready.*south.*Standby/);
  const managers = page.locator('.panel', { has: page.locator('#managers') });
  assert.match((await managers.textContent()) ?? '', /one more machine and failover is automatic/);
  assert.match((await managers.textContent()) ?? '', /Answers etcd/);
}

async function inviteGivesLine({ cluster, page }: Session): Promise<void> {
  await page.getByLabel('Region').fill('west');
  await page.getByRole('button', { name: 'Make an invite' }).click();
  const line = await text(page, '.invite-line code');
  assert.match(line, /^moln join moln1\./);
  assert.match(await text(page, '.invite-line'), /Good for 1 machine and \d+ min/);
  assert.equal(await page.getByRole('button', { name: 'Copy the line' }).count(), 1);
  const invites = await cluster.node('two').json<readonly InviteDetail[]>('invite', 'list');
  assert.equal(invites.find(({ region }) => region === 'west')?.usesLeft, 1);
  await page.getByRole('button', { name: 'Done' }).click();
  assert.ok(!(await page.content()).includes(line));
  await page.getByRole('button', { name: 'Revoke invite' }).click();
  await page.waitForSelector('h3:has-text("Open invites")', { state: 'detached' });
}

async function drainsByKeyboard({ cluster, browser, page }: Session): Promise<void> {
  const events = await browser.page({}, page);
  await events.goto(new URL('/events', page.url()).href);
  await events.waitForSelector('.event:has-text("two joined")');
  await page.getByLabel('Filter nodes').focus();
  await tabTo(page, 'two');
  await page.keyboard.press('Enter');
  await until('the page of the node', async () => (await focused(page)) === 'two');
  await tabTo(page, 'Drain …');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]:has-text("moln node two drain")');
  await until('the answer yes to have the focus', async () => (await focused(page)) === 'Drain');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.lead :text("Draining")');
  await cluster.sees('two', { one: 'ready', two: 'draining' });
  await events.waitForSelector('.event:has-text("two is to be drained")');
  await seesEvents(events, page);
  await events.close();
}

/** Held still, nothing moves; of one kind, nothing else is shown. */
async function seesEvents(events: Page, page: Page): Promise<void> {
  await events.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Use again' }).click();
  await events.getByRole('button', { name: /Go on \([1-9]/ }).waitFor();
  assert.equal(await events.locator('.event:has-text("two is used again")').count(), 0);
  await events.getByRole('button', { name: /Go on/ }).click();
  await events.waitForSelector('.event:has-text("two is used again")');
  await events.getByLabel('Kind').selectOption('leader');
  await events.waitForSelector('.event:has-text("one leads")');
  assert.equal(await events.locator('.event:has-text("two joined")').count(), 0);
}

async function labelsAreSet({ page }: Session): Promise<void> {
  await page.getByLabel('Label', { exact: true }).fill('disk');
  await page.getByLabel('Value', { exact: true }).fill('ssd');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Remove label disk' }).click();
  await page.waitForSelector('text=Apps that want a label are placed by it');
  await page.goto(new URL('/nodes/one', page.url()).href);
  await page.waitForSelector('text=cannot forget itself');
  assert.equal(await page.getByRole('button', { name: 'Forget one' }).isDisabled(), true);
}

async function appSaysWhy({ cluster, page }: Session): Promise<void> {
  await page.goto(new URL('/apps/hello', page.url()).href);
  const why = page.locator('.panel', { has: page.locator('#placement') });
  // An instance may still be on its way since the drain.
  await until('the page to say what the command says', async () => {
    const shown = await why.locator('tbody tr > *').allTextContents();
    const slots = await cluster.node('two').json<readonly SlotDetail[]>('why', 'app', 'hello');
    const said = slots.flatMap(({ process, slot, node = '', reason }) => [
      `${process} ${slot}`,
      node,
      reason,
    ]);
    if (said.length > 0 && isDeepStrictEqual(shown, said)) return true;
    throw new Error(`${shown.join(' | ')} instead of ${said.join(' | ')}`);
  });
}

async function isAccessible({ browser, page }: Session): Promise<void> {
  await pagesAreForEverybody(browser, page, PAGES);
}

async function readsWithoutScripts({ browser, page }: Session): Promise<void> {
  const plain = await browser.page({ javaScript: false }, page);
  await plain.goto(new URL('/nodes', page.url()).href);
  await plain.getByRole('link', { name: 'two', exact: true }).click();
  assert.match(await text(plain, 'h1'), /two: ready/);
  await plain.goto(new URL('/events', page.url()).href);
  assert.match((await plain.locator('main').textContent()) ?? '', /two is to be drained/);
  await plain.close();
}

async function regionsAreShown({ cluster, page, t }: Session): Promise<void> {
  const one = cluster.node('one');
  const [near, far] = [await startServer(t, 'near'), await startServer(t, 'far')];
  const upstreams = `[{url: "${near}"}, {url: "${far}", region: south}]`;
  await one.json('route', 'set', 'far', 'host=far.example', `upstreams=${upstreams}`);
  await page.goto(new URL('/gateway', page.url()).href);
  const shown = page.locator('table', { hasText: 'Requests that could go to several regions' });
  await until('requests by region', async () => {
    await askHost(one, 'far.example');
    return (await shown.count()) === 1 && /north.*%/.test((await shown.textContent()) ?? '');
  });
  await one.json('route', 'remove', 'far');
}

/** The only manager goes: the other node's console says that it may be old, on every page. */
async function saysWhenManagersAreAway({ cluster, browser }: Session): Promise<void> {
  const left = await browser.page();
  await left.goto(await loginLink(cluster.node('two')));
  await left.waitForSelector('.sentence');
  assert.deepEqual(browser.problems, []);
  await cluster.node('one').kill();
  const banner = left.locator('.banner', { hasText: 'What is shown may be old, and changes wait' });
  await banner.waitFor();
  assert.match((await banner.textContent()) ?? '', /run "moln manager takeover" on two/);
  await banner.getByRole('link', { name: 'Managers' }).click();
  await left.waitForSelector('dd:has-text("Does not answer")');
  assert.match(await text(left, '#managers'), /Managers/);
  assert.match(await text(left, '.banner'), /changes wait/);
}

const STORIES: readonly (readonly [string, (session: Session) => Promise<void>])[] = [
  ['the picture has both regions, and a key leads to the nodes', pictureHasBoth],
  ['both nodes are listed with their roles, and what the loss of one would mean', nodesAreListed],
  ['an invite is a line to paste, shown once', inviteGivesLine],
  ['a node is drained by keyboard, and the event appears in another tab', drainsByKeyboard],
  ['labels are set and removed, and a node does not forget itself', labelsAreSet],
  ['an app says why it runs where it runs', appSaysWhy],
  ['where requests went is told by region', regionsAreShown],
  ['every page has names, contrast, visible focus and room on a phone', isAccessible],
  ['without scripts nodes and events can be read', readsWithoutScripts],
  ['while no manager answers every page says so', saysWhenManagersAreAway],
];

test('the console of a cluster in a real browser', async (t) => {
  await using cluster = await TestCluster.form(t, ['one', 'two'], { regions: REGIONS });
  const one = cluster.node('one');
  await one.json('deploy', appFolder(t, nodeApp('"hello"')), '--name', 'hello');
  await using browser = await TestBrowser.start();
  const page = await browser.page();
  await page.goto(await loginLink(one));
  for (const [title, story] of STORIES) {
    await t.test(title, (of) => story({ cluster, browser, page, t: of }));
  }
});
