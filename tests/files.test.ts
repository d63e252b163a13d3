/** Files on one machine, as a user has them: `moln files`, `moln storage`, and native HTTP with a token. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runQuietly } from '../scripts/run.ts';
import { type Answer, ask } from '../testing/http.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';

interface Df {
  readonly storages: readonly { readonly name: string; readonly state: string }[];
  readonly buckets: readonly { readonly name: string; readonly bytes: number }[];
  readonly repair: { readonly missing: number };
}

interface Storage {
  readonly state: string;
  readonly sentence: string;
  readonly places: readonly { readonly name: string; readonly freeBytes: number }[];
  readonly buckets: readonly { readonly name: string; readonly bytes: number }[];
  readonly copies?: {
    readonly counts: readonly Record<'wanted' | 'valid' | 'blocks', number>[];
    readonly lacking: { readonly blocks: number };
  };
}

interface Work {
  readonly repair: { readonly rate?: number; readonly missing: number; readonly copied: number };
  readonly workers: readonly { readonly name: string }[];
}

interface Why {
  readonly copies: number;
  readonly isSatisfied: boolean;
  readonly sentence: string;
}

test('files of one machine', async (t) => {
  await using node = await TestNode.start(t);
  const folder = mkdtempSync(join(tmpdir(), 'moln-files-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const large = Buffer.alloc(9 * 1024 * 1024 + 7, 'moln');
  writeFileSync(join(folder, 'large'), large);
  writeFileSync(join(folder, 'small.txt'), 'small');

  const { token } = await node.json<{ token: string }>(
    'token',
    'create',
    '--name',
    'app',
    '--scope',
    'deploy',
  );
  const authorization = `Bearer ${token}`;
  const api = {
    address: node.address,
    port: node.ports.api,
    host: `localhost:${node.ports.api}`,
  };
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    ask({ ...api, path, headers });
  const storage = async (): Promise<Storage> =>
    JSON.parse((await get('/api/storage', { authorization })).body) as Storage;

  assert.equal((await storage()).state, 'unused');
  assert.equal(
    node.processes().some(({ command }) => command.includes('files-main')),
    false,
  );
  await node.json('files', 'create', 'photos');
  assert.deepEqual(
    await node.json('db', 'list'),
    [],
    'the catalogue is not among the databases of people',
  );

  await node.json('files', 'put', join(folder, 'large'), 'photos/2026/');
  await node.json('files', 'put', join(folder, 'small.txt'), 'photos/');
  const list = await node.json<{ objects: { key: string }[]; prefixes: string[] }>(
    'files',
    'ls',
    'photos',
  );
  assert.deepEqual([list.objects.map(({ key }) => key), list.prefixes], [['small.txt'], ['2026/']]);
  await node.json('files', 'get', 'photos/2026/large', join(folder, 'back'));
  assert.deepEqual(readFileSync(join(folder, 'back')), large);

  await node.json('files', 'mv', 'photos/small.txt', 'photos/note');
  await node.json('files', 'append', 'photos/note', join(folder, 'small.txt'));
  await node.json('files', 'rm', 'photos/note');
  assert.match((await node.cli('files', 'cat', 'photos/note')).stderr, /There is no "note"/);
  await node.json('files', 'undelete', 'photos/note');
  assert.equal((await node.cli('files', 'cat', 'photos/note')).stdout, 'smallsmall');

  await node.json('files', 'quota', 'photos', '9MB');
  assert.match((await node.cli('files', 'quota', 'photos')).stdout, /may hold .+; it holds .+/);
  const refused = await node.cli('files', 'put', join(folder, 'large'), 'photos/again');
  assert.match(refused.stderr, /FILES_QUOTA|may hold/);

  const one = await node.json<Why>('files', 'why', 'photos/2026/large');
  assert.deepEqual([one.copies, one.isSatisfied], [1, false]);
  assert.match(one.sentence, /there is one storage only/);
  const lone = await until('the blocks are counted', async () => {
    const seen = await storage();
    return seen.copies?.lacking.blocks === 2 ? seen : undefined;
  });
  assert.match(lone.sentence, /^Files have one copy, for there is one storage/);
  assert.deepEqual(
    lone.copies?.counts.map(({ wanted, valid, blocks }) => [wanted, valid, blocks]),
    [[2, 1, 2]],
  );
  const { warnings } = await node.json<{ warnings: readonly string[] }>('status');
  assert.match(warnings.join(), /Files have one copy/);
  await node.json('storage', 'add', join(folder, 'spare'), '--limit', '1GB');
  const hasCopies = async (): Promise<boolean> => {
    const { body } = await get('/files/photos/2026/large?why', { authorization });
    return (JSON.parse(body) as Why).isSatisfied;
  };
  await until('repair has made the second copies', hasCopies);
  const df = await node.json<Df>('files', 'df');
  assert.deepEqual(
    df.storages.map(({ state }) => state),
    ['good', 'good'],
  );
  assert.equal(df.repair.missing, 0);
  await until('all copies are counted', async () => {
    const { copies, sentence } = await storage();
    return copies?.lacking.blocks === 0 && sentence.startsWith('Every block has');
  });
  const { places, buckets } = await storage();
  assert.deepEqual([places.length, buckets[0]?.name], [2, 'photos']);
  assert.ok(places.every(({ freeBytes }) => freeBytes > 0));
  const metrics = (await get('/metrics', { authorization })).body;
  assert.match(metrics, /^moln_files_blocks\{(?=.*valid="2").*wanted="2".*\} 2$/m);
  assert.match(metrics, /^moln_files_place_free_bytes\{place="spare"\} \d+$/m);
  assert.match(metrics, /^moln_files_bucket_bytes\{bucket="photos"\} \d+$/m);

  const spare = join(folder, 'spare', 'd');
  const [block = ''] = readdirSync(spare, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  truncateSync(block, 1000);
  const scrub = await node.cli('files', 'scrub', '--json');
  assert.deepEqual(
    [scrub.code, (JSON.parse(scrub.stdout) as { damaged: number }).damaged],
    [1, 1],
    'a damaged copy is found',
  );
  await until('the damaged copy is made anew', hasCopies);
  const work = await node.json<Work>('files', 'repair', '--rate', '50MB');
  assert.deepEqual([work.repair.rate, work.repair.missing], [50_000_000, 0]);
  assert.ok(work.repair.copied >= 3);
  assert.ok(work.workers.some(({ name }) => name === 'files-inventory'));

  const { accessKeyId, secretAccessKey } = await node.json<Record<string, string>>(
    'files',
    'keys',
    'create',
  );
  assert.match(accessKeyId ?? '', /^MK/);
  assert.ok((secretAccessKey ?? '').length >= 40);
  const path = '/files/photos/2026/large';
  const part = await get(path, { authorization, range: 'bytes=8388606-8388611' });
  assert.equal(part.status, 206);
  assert.equal(part.body, large.subarray(8388606, 8388612).toString());
  const etag = `"${createHash('md5').update(large).digest('hex')}"`;
  const same = await get(path, { authorization, 'if-none-match': etag });
  assert.equal(same.status, 304);
  assert.equal((await get(path)).status, 401);
  // Large enough to be led past the agent's own server.
  await node.json('files', 'create', 'large');
  const put = (to: string, headers: Readonly<Record<string, string>>): Promise<Answer> =>
    ask({ ...api, method: 'PUT', path: to, headers, body: large });
  const stored = await put('/files/large/by-token', { authorization, 'content-type': 'a/b' });
  assert.equal(stored.status, 201, stored.body);
  const stays = await get('/files/large/by-token', { authorization });
  assert.equal(stays.headers['content-type'], 'a/b');
  assert.equal(stays.body, large.toString());
  const strange = await put('/files/large/by-nobody', {
    authorization: 'Bearer strange',
    'x-moln-local': '1',
  });
  assert.equal(strange.status, 401);
  assert.match(strange.body, /FILES_UNAUTHORIZED/);
  assert.equal((await put('/files/nowhere/large', { authorization })).status, 404);
  assert.equal((await get('/files/large/by-nobody', { authorization })).status, 404);
  const full = await put('/files/photos/by-token', { authorization });
  assert.equal(full.status, 507);
  assert.match(full.body, /FILES_QUOTA/);

  const site = join(folder, 'site');
  mkdirSync(join(site, 'img'), { recursive: true });
  writeFileSync(join(site, 'index.html'), 'hello');
  writeFileSync(join(site, 'note'), 'stays');
  writeFileSync(join(site, 'img', 'ü 1%.png'), 'picture');
  await node.json('files', 'create', 'www');
  const sync = (...words: readonly string[]): Promise<unknown> =>
    node.json('files', 'sync', ...words);
  const all = ['img/ü 1%.png', 'index.html', 'note'];
  assert.deepEqual(await sync(site, 'www/v1'), { copied: all, removed: [], same: 0 });
  writeFileSync(join(site, 'index.html'), 'Hello');
  rmSync(join(site, 'img'), { recursive: true });
  const changed = { copied: ['index.html'], removed: ['img/ü 1%.png'], same: 1 };
  const told = await node.cli('files', 'sync', site, 'www/v1', '--delete', '--dry-run');
  assert.equal(told.stdout, '1 file to copy, 1 to remove, 1 alike\n');
  assert.equal(told.stderr, '  index.html\n  img/ü 1%.png, to remove\n');
  assert.deepEqual(await sync(site, 'www/v1', '--delete'), changed, 'as long, and another one');
  const down = join(folder, 'down');
  mkdirSync(join(down, 'v1'), { recursive: true });
  writeFileSync(join(down, 'v1', 'note'), 'stays');
  assert.deepEqual(await sync('www', down), { copied: ['v1/index.html'], removed: [], same: 1 });
  const mistyped = await node.cli('files', 'sync', 'www/v2', down, '--delete');
  assert.match(mistyped.stderr, /Nothing is in "www\/v2"/);
  assert.equal(readFileSync(join(down, 'v1', 'index.html'), 'utf8'), 'Hello');

  const www = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> =>
    ask({ address: node.address, port: node.ports.http, host: 'www.example.org', path, headers });
  await node.json('files', 'website', 'www', '--error', 'v1/note');
  assert.equal((await www('/v1/')).status, 404, 'no host leads to it');
  const shown = await node.json('files', 'website', 'www', '--domain', 'www.example.org');
  const website = { index: 'index.html', error: 'v1/note', rules: [] };
  assert.deepEqual(shown, { bucket: 'www', website, hosts: ['www.example.org'] });
  const home = await www('/v1/?x=1');
  assert.deepEqual(
    [home.status, home.body, home.headers['content-type']],
    [200, 'Hello', 'text/html; charset=utf-8'],
  );
  const [moved, missing, piece, again] = await Promise.all([
    www('/v1'),
    www('/v1/nothing'),
    www('/v1/', { range: 'bytes=1-2' }),
    www('/v1/', { 'if-none-match': String(home.headers.etag) }),
  ]);
  assert.deepEqual([moved.status, moved.headers.location], [302, '/v1/']);
  assert.deepEqual([missing.status, missing.body], [404, 'stays']);
  assert.deepEqual([piece.status, piece.body, again.status], [206, 'el', 304]);
  assert.match(String(home.headers['cache-status']), /stored/);
  const asS3 = await www('/v1/note', { 'x-amz-expected-bucket-owner': 'nobody' });
  assert.equal(asS3.status, 200, 'caches would give a refusal to everybody');
  const cut = await www('/v1/none', { range: 'bytes=0-1' });
  assert.deepEqual([cut.status, cut.body], [404, 'stays'], 'a range of what is not there');
  const other = await www('/v1/', { 'x-moln-bucket': 'photos' });
  assert.equal(other.body, 'Hello', 'the route says which bucket');
  const tls = ['--resolve', `www.example.org:${node.ports.https}:${node.address}`];
  const secure = await runQuietly(
    ['curl', '-sk', ...tls, `https://www.example.org:${node.ports.https}/v1/`],
    { timeoutMs: 20_000 },
  );
  assert.equal(secure.output, 'Hello');
  writeFileSync(join(site, 'index.html'), 'Anew');
  await sync(site, 'www/v1');
  await until('what is new is shown', async () => (await www('/v1/')).body === 'Anew');
  const off = await node.json('files', 'website', 'www', '--off');
  assert.deepEqual(off, { bucket: 'www', website: null, hosts: [] });
  assert.equal((await www('/v1/')).status, 404);

  const blocks = (): ReadonlySet<string> =>
    new Set(
      readdirSync(spare, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
  const others = blocks();
  await node.json('files', 'create', 'once');
  await node.json('files', 'policy', 'once', '1 copy: spare');
  await node.json('files', 'put', join(folder, 'large'), 'once/large');
  for (const path of blocks()) if (!others.has(path)) rmSync(path);
  const gone = await node.cli('files', 'get', 'once/large', join(folder, 'back'));
  assert.match(gone.stderr, /No copy of block .* can be read now/);

  await node.json('storage', 'remove', 'spare');
  await until('it is said what the storage is not emptied of', async () =>
    /keeps what bucket photos has no other storage for: its policy is "2 copies"/.test(
      (await node.cli('storage', 'list')).stderr,
    ),
  );

  await node.kill();
  await node.restart();
  await node.json('files', 'get', 'photos/2026/large', join(folder, 'back'));
  assert.deepEqual(readFileSync(join(folder, 'back')), large);
});
