/** Coalescing and streaming through the cache: what readers, origins and slow clients see of each other. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import {
  type Client,
  Gateway,
  proxyRoute,
  socketUpstream,
  startApp,
  until,
} from './gateway-kit.ts';

const MEMORY_BYTES: number = 64 * 1024 * 1024;
const LARGE_BYTES: number = 6 * 1024 * 1024;
const COLD_BYTES: number = 512 * 1024;
const CROWD = 100;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Stage {
  readonly gateway: Gateway;
  /** Requests that the origin saw, in order. */
  readonly asked: IncomingMessage[];
}

async function stageWith(t: TestContext, handler: Handler): Promise<Stage> {
  const gateway = await Gateway.start([]);
  t.after(() => gateway[Symbol.asyncDispose]());
  const asked: IncomingMessage[] = [];
  const path = await startApp(gateway, (request, response) => {
    asked.push(request);
    handler(request, response);
  });
  gateway.cache = { memoryBytes: MEMORY_BYTES };
  await gateway.route({ ...proxyRoute([socketUpstream(path)]), cache: {} });
  return { gateway, asked };
}

function ask(gateway: Gateway, path: string, lines = ''): Client {
  const client = gateway.connect();
  client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n${lines}Connection: close\r\n\r\n`);
  return client;
}

async function answerTo(client: Client): Promise<string> {
  await client.closed();
  return client.text;
}

function statusOf(text: string): string {
  return /^Cache-Status: (.*)\r$/m.exec(text)?.[1] ?? '';
}

test('a crowd for one cold object is one request at the origin', async (t) => {
  const go = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (request, response) => {
    const ready = request.url === '/cold' ? go.promise : Promise.resolve();
    void ready.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('x'.repeat(COLD_BYTES));
    });
  });
  const clients = Array.from({ length: CROWD }, () => ask(gateway, '/cold'));
  await until('the first request', () => asked.length > 0);
  await until('all to be there', () => gateway.plane.stats().connections === CROWD);
  // Whoever is there has said what they want before this one did.
  await answerTo(ask(gateway, '/other'));
  go.resolve();
  const answers = await Promise.all(clients.map(answerTo));
  assert.deepEqual(
    asked.map(({ url }) => url),
    ['/cold', '/other'],
  );
  for (const answer of answers) assert.ok(answer.endsWith('x'.repeat(1000)));
  const statuses = answers.map(statusOf);
  assert.equal(statuses.filter((one) => one.endsWith('; stored')).length, 1);
  assert.equal(statuses.filter((one) => one.endsWith('; collapsed')).length, CROWD - 1);
});

test('a crowd gets one answer, and each of it what he asked for', async (t) => {
  const go = Promise.withResolvers<void>();
  const rest = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (request, response) => {
    const ready = request.url === '/cold' ? go.promise : Promise.resolve();
    void ready.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.setHeader('Vary', 'Accept-Language');
      response.setHeader('ETag', '"one"');
      response.write(`${request.headers['accept-language'] ?? 'no'} language,`);
      void rest.promise.then(() => response.end('the end'));
    });
  });
  const askFor = (lines: string, version = '1.1'): Client => {
    const client = gateway.connect();
    client.send(`GET /cold HTTP/${version}\r\nHost: a.test\r\n${lines}\r\n`);
    return client;
  };
  const first = askFor('');
  await until('the first request', () => asked.length > 0);
  const [one, old, two] = [askFor(''), askFor('', '1.0'), askFor('')];
  const [known, last] = [askFor('If-None-Match: "one"\r\n'), askFor('Connection: close\r\n')];
  const [other, three] = [askFor('Accept-Language: sv\r\n'), askFor('')];
  const all = [first, one, old, two, known, last, other, three];
  await until('all to be there', () => gateway.plane.stats().connections === all.length);
  rest.resolve();
  await answerTo(ask(gateway, '/other'));
  go.resolve();
  const END = /the end\r\n0\r\n\r\n$/;
  for (const client of [first, one, two, other, three]) await client.see(END);
  assert.match(one.text, /^HTTP\/1\.1 200 .*\r\n\r\n[^\r]*\r\nno language,/s);
  assert.match(statusOf(one.text), /^Moln; fwd=uri-miss; ttl=\d+; collapsed$/);
  for (const client of [one, two, three]) assert.equal(headOf(client), headOf(one));
  assert.match(other.text, /sv language,/);
  assert.match(await answerTo(old), /\r\nConnection: close\r\n\r\nno language,the end$/);
  assert.match(await answerTo(last), /\r\nConnection: close\r\n.*\r\nno language,/s);
  await known.see(/^HTTP\/1\.1 304 [^]*\r\n\r\n$/);
  assert.equal(asked.filter(({ url }) => url === '/cold').length, 2);
  // Their connections go on.
  for (const client of [one, known]) {
    client.clear();
    client.send('GET /cold HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await client.see(/^HTTP\/1\.1 200 [^]*no language,the end$/);
    assert.match(statusOf(client.text), /^Moln; hit/);
  }
});

function headOf({ text }: Client): string {
  return text.slice(0, text.indexOf('\r\n\r\n'));
}

test('readers stream from what is on its way', async (t) => {
  const rest = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.write('first,');
    void rest.promise.then(() => response.end('rest'));
  });
  const one = ask(gateway, '/live');
  await one.see(/first,/);
  const two = ask(gateway, '/live');
  await two.see(/first,/);
  assert.match(statusOf(two.text), /hit/);
  rest.resolve();
  for (const client of [one, two]) assert.match(await answerTo(client), /first,.*rest/s);
  assert.equal(asked.length, 1);
  const three = await answerTo(ask(gateway, '/live'));
  assert.match(three, /\r\nContent-Length: 10\r\n/);
});

test('an answer that is not to be stored costs those who waited nothing', async (t) => {
  let open = 0;
  let most = 0;
  const all = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    most = Math.max(most, ++open);
    response.setHeader('Cache-Control', 'no-store');
    response.flushHeaders();
    // Nobody's body ends before all others have been asked for: whoever queued would wait for ever.
    void all.promise.then(() => {
      open--;
      response.end(`own ${asked.length}`);
    });
    if (asked.length === CROWD) all.resolve();
  });
  const clients = Array.from({ length: CROWD }, () => ask(gateway, '/mine'));
  for (const answer of await Promise.all(clients.map(answerTo))) {
    assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.match(statusOf(answer), /detail=no-store$/);
  }
  assert.equal(asked.length, CROWD);
  assert.equal(most, CROWD);
});

test('the first reader leaves, and harms nobody', async (t) => {
  const go = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    void go.promise.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('for the others');
    });
  });
  const first = ask(gateway, '/left');
  await until('the request', () => asked.length === 1);
  const others = [ask(gateway, '/left'), ask(gateway, '/left')];
  await until('all to be there', () => gateway.plane.stats().connections === 3);
  first.socket.resetAndDestroy();
  await until('the first to be gone', () => gateway.plane.stats().connections === 2);
  go.resolve();
  for (const other of others) assert.match(await answerTo(other), /for the others$/);
  assert.equal(asked.length, 1);
});

test('a request that nobody waits for any more is given up at the origin too', async (t) => {
  let closed = 0;
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.once('close', () => closed++);
  });
  const client = ask(gateway, '/slow');
  await until('the request', () => asked.length === 1);
  client.socket.resetAndDestroy();
  await until('the origin to see it', () => closed === 1);
});

test('a slow reader holds up no other', async (t) => {
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(Buffer.alloc(LARGE_BYTES, 'y'));
  });
  const slow = ask(gateway, '/large');
  await until('the request', () => asked.length === 1);
  slow.socket.pause();
  const quick = await answerTo(ask(gateway, '/large'));
  assert.ok(quick.length > LARGE_BYTES);
  slow.socket.resume();
  assert.equal(
    (await answerTo(slow)).length - quick.indexOf('\r\n\r\n') > LARGE_BYTES - 1000,
    true,
  );
  assert.equal(asked.length, 1);
});

test('an answer that breaks off is seen as broken, and is not stored', async (t) => {
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('Content-Length', 100);
    response.write('only a part');
    if (asked.length === 1) setImmediate(() => response.destroy());
    else response.end('z'.repeat(89));
  });
  const broken = await answerTo(ask(gateway, '/broken'));
  assert.ok(!broken.includes('z'));
  const whole = await answerTo(ask(gateway, '/broken'));
  assert.match(whole, /only a partz{89}$/);
  assert.equal(asked.length, 2);
});

test('an origin that fails is asked once for all who wait', async (t) => {
  const go = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (request) => {
    void go.promise.then(() => request.socket.destroy());
  });
  const clients = Array.from({ length: 10 }, () => ask(gateway, '/gone'));
  await until('all to be there', () => gateway.plane.stats().connections === 10);
  await until('the request', () => asked.length === 1);
  go.resolve();
  for (const answer of await Promise.all(clients.map(answerTo))) {
    assert.match(answer, /^HTTP\/1\.1 502 /);
  }
  assert.equal(asked.length, 1);
});

test('who asks with cookies or credentials waits for nobody and shares nothing', async (t) => {
  const { gateway, asked } = await stageWith(t, (request, response) => {
    response.end(`for ${request.headers.authorization ?? 'nobody'}`);
  });
  const one = ask(gateway, '/me', 'Authorization: one\r\n');
  const two = ask(gateway, '/me', 'Authorization: two\r\n');
  assert.match(await answerTo(one), /for one$/);
  assert.match(await answerTo(two), /for two$/);
  assert.equal(asked.length, 2);
});

test('a piece of what is on its way is answered to who asked for it, whatever others ask meanwhile', async (t) => {
  const go = Promise.withResolvers<void>();
  const { gateway, asked } = await stageWith(t, (request, response) => {
    const ready = request.url === '/slow' ? go.promise : Promise.resolve();
    void ready.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.setHeader('ETag', '"a"');
      response.end('0123456789');
    });
  });
  const piece = ask(gateway, '/slow', 'Range: bytes=2-4\r\n');
  await until('the first request', () => asked.length > 0);
  const other = await answerTo(ask(gateway, '/other', 'If-None-Match: "a"\r\n'));
  assert.match(other, /^HTTP\/1.1 304 /);
  go.resolve();
  const answer = await answerTo(piece);
  assert.match(answer, /^HTTP\/1.1 206 .*\r\n\r\n234$/s);
});

test('of what Connection names nobody else hears', async (t) => {
  const { gateway, asked } = await stageWith(t, (request, response) => {
    response.setHeader('Cache-Control', 'max-age=60').setHeader('Vary', 'X-Plan');
    response.end(`for ${request.headers['x-plan'] as string | undefined}`);
  });
  const get = async (lines: string): Promise<string> => {
    const client = ask(gateway, '/plans', lines);
    await client.closed();
    return client.text.slice(client.text.indexOf('\r\n\r\n') + 4);
  };
  assert.equal(await get('X-Plan: gold\r\nConnection: X-Plan\r\n'), 'for undefined');
  assert.equal(await get('X-Plan: gold\r\n'), 'for gold');
  assert.equal(await get(''), 'for undefined');
  assert.equal(await get('X-Plan: gold\r\nConnection: x-plan, keep-alive\r\n'), 'for undefined');
  assert.equal(asked.length, 2);
});

test('a GET that says that it has no body is answered from the store', async (t) => {
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60').end('all');
  });
  for (const lines of ['', 'Content-Length: 0\r\n', 'Content-Length: 0\r\n']) {
    const client = ask(gateway, '/empty', lines);
    await client.closed();
    assert.match(client.text, /\r\n\r\nall$/);
  }
  assert.equal(asked.length, 1);
});

test('routes do not answer for each other', async (t) => {
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(`answer ${asked.length}`);
  });
  const path = await startApp(
    gateway,
    (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('the other route');
    },
    'other',
  );
  assert.match(await answerTo(ask(gateway, '/same')), /answer 1$/);
  assert.match(await answerTo(ask(gateway, '/same')), /answer 1$/);
  await gateway.route({ ...proxyRoute([socketUpstream(path, 'two')]), id: 'app/other', cache: {} });
  assert.match(await answerTo(ask(gateway, '/same')), /the other route$/);
});

test('a hot answer over one connection stays right, until it is made untrue', async (t) => {
  const { gateway, asked } = await stageWith(t, (request, response) => {
    if (request.method === 'GET') response.setHeader('Cache-Control', 'max-age=60');
    response.end(`made ${asked.length}`);
  });
  const client = gateway.connect();
  const get = async (lines = ''): Promise<string> => {
    client.clear();
    client.send(`GET /hot HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`);
    await client.see(/made \d+$/);
    return client.text;
  };
  for (let count = 0; count < 6; count++) {
    const answer = await get();
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*\r\nContent-Length: 6\r\n.*\r\n\r\nmade 1$/s);
    if (count > 0) assert.match(statusOf(answer), /^Moln; hit; ttl=\d+$/);
  }
  // Who wants something else does not get what is ready.
  assert.match(await get('Cache-Control: no-cache\r\n'), /made 2$/);
  client.clear();
  client.send('POST /hot HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n');
  await client.see(/made 3$/);
  assert.match(await get(), /made 4$/);
  assert.match(await get(), /made 4$/);
});

test('what is on disk outlives the process; a folder that cannot be used refuses the config', async (t) => {
  const { gateway, asked } = await stageWith(t, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(`made ${asked.length}`);
  });
  const route = gateway.plane.table().route('app/test')?.config;
  assert.ok(route !== undefined);
  const disk = { path: `${gateway.folder}/cache`, bytes: MEMORY_BYTES };
  gateway.cache = { memoryBytes: MEMORY_BYTES, disk };
  await gateway.route(route);
  assert.match(await answerTo(ask(gateway, '/kept')), /made 1$/);
  assert.match(await answerTo(ask(gateway, '/kept')), /made 1$/);
  // Another size: the cache is closed, and opened anew on what it left.
  gateway.cache = { memoryBytes: MEMORY_BYTES / 2, disk };
  await gateway.route(route);
  const kept = await answerTo(ask(gateway, '/kept'));
  assert.match(kept, /made 1$/);
  assert.match(statusOf(kept), /hit/);
  assert.equal(asked.length, 1);

  writeFileSync(`${gateway.folder}/file`, '');
  const before = gateway.cache;
  gateway.cache = { memoryBytes: MEMORY_BYTES, disk: { ...disk, path: `${gateway.folder}/file` } };
  await assert.rejects(gateway.route(route), /file/);
  gateway.cache = before;
  await gateway.route(route);
  assert.match(await answerTo(ask(gateway, '/kept')), /made 1$/);
});
