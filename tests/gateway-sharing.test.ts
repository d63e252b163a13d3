/** One request at the origin, whoever is asked: caches of several gateway processes, nodes and regions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SHARING } from '../src/gateway/limits.ts';
import { type Gateway, until } from './gateway-kit.ts';
import {
  answerTo,
  ask,
  bodyOf,
  get,
  type Handler,
  SharingGateways,
  statusOf,
} from './gateway-sharing-kit.ts';

/** Of one node. */
const PROCESSES = 4;
const COLD_BYTES: number = 512 * 1024;
const CROWD = 200;

test('two processes of one machine ask the origin once', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('shared');
  });
  for (let path = 0; path < 10; path++) {
    for (const gateway of gateways.all) {
      const text = await get(gateway, `/${path}`);
      assert.equal(bodyOf(text), 'shared', text);
    }
  }
  assert.equal(gateways.asked.length, 10);
});

test('processes that do not share ask the origin each', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('own');
  });
  for (const gateway of gateways.all) {
    gateway.cache = { memoryBytes: 64 * 1024 * 1024, share: false };
  }
  await gateways.share(() => true);
  for (let path = 0; path < 4; path++) {
    for (const gateway of gateways.all) await get(gateway, `/${path}`);
    for (const gateway of gateways.all) {
      assert.match(statusOf(await get(gateway, `/${path}`)), /^Moln; hit/);
    }
  }
  assert.equal(gateways.asked.length, 8);
});

test('a crowd at three gateways with two processes each is one request at the origin', async () => {
  const go = Promise.withResolvers<void>();
  const nodes = [{ workers: 2 }, { workers: 2 }, { workers: 2 }];
  await using gateways = await SharingGateways.start(nodes, (_request, response) => {
    void go.promise.then(() => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('x'.repeat(COLD_BYTES));
    });
  });
  const { all } = gateways;
  const clients = Array.from({ length: CROWD }, (_, at) => ask(all[at % all.length], '/cold'));
  await until('the first request', () => gateways.asked.length > 0);
  const open = (): number => all.reduce((sum, { plane }) => sum + plane.stats().connections, 0);
  await until('all to be there', () => open() === CROWD);
  go.resolve();
  const answers = await Promise.all(clients.map(answerTo));
  for (const answer of answers) assert.equal(bodyOf(answer), 'x'.repeat(COLD_BYTES));
  assert.equal(gateways.asked.length, 1);
  const statuses = answers.map(statusOf);
  assert.ok(
    statuses.some((one) => one.startsWith('Moln-Owner; fwd=uri-miss')),
    statuses[0],
  );
});

const TWO = [{ workers: 1 }, { workers: 1 }];
const REGIONS = [
  { region: 'east', workers: 2 },
  { region: 'west', workers: 2 },
];
/** Enough that every process owns some. */
const PATHS = Array.from({ length: 12 }, (_, at) => `/${at}`);

test('over regions too the origin is asked once, by way of the owner of the region', async () => {
  await using gateways = await SharingGateways.start(REGIONS, (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('far');
  });
  const seen = new Set<string>();
  for (const path of PATHS) {
    for (const gateway of gateways.all) {
      const text = await get(gateway, path);
      assert.equal(bodyOf(text), 'far', text);
      seen.add(statusOf(text).replaceAll(/;[^,]*/g, ''));
    }
  }
  assert.equal(gateways.asked.length, PATHS.length);
  assert.ok(seen.has('Moln-Owner, Moln-Region, Moln'), [...seen].join('\n'));
});

test('an answer that is not to be stored costs those who waited nothing', async () => {
  let open = 0;
  const all = Promise.withResolvers<void>();
  const crowd = 60;
  await using gateways = await SharingGateways.start(TWO, (_request, response) => {
    open++;
    response.setHeader('Cache-Control', 'no-store');
    response.flushHeaders();
    // Nobody's body ends before all others have been asked for: whoever queued would wait for ever.
    void all.promise.then(() => response.end('own'));
    if (open === crowd) all.resolve();
  });
  const clients = Array.from({ length: crowd }, (_, at) => ask(gateways.all[at % 2], '/mine'));
  for (const answer of await Promise.all(clients.map(answerTo))) {
    assert.equal(bodyOf(answer).includes('own'), true, answer);
  }
  assert.equal(gateways.asked.length, crowd);
  // What one has learnt, the other goes by: nobody asks an owner for it any more.
  const before = gateways.all.map(({ plane }) => plane.sharingCounts?.asked);
  for (const gateway of gateways.all) await get(gateway, '/mine');
  assert.deepEqual(
    gateways.all.map(({ plane }) => plane.sharingCounts?.asked),
    before,
  );
});

test('the one who asked first leaves, and harms nobody at any gateway', async () => {
  const go = Promise.withResolvers<void>();
  await using gateways = await SharingGateways.start(
    [{ workers: 2 }, { workers: 1 }],
    (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.write('for ');
      void go.promise.then(() => response.end('the others'));
    },
  );
  for (const [index, first] of gateways.all.entries()) {
    const path = `/left${index}`;
    const leader = ask(first, path);
    await leader.see(/for /);
    const others = gateways.all.map((gateway) => ask(gateway, path));
    for (const other of others) await other.see(/for /);
    leader.socket.resetAndDestroy();
    if (index === gateways.all.length - 1) go.resolve();
    for (const other of index === gateways.all.length - 1 ? others : []) {
      assert.match(await answerTo(other), /for .*the others/s);
    }
  }
  assert.equal(gateways.asked.length, gateways.all.length);
});

test('a host that a rule names is told to the origin by the owner too', async () => {
  await using gateways = await SharingGateways.start(
    [{ workers: 2 }],
    (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('inner');
    },
    { site: { headers: { request: { set: { Host: 'inner.test' } } } } },
  );
  for (const path of PATHS) await get(gateways.all[0], path);
  const told = new Set(gateways.asked.map(({ headers }) => headers.host));
  assert.deepEqual([...told], ['inner.test']);
  // Some of them are the other process's.
  assert.ok((gateways.all[0]?.plane.sharingCounts?.asked ?? 0) > 0);
});

test('what a request says of itself counts at the owner as it does at the first process', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (request, response) => {
    response.setHeader(
      'Cache-Control',
      request.url === '/own' ? 'max-age=60' : 'public, max-age=60',
    );
    response.setHeader('Vary', 'Accept-Language');
    response.setHeader('ETag', `"${request.headers['accept-language'] ?? ''}"`);
    const { authorization = '-', 'accept-language': language = '-' } = request.headers;
    const client = request.headers['x-forwarded-for'] ?? '';
    response.end(`${language} ${authorization} ${String(client)} ${request.headers.host ?? ''}`);
  });
  for (const path of PATHS.slice(0, 6)) {
    gateways.asked.length = 0;
    for (const gateway of gateways.all) {
      for (const language of ['sv', 'en']) {
        const text = await get(gateway, path, `Accept-Language: ${language}\r\n`);
        assert.equal(bodyOf(text), `${language} - 127.0.0.1 a.test`);
        const known = `Accept-Language: ${language}\r\nIf-None-Match: "${language}"\r\n`;
        assert.match(await get(gateway, path, known), /^HTTP\/1\.1 304 /);
        const part = await get(
          gateway,
          path,
          `Accept-Language: ${language}\r\nRange: bytes=0-1\r\n`,
        );
        assert.match(part, /^HTTP\/1\.1 206 /);
        assert.equal(bodyOf(part), language);
        // Declared fit for all: who says who he is gets it too.
        const named = await get(
          gateway,
          path,
          `Accept-Language: ${language}\r\nAuthorization: me\r\n`,
        );
        assert.equal(bodyOf(named), `${language} - 127.0.0.1 a.test`);
      }
    }
    assert.equal(gateways.asked.length, 2, path);
    for (const { headers } of gateways.asked) {
      assert.deepEqual(
        Object.keys(headers).filter((name) => name.startsWith('moln')),
        [],
      );
    }
  }
  for (const gateway of gateways.all) {
    const one = await get(gateway, '/own', 'Authorization: one\r\n');
    const two = await get(gateway, '/own', 'Authorization: two\r\n');
    assert.deepEqual(
      [bodyOf(one), bodyOf(two)],
      ['- one 127.0.0.1 a.test', '- two 127.0.0.1 a.test'],
    );
  }
});

test('a HEAD is answered from what the owner has stored for GET', async () => {
  await using gateways = await SharingGateways.start(REGIONS, (request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('ETag', '"one"');
    response.end(request.method === 'HEAD' ? undefined : 'whole');
  });
  const head = async (gateway: Gateway, path: string, lines = ''): Promise<string> =>
    await answerTo(ask(gateway, path, lines, 'HEAD'));
  for (const [at, path] of PATHS.entries()) {
    await get(gateways.all[at % gateways.all.length], path);
    gateways.asked.length = 0;
    for (const gateway of gateways.all) {
      const text = await head(gateway, path);
      assert.match(text, /^HTTP\/1\.1 200 [^]*\r\nContent-Length: 5\r\n[^]*\r\n\r\n$/);
      assert.match(statusOf(text), /Moln(?:-Owner|-Region)?; hit/);
      const known = await head(gateway, path, 'If-None-Match: "one"\r\n');
      assert.match(known, /^HTTP\/1\.1 304 /);
    }
    assert.deepEqual(gateways.asked, [], path);
  }
  // One that nobody has is the origin's to answer, and keeps no GET from being shared.
  for (const path of PATHS.map((one) => `${one}/cold`)) {
    const [first, ...others] = gateways.all;
    if (first === undefined) throw new Error('There is no gateway');
    assert.match(await head(first, path), /^HTTP\/1\.1 200 /);
    gateways.asked.length = 0;
    for (const gateway of [first, ...others]) await get(gateway, path);
    assert.equal(gateways.asked.length, 1, path);
  }
});

test('copies go on ageing, and say where they come from', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.setHeader('Age', '20');
    response.end('old');
  });
  for (const path of PATHS) {
    for (let round = 0; round < 2; round++) {
      for (const gateway of gateways.all) {
        const text = await get(gateway, path);
        assert.match(text, /\r\nAge: 2[0-2]\r\n/);
        assert.match(statusOf(text), /(?:^|, )Moln; [^,]*$/);
      }
    }
  }
  const results = gateways.all.flatMap(({ entries }) => entries.map(({ cache }) => cache));
  assert.equal(results.filter((one) => one === 'miss').length, PATHS.length);
  assert.ok(results.includes('shared') && results.includes('hit'), results.join());
  // A question is no request of a client: nobody counts or logs it.
  assert.equal(results.length, PATHS.length * 4);
});

test('a purge reaches owners and copies, whoever hears of it first', async () => {
  let version = 1;
  await using gateways = await SharingGateways.start([{ workers: 3 }], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=600');
    response.end(`v${version}`);
  });
  const { all } = gateways;
  for (const path of PATHS) for (const gateway of all) await get(gateway, path);
  version = 2;
  for (const [at, path] of PATHS.entries()) {
    const url = `http://a.test${path}`;
    const purge = { targets: [{ kind: 'url', url }], soft: false } as const;
    const order = [...all.slice(at % 3), ...all.slice(0, at % 3)];
    for (const gateway of order) {
      await gateway.plane.answer({ kind: 'purge', purge, id: at });
      assert.equal(bodyOf(await get(gateway, path)), 'v2', 'who has purged gets nothing old');
    }
    for (const gateway of all) assert.equal(bodyOf(await get(gateway, path)), 'v2');
  }
});

test('a request that changes something makes owners and its own process forget', async () => {
  let version = 1;
  await using gateways = await SharingGateways.start(REGIONS, (request, response) => {
    if (request.method === 'POST') version++;
    else response.setHeader('Cache-Control', 'max-age=600');
    response.end(`v${version}`);
  });
  for (const [at, path] of PATHS.entries()) {
    const gateway = gateways.all[at % gateways.all.length];
    assert.ok(gateway !== undefined);
    await get(gateway, path);
    const before = version;
    const host = 'Host: a.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
    await gateway.exchange(`POST ${path} HTTP/1.1\r\n${host}`);
    assert.equal(bodyOf(await get(gateway, path)), `v${before + 1}`);
    // Those who had no copy of it get none of the old one from its owners.
    await until('the owners have forgotten it', async () => {
      const fresh = gateways.all.at((at + 1) % gateways.all.length);
      return bodyOf(await get(fresh, path)) === `v${before + 1}`;
    });
  }
});

test('who is believed to be there and is not costs no request', async () => {
  await using gateways = await SharingGateways.start(
    [...TWO, { workers: 1 }],
    (_request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end('here');
    },
  );
  const [one, two, gone] = gateways.all;
  await gone?.plane[Symbol.asyncDispose]();
  for (const path of PATHS) {
    for (const gateway of [one, two]) assert.equal(bodyOf(await get(gateway, path)), 'here');
  }
  const missed = [one, two].map((gateway) => gateway?.plane.sharingCounts?.missed ?? 0);
  assert.ok(
    missed.every((count) => count <= 2),
    `asked in vain: ${missed.join()}`,
  );
  assert.ok(gateways.asked.length <= PATHS.length + 2);
});

test('what an owner has taken and does not answer, since its node fell silent, is asked of the origin', async () => {
  const held: (() => void)[] = [];
  const seen = new Set<string>();
  await using gateways = await SharingGateways.start(TWO, ({ url = '' }, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    if (seen.has(url)) response.end('again');
    else held.push(() => response.end('late'));
    seen.add(url);
  });
  const [one] = gateways.all;
  assert.ok(one?.node !== undefined);
  const clients = PATHS.map((path) => ask(one, path));
  await until('all at the origin', () => held.length === PATHS.length);
  const byOwner = one.plane.sharingCounts?.asked ?? 0;
  assert.ok(byOwner > 0 && byOwner < PATHS.length, `${byOwner} of ${PATHS.length}`);
  one.node = { ...one.node, silent: ['n1'] };
  await gateways.share(({ node }) => node !== 'n1');
  await until('the others too', () => gateways.asked.length === PATHS.length + byOwner);
  await until('their answers', () => countOf(clients, 'again') === byOwner);
  for (const release of held) release();
  await Promise.all(clients.map(answerTo));
  assert.equal(countOf(clients, 'late'), PATHS.length - byOwner);
});

function countOf(clients: readonly { readonly text: string }[], body: string): number {
  return clients.filter(({ text }) => text.endsWith(body)).length;
}

test('a slow origin costs no more connections a round than a node has processes', async () => {
  const held: (() => void)[] = [];
  const nodes = [
    { region: 'east', workers: 1 },
    { region: 'west', workers: PROCESSES },
  ];
  const hold: Handler = (_request, response) => held.push(() => response.end('late'));
  await using gateways = await SharingGateways.start(nodes, hold, {}, { oneWayMs: 0 });
  const [asker] = gateways.all;
  const west = gateways.links[1];
  assert.ok(asker !== undefined && west !== undefined);
  const clients = PATHS.map((path) => ask(asker, path));
  await until('all at the origin', () => held.length === PATHS.length);
  const before = west.connections;
  const fromMs = performance.now();
  // The first round does not know yet how many of them are slow.
  await until('a third round', () => west.connections - before > 3 * PROCESSES);
  const rounds = 1 + Math.floor((performance.now() - fromMs) / SHARING.silentMs);
  assert.ok(west.connections - before <= (rounds + 1) * PROCESSES, `${west.connections - before}`);
  for (const release of held) release();
  await Promise.all(clients.map(answerTo));
  assert.equal(countOf(clients, 'late'), PATHS.length);
});

test('processes that disagree about who is there serve all the same', async () => {
  await using gateways = await SharingGateways.start([...TWO, ...REGIONS], (_request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end('here');
  });
  let turn = 0;
  await gateways.share(() => turn++ % 3 > 0);
  for (const path of PATHS) {
    const texts = await Promise.all(gateways.all.map((gateway) => get(gateway, path)));
    for (const text of texts) assert.equal(bodyOf(text), 'here', text);
  }
});

test('clients cannot speak as processes do', async () => {
  await using gateways = await SharingGateways.start([{ workers: 2 }], (request, response) => {
    response.setHeader('Cache-Control', 'max-age=60');
    response.end(String(request.headers['moln-question'] ?? 'none'));
  });
  const hostile =
    'Moln-Question: 2 cluster https 6.6.6.6 0 route@\r\nMoln-Key: route@ http://a.test/0\r\n';
  for (const path of PATHS) {
    for (const gateway of gateways.all) {
      const text = await get(gateway, path, hostile);
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.doesNotMatch(text, /102 Processing|Moln-Refusal/);
      assert.doesNotMatch(bodyOf(text), /6\.6\.6\.6.*1 (?:region|cluster)/);
    }
  }
  assert.equal(gateways.asked.length, PATHS.length);
  for (const { headers } of gateways.asked) assert.equal(headers['x-forwarded-for'], '127.0.0.1');
});

test('a site that rewrites is asked for what it rewrites to, wherever the key is owned', async () => {
  const route = { site: { rewrite: { prefix: '/in' } } } as const;
  await using gateways = await SharingGateways.start(
    REGIONS,
    (request, response) => {
      response.setHeader('Cache-Control', 'max-age=60');
      response.end(request.url);
    },
    route,
  );
  for (const path of PATHS) {
    for (const gateway of gateways.all)
      assert.equal(bodyOf(await get(gateway, path)), `/in${path}`);
  }
  assert.equal(gateways.asked.length, PATHS.length);
});
