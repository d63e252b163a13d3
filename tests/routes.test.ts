/** Routes and listeners of a cluster of one node, as a person sets them. */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ListenerDetail, RouteDetail } from '../src/api/api.ts';
import { appFolder, nodeApp, writeFiles } from '../testing/app-folder.ts';
import { freePorts } from '../testing/free-ports.ts';
import { ask } from '../testing/http.ts';
import { step } from '../testing/step.ts';
import { TestNode } from '../testing/test-node.ts';
import { until } from '../testing/until.ts';
import { askHost, firstWords, startServer, startTcp } from './routes-kit.ts';

const HTML = '<h1>Not here, sorry</h1>';

function basic(name: string, password: string): Readonly<Record<string, string>> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

function hashOf(password: string): string {
  const salt = Buffer.from('0123456789abcdef');
  const hash = scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 });
  const text = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
  return `$scrypt$ln=10,r=8,p=1$${text(salt)}$${text(hash)}`;
}

/** The sentence with which the command fails. */
async function refusal(node: TestNode, ...words: readonly string[]): Promise<string> {
  const { code, stderr } = await node.cli(...words);
  assert.notEqual(code, 0, `"moln ${words.join(' ')}" should have been refused`);
  return stderr.trim();
}

test('routes are set, shown, changed and removed', async (t) => {
  await using node = await TestNode.start(t);
  const [one, two] = [await startServer(t, 'one'), await startServer(t, 'two')];
  const host = 'shop.example.org';

  await step(t, 'a route of a few words', async () => {
    const { code, stdout } = await node.cli(
      'route',
      'set',
      'shop',
      `host=${host}`,
      `upstreams=${one}`,
    );
    assert.equal(code, 0);
    assert.match(stdout, /^Route "shop" is in use on /);
    assert.match((await askHost(node, host)).body, /^one \/ /);
    assert.equal((await askHost(node, 'other.example.org')).status, 404);
  });

  await step(t, 'changed keys leave the others alone', async () => {
    await node.json(
      'route',
      'set',
      'shop',
      'cache=true',
      `upstreams=[${one}, ${two}]`,
      'balance=round-robin',
    );
    const { written } = await node.json<RouteDetail>('route', 'show', 'shop');
    assert.deepEqual(written, { host, upstreams: [one, two], cache: true, balance: 'round-robin' });
    const bodies = [(await askHost(node, host)).body, (await askHost(node, host)).body];
    assert.deepEqual(bodies.map((body) => body.slice(0, 3)).sort(), ['one', 'two']);
    const kept = await askHost(node, host, '/kept');
    assert.equal(
      (await askHost(node, host, '/kept')).headers['cache-status']?.includes('hit'),
      true,
    );
    assert.equal((await askHost(node, host, '/kept')).body, kept.body);
    await node.json('cache', 'purge', '--route', 'shop');
    assert.notEqual((await askHost(node, host, '/kept')).body, kept.body);
    await node.json('route', 'set', 'shop', 'balance=', `upstreams=${two}`);
    assert.match((await askHost(node, host)).body, /^two /);
  });

  await step(t, 'files that a route names go with it, and hashes are not shown', async () => {
    const folder = appFolder(t, {
      'users.txt': `# staff\nada:${hashOf('secret')}\n`,
      '404.html': HTML,
      'site.yml': `host: site.example.org
respond: { status: 404 }
errors: { 404: 404.html }
auth: { basic: { realm: Staff, users: users.txt } }
`,
    });
    await node.json('route', 'set', 'site', '--file', join(folder, 'site.yml'));
    assert.equal((await askHost(node, 'site.example.org')).status, 401);
    const inside = await askHost(node, 'site.example.org', '/', basic('ada', 'secret'));
    assert.deepEqual([inside.status, inside.body], [404, HTML]);
    const shown = await node.cli('route', 'show', 'site');
    assert.match(shown.stdout, /ada:\(kept\)/);
    assert.doesNotMatch(shown.stdout, /scrypt/);
    writeFiles(folder, { 'shown.yml': shown.stdout });
    await node.json('route', 'set', 'site', '--file', join(folder, 'shown.yml'));
    const again = await askHost(node, 'site.example.org', '/', basic('ada', 'secret'));
    assert.equal(again.status, 404, 'the hash was kept');
  });

  await step(t, 'what is wrong is refused with one sentence, and nothing changes', async () => {
    const refused = (...words: readonly string[]): Promise<string> =>
      refusal(node, 'route', 'set', ...words);
    assert.match(
      await refused('x', 'host=x.example', 'upstream=http://a'),
      /Unknown key "upstream": did you mean "upstreams"/,
    );
    assert.match(
      await refused('x', 'host=x.example'),
      /The route has none of them, want one of upstreams, app,/,
    );
    assert.match(await refused('x', `upstreams=${one}`), /Key "host" is missing/);
    assert.match(
      await refused('x', 'host=x.example', 'static.root=/srv'),
      /"static.root" names a file, which only one machine has.*moln deploy DIR/s,
    );
    assert.match(
      await refused('x', 'host=x.example', 'upstreams=unix:/run/x'),
      /a socket that only one machine has/,
    );
    assert.match(
      await refused('x', `host=${host}`, `upstreams=${two}`),
      /Route "shop" already has host "shop.example.org" with path "\/"/,
    );
    assert.match(
      await refused('x', 'host=localhost', `upstreams=${two}`),
      /"localhost" cannot be the host of a route/,
    );
    assert.match(await refused('x', 'host=*', `upstreams=${two}`), /can only redirect or respond/);
    assert.match(await refused('x', 'host=x.example', 'app=nobody'), /There is no app "nobody"/);
    assert.match(await refused('X', 'host=x.example', 'app=nobody'), /Name "X" is not valid/);
    assert.match(await refused('shop', 'rate.requests=5'), /Key "rate.per" is missing/);
    assert.match(await refusal(node, 'route', 'check', 'shop', 'path=api'), /Key "path" is "api"/);
    assert.match(await refusal(node, 'route', 'show', 'shpo'), /Did you mean "shop"\?/);
    const names = (await node.json<readonly RouteDetail[]>('route', 'list')).map(
      ({ name }) => name,
    );
    assert.deepEqual(names, ['shop', 'site']);
    assert.match((await askHost(node, host)).body, /^two /);
  });

  await step(t, 'an upstream that does not answer is named', async () => {
    const [port = 0] = await freePorts('127.0.0.1', 1);
    const dead = `http://127.0.0.1:${port}`;
    await node.json(
      'route',
      'set',
      'shop',
      `upstreams=[${two},${dead}]`,
      'health={path: /, interval: 100ms}',
    );
    await until('the dead one to be seen', async () => {
      const { troubles } = await node.json<RouteDetail>('route', 'show', 'shop');
      return troubles.length === 1 && troubles[0]?.includes(`"${dead}" does not answer on`);
    });
    assert.match((await askHost(node, host)).body, /^two /);
  });

  await step(t, 'gone is gone, and told', async () => {
    await node.json('route', 'remove', 'shop');
    assert.equal((await askHost(node, host)).status, 404);
    const { stdout } = await node.cli('events');
    assert.match(stdout, /Route "shop" was set by local/);
    assert.match(stdout, /Route "shop" was removed by local/);
  });
});

test('a route says more about a host of an app', async (t) => {
  await using node = await TestNode.start(t);
  const folder = appFolder(t, nodeApp(`'version one ' + request.url`));
  await node.json('deploy', folder, '--name', 'blog', '--domain', 'www.example.org');
  const other = await startServer(t, 'api');

  await node.json(
    'route',
    'set',
    'blog',
    'host=www.example.org',
    'app=blog',
    'headers.response.set.X-Frame-Options=DENY',
    'rewrite.prefix=/v1',
  );
  const answer = await askHost(node, 'www.example.org', '/page');
  assert.deepEqual(
    [answer.body, answer.headers['x-frame-options']],
    ['version one /v1/page', 'DENY'],
  );
  assert.equal(
    (await node.get('blog', '/page')).body,
    'version one /page',
    'its own host is as before',
  );

  await node.json('route', 'set', 'api', 'host=www.example.org', 'path=/api', `upstreams=${other}`);
  assert.match((await askHost(node, 'www.example.org', '/api/x')).body, /^api \/api\/x/);
  assert.match(
    await refusal(node, 'route', 'set', 'thief', 'host=blog.localhost', `upstreams=${other}`),
    /App "blog" already has host "blog.localhost" with path "\/".*"app: blog"/s,
  );

  await node.json(
    'route',
    'set',
    'soon',
    'host=soon.example.org',
    'redirect.to=https://example.org$uri',
  );
  assert.match(
    await refusal(node, 'deploy', folder, '--name', 'soon', '--domain', 'soon.example.org'),
    /Route "soon" already has host "soon.example.org"/,
  );

  await node.json('app', 'blog', 'stop');
  const stopped = await askHost(node, 'www.example.org', '/page');
  assert.deepEqual([stopped.status, stopped.headers['x-frame-options']], [503, 'DENY']);
  await node.json('app', 'blog', 'remove', '--yes');
  assert.equal((await askHost(node, 'www.example.org', '/page')).status, 503);
  const [, blog] = await node.json<readonly RouteDetail[]>('route', 'list');
  assert.deepEqual(blog?.troubles, ['There is no app "blog"']);
});

test('listeners open ports, or say why not', async (t) => {
  await using node = await TestNode.start(t);
  const { address } = node;
  const [tcp = 0, http = 0, taken = 0, free = 0] = await freePorts(address, 4);
  const upstream = await startTcp(t, 'hello');
  const server = await startServer(t, 'one');

  await node.json(
    'listener',
    'set',
    'mail',
    `port=${tcp}`,
    'protocol=tcp',
    `upstreams=${upstream}`,
  );
  assert.equal(await firstWords(address, tcp), 'hello');
  await node.json('listener', 'set', 'alt', `port=${http}`);
  await node.json('route', 'set', 'shop', 'host=shop.example.org', `upstreams=${server}`);
  const alt = await ask({ address, port: http, host: 'shop.example.org', path: '/' });
  assert.match(alt.body, /^one /);

  const holder = createServer();
  await new Promise<void>((done) => holder.listen(taken, address, done));
  const words = [
    'listener',
    'set',
    'more',
    `port=${taken}`,
    'protocol=tcp',
    `upstreams=${upstream}`,
  ];
  assert.match(await refusal(node, ...words), new RegExp(`Port ${taken} is taken by`));
  const same = ['listener', 'set', 'more', `port=${tcp}`, 'protocol=tcp', `upstreams=${upstream}`];
  assert.match(await refusal(node, ...same), /Listener "mail" already has port/);
  const own = ['listener', 'set', 'more', `port=${node.ports.http}`];
  assert.match(await refusal(node, ...own, 'protocol=https'), /The gateway itself already has/);
  // A listener of the gateway's own is changed like any other, and is what it was when the record goes.
  const home = { address, port: node.ports.http, host: 'shop.example.org', path: '/' };
  await node.json(...own, 'redirect=https');
  assert.equal((await ask(home)).status, 308);
  await node.json('listener', 'remove', 'more');
  assert.match((await ask(home)).body, /^one /);
  const pem = [
    'listener',
    'set',
    'more',
    `port=${taken}`,
    'protocol=https',
    'tls={cert: a, key: b}',
  ];
  assert.match(await refusal(node, ...pem), /"tls" is for the file of a gateway by itself/);
  assert.match(await refusal(node, 'listener', 'set', 'more', 'port=0'), /Key "port" is 0/);
  assert.match(await refusal(node, 'listener', 'check', 'more', 'port=0'), /Key "port" is 0/);
  const { stdout } = await node.cli('listener', 'check', 'more', `port=${free}`, 'protocol=http');
  assert.match(stdout, /^Listener "more" is good$/m);

  // Somebody takes the port while the node is down: the rest serves all the same.
  await node.json('listener', 'remove', 'mail');
  await assert.rejects(firstWords(address, tcp));
  await node.json(
    'listener',
    'set',
    'mail',
    `port=${tcp}`,
    'protocol=tcp',
    `upstreams=${upstream}`,
  );
  await node.stop();
  const thief = createServer();
  await new Promise<void>((done) => thief.listen(tcp, address, done));
  await node.restart();
  const listeners = await node.json<readonly ListenerDetail[]>('listener', 'list');
  const mail = listeners.find(({ name }) => name === 'mail');
  assert.match(mail?.troubles[0]?.message ?? '', new RegExp(`Port ${tcp} is taken by`));
  assert.match((await node.status()).sentence, /listener "mail" is not open on/i);
  await new Promise((done) => thief.close(done));
  holder.close();
});
