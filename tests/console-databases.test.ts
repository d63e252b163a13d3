/** Databases and the storage of files in the console: lists, stripes, a statement that is ended, copies. Real node, real Chromium. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestBrowser } from '../testing/browser.ts';
import { ask } from '../testing/http.ts';
import { createHttpClient } from '../testing/libsql-clients.ts';
import { TestNode } from '../testing/test-node.ts';
import { focused, loginLink, pagesAreForEverybody, text, until } from './console-kit.ts';

/** Counts for minutes, a row at a time. */
const ENDLESS =
  'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n';

test('databases and storage in the console', async (t) => {
  await using node = await TestNode.start(t);
  await using browser = await TestBrowser.start();
  const page = await browser.page();
  await node.json('db', 'create', 'shop');
  const { token } = await node.json<{ readonly token: string }>('db', 'token', 'shop');
  await page.goto(await loginLink(node));
  await page.waitForSelector('.sentence');
  await page.keyboard.press('g');
  await page.keyboard.press('d');
  await until('the page of databases', async () => (await focused(page)) === 'Databases');
  await page.getByRole('link', { name: 'shop' }).click();
  await until('the page of the database', async () => (await text(page, 'h1')) === 'shop');
  await page.waitForSelector('table:has(caption:text-is("Stripes"))');

  const url = `http://127.0.0.1:${node.ports.api}/db/shop/`;
  const client = createHttpClient({ url, authToken: token });
  await client.execute('CREATE TABLE t (id INTEGER PRIMARY KEY)');
  await client.execute('INSERT INTO t VALUES (1)');
  const ended = assert.rejects(client.execute(`${ENDLESS}, t`), /interrupted/);
  await page.getByRole('button', { name: 'End', exact: true }).click();
  await ended;
  await pagesAreForEverybody(browser, page, ['/databases', '/databases/shop']);

  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await until('the page of storage', async () => (await focused(page)) === 'Storage');
  await until('it says that nothing is stored', async () =>
    (await text(page, '.lead')).startsWith('Nothing is stored yet'),
  );
  await node.json('files', 'create', 'photos');
  const folder = mkdtempSync(join(tmpdir(), 'moln-console-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'large'), Buffer.alloc(9 * 1024 * 1024));
  await node.json('files', 'put', join(folder, 'large'), 'photos/');
  await page.getByRole('rowheader', { name: 'photos' }).waitFor();
  await page.getByText('2 lack 1').waitFor();
  assert.match(await text(page, '.lead'), /^Files have one copy/);
  await page.getByText('have one copy, for there is one place').waitFor();
  await page.getByRole('link', { name: 'photos' }).click();
  await until('the page of the bucket', async () => (await text(page, 'h1')) === 'photos');
  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(['dropped here'], 'note ü.txt'));
    return data;
  });
  await page.dispatchEvent('.drop-zone', 'drop', { dataTransfer: dropped });
  await page.getByRole('link', { name: 'note ü.txt' }).waitFor();
  assert.equal((await node.cli('files', 'cat', 'photos/note ü.txt')).stdout, 'dropped here');
  // A slow line, until the page has said how far it is.
  const devtools = await page.context().newCDPSession(page);
  const line = (uploadThroughput: number): Promise<unknown> =>
    devtools.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput,
    });
  await line(128 * 1024);
  const slow = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(2 * 1024 * 1024)], 'slow'));
    return data;
  });
  await page.dispatchEvent('.drop-zone', 'drop', { dataTransfer: slow });
  const progress = page.getByRole('progressbar', { name: 'slow sent' });
  await until('some of it is sent', async () => {
    const value = Number(await progress.getAttribute('value'));
    return value > 0 && value < 2 * 1024 * 1024;
  });
  await line(-1);
  await page.getByRole('link', { name: 'slow' }).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'note ü.txt' }).click();
  assert.equal(readFileSync(await (await download).path(), 'utf8'), 'dropped here');
  await node.json('files', 'put', join(folder, 'large'), 'photos/2026/');
  await page.getByRole('button', { name: '2026/' }).click();
  await page.getByRole('button', { name: 'Why 2026/large' }).click();
  await page.getByText('there is one storage only').waitFor();
  await page.getByRole('button', { name: 'Remove 2026/large' }).click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('Nothing is here yet').waitFor();
  await pagesAreForEverybody(browser, page, ['/storage', '/storage/photos']);
  // What an upload by another site's page would carry.
  const session = (await page.context().cookies()).find(({ name }) => name === 'moln_session');
  const at = { address: node.address, port: node.ports.api, host: `localhost:${node.ports.api}` };
  const cookie = `moln_session=${session?.value ?? ''}`;
  const foreign = await ask({
    ...at,
    method: 'PUT',
    path: '/files/photos/foreign',
    headers: { cookie, origin: 'http://evil.example' },
    body: 'x',
  });
  assert.equal(foreign.status, 403);
  const noted = readFileSync(join(node.dataFolder, 'logs', 'agent.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"Files are changed"'))
    .map(
      (line) =>
        JSON.parse(line) as Readonly<Record<'by' | 'method' | 'path', string> & { status: number }>,
    );
  const put = noted.find(
    ({ method, path }) => method === 'PUT' && path.startsWith('/files/photos/note'),
  );
  assert.ok(put !== undefined && put.by !== 'local', 'the log says who it was');
  assert.ok(put.status === 200 || put.status === 201, 'and how it ended');
  assert.ok(!noted.some(({ path }) => path.includes('foreign')), 'and of nobody else');
  const own = await ask({ ...at, path: '/files/photos/note%20%C3%BC.txt', headers: { cookie } });
  const { headers } = own;
  assert.deepEqual(
    [own.body, headers['content-security-policy'], headers['cross-origin-resource-policy']],
    ['dropped here', 'sandbox', 'same-origin'],
    'no page of this origin, nor a part of one of another',
  );
});
