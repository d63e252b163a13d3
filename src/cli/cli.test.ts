import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { runCli } from './cli.ts';
import { COMMANDS } from './commands.ts';
import type { StartNode } from './up.ts';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function moln(
  words: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly stdin?: string;
    readonly startNode?: StartNode;
    readonly signals?: EventEmitter;
  } = {},
): Promise<Ran> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const io = {
    stdout,
    stderr,
    stdin: Readable.from([options.stdin ?? '']),
    env: options.env ?? {},
    isTerminal: false,
    cwd: tmpdir(),
    // Never the process itself: the test runner listens there too.
    signals: options.signals ?? new EventEmitter(),
  };
  const { startNode } = options;
  const code = await runCli(words, io, startNode === undefined ? {} : { startNode });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** An HTTP server where a node's API would be; returns the data folder. */
async function fakeNode(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-cli-'));
  mkdirSync(join(folder, 'run'));
  const server = createServer(answer);
  t.after(async () => {
    await new Promise((done) => server.close(done));
    rmSync(folder, { recursive: true });
  });
  await new Promise<void>((done) => server.listen(join(folder, 'run', 'api.sock'), done));
  return folder;
}

test('without words the first things to type are shown', async () => {
  for (const words of [[], ['help'], ['--help']]) {
    const { code, stdout } = await moln(words);
    assert.equal(code, 0);
    assert.match(stdout, /moln up[\s\S]*moln deploy[\s\S]*moln status/);
    for (const { name } of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  }
});

test('every command and verb has help with its own summary', async () => {
  const verbs = COMMANDS.flatMap((command) =>
    (command.commands ?? []).map((verb) => ({ words: [command, verb], verb })),
  );
  for (const command of COMMANDS) {
    const { code, stdout } = await moln([command.name, '--help']);
    assert.equal(code, 0);
    assert.ok(stdout.includes(command.summary), stdout);
  }
  for (const { words, verb } of verbs) {
    const [command] = words;
    const subject = command?.subject === undefined ? [] : ['blog'];
    const { code, stdout } = await moln([command?.name ?? '', ...subject, verb.name, '--help']);
    assert.equal(code, 0);
    assert.match(
      stdout.replace(/\s+/g, ' '),
      new RegExp(verb.summary.replace(/[.*+?()[\]]/g, '\\$&')),
    );
  }
});

test('a rename whose answer is lost is asked for again, with the same mark', async (t) => {
  const marks: unknown[] = [];
  const lost = '{"error":{"code":"FILES_OUTCOME_UNKNOWN","message":"Lost","retryable":false}}';
  const folder = await fakeNode(t, (request, response) => {
    marks.push(request.headers['idempotency-key']);
    if (marks.length === 1) request.socket.destroy();
    else if (marks.length === 2) response.writeHead(502).end(lost);
    else response.end('{"bucket":"b","key":"c"}');
  });
  const ran = await moln(['files', 'mv', 'b/a', 'b/c', '--data', folder]);
  assert.deepEqual(ran, { code: 0, stdout: 'b/c\n', stderr: '' });
  assert.equal(marks.length, 3);
  assert.match(String(marks[0]), /^[\da-f-]{36}$/);
  assert.equal(new Set(marks).size, 1);
});

const MISTYPED: readonly (readonly [line: string, sentence: RegExp])[] = [
  ['stauts', /Unknown command "moln stauts": did you mean "status"\?/],
  ['status --jsn', /Unknown option "--jsn": did you mean "--json"\?/],
  ['app blog lgos', /Unknown command "moln app blog lgos": did you mean "logs"\?/],
  ['app blog logs --tial 3', /Unknown option "--tial": did you mean "--tail"\?/],
  ['token creat', /did you mean "create"\?/],
  ['app', /needs NAME/],
  ['deploy nothing-here', /There is no folder/],
  ['status extra', /does not know what to do with "extra"/],
  ['app blog logs --tail', /Option "--tail <N>" needs a value/],
  ['app blog logs --tail x', /Option --tail is "x", want a whole number/],
  ['app blog scale x', /"x" is not a number of instances/],
  ['app blog env 1A=x', /is not KEY=VALUE/],
  ['up --http 65536', /Option --http is "65536", want a whole number from 0 to 65535/],
  ['up --http 9000 --https 9000', /Options --http and --https both say port 9000/],
  ['up --etcd 10.0.0.5', /--etcd says "10.0.0.5", want a URL of etcd/],
  ['up --etcd http://u:p@10.0.0.5', /want a URL of etcd/],
  ['up --etcd-ca x.pem', /"x.pem" of --etcd-ca cannot be read: ENOENT/],
  ['up --https 7000 --port 7000', /Options --https and --port both say port 7000/],
  ['up --address here', /want an IP address/],
  ['up --name Über', /Option --name is "Über"/],
  ['up --label x', /"x" of --label is not KEY=VALUE/],
  ['token create --scope read', /--name is missing/],
  ['token create --name x --scope root', /--scope is "root"/],
  ['status --url ftp://x', /URL "ftp:\/\/x" is not understood/],
  ['status --url http://example.org', /in clear/],
  ['status --url http://127.evil.example', /in clear/],
  ['status --url https://example.org --pin abc', /not a SHA-256 fingerprint/],
];

for (const [line, sentence] of MISTYPED) {
  test(`mistyped: ${line}`, async () => {
    const { code, stdout, stderr } = await moln(line.split(' '));
    assert.match(stderr, sentence);
    assert.match(stderr, /\n {2}\S/, 'a hint follows');
    assert.equal(code, 2);
    assert.equal(stdout, '');
  });
}

test('no node on the data folder is exit code 3, with the error as JSON when asked for', async () => {
  const env = { MOLN_DATA: join(tmpdir(), 'moln-none') };
  const { code, stdout, stderr } = await moln(['status', '--json'], { env });
  assert.equal(code, 3);
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'CLI_NO_NODE');
  assert.match(
    stderr,
    /No Moln node runs on data folder ".*moln-none"\n {2}Start one with "moln up"/,
  );
});

test('the node’s own error is printed with its hint, and asked for by name only', async (t) => {
  const error = {
    code: 'APPS_NOT_FOUND',
    message: 'No app "x": did you mean "y"?',
    hint: 'See "moln apps"',
    retryable: false,
  };
  const folder = await fakeNode(t, (request, response) => {
    assert.equal(request.url, '/api/apps/x');
    response.writeHead(404).end(JSON.stringify({ error }));
  });
  const { code, stderr } = await moln(['app', 'x', '--data', folder]);
  assert.equal(code, 1);
  assert.equal(stderr, 'Error: No app "x": did you mean "y"?\n  See "moln apps"\n');
});

test('a stream prints plain steps, then the result alone on stdout', async (t) => {
  const folder = await fakeNode(t, (request, response) => {
    assert.equal(request.url, '/api/apps/blog/rollback');
    const lines = [
      { kind: 'step', at: 1, message: 'Starting 2 instances' },
      { kind: 'output', at: 2, line: 'hi \u001B[2Jthere' },
      { kind: 'done', app: 'blog', release: 'abc', url: 'http://blog.localhost/' },
    ];
    response.end(`\n${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  });
  const plain = await moln(['app', 'blog', 'rollback', '--data', folder]);
  assert.equal(plain.code, 0);
  assert.equal(plain.stderr, 'Rolling blog back\n  Starting 2 instances\n  | hi \\x1b[2Jthere\n');
  assert.match(plain.stdout, /blog is back on release abc: http:\/\/blog\.localhost\//);
  const json = await moln(['--json', 'app', 'blog', 'rollback', '--data', folder]);
  assert.deepEqual(JSON.parse(json.stdout), {
    app: 'blog',
    release: 'abc',
    url: 'http://blog.localhost/',
  });
  assert.equal(json.stderr, '');
});

test('a stream that breaks off is a failure, and so is one that ends with an error', async (t) => {
  const ends = [
    { line: '{"kind":"step","at":1,"message":"x"}', code: 'CLI_STREAM_BROKEN' },
    {
      line: '{"kind":"failed","error":{"code":"APPS_EXITED","message":"No","retryable":false},"logTail":["boom"]}',
      code: 'APPS_EXITED',
    },
    { line: '{"error":{"code":"API_BUSY","message":"No","retryable":true}}', code: 'API_BUSY' },
  ];
  let next = 0;
  const folder = await fakeNode(t, (_request, response) => response.end(`${ends[next++]?.line}\n`));
  for (const { code } of ends) {
    const ran = await moln(['app', 'blog', 'restart', '--json', '--data', folder]);
    assert.equal(ran.code, 1);
    assert.equal((JSON.parse(ran.stdout) as { error: { code: string } }).error.code, code);
  }
});

test('a secret without a value is read from stdin and never printed', async (t) => {
  let sent = '';
  const folder = await fakeNode(t, (request, response) => {
    if (request.method === 'GET') {
      response.end(JSON.stringify({ name: 'blog', env: { A: '1' }, secretNames: ['KEY'] }));
      return;
    }
    request.on('data', (chunk: Buffer) => (sent += chunk.toString()));
    request.on('end', () => response.end('{"kind":"done","app":"blog","release":"r","url":"u"}\n'));
  });
  const ran = await moln(['app', 'blog', 'env', 'A=1', '--secret', 'KEY', '--data', folder], {
    stdin: 'geheim\n',
  });
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(JSON.parse(sent), {
    set: { A: '1' },
    setSecrets: { KEY: 'geheim' },
    unset: [],
    unsetSecrets: [],
  });
  assert.doesNotMatch(ran.stdout + ran.stderr, /geheim/);
});

test('run passes the words after -- untouched, and ends with the command’s exit code', async (t) => {
  let url = '';
  const folder = await fakeNode(t, (request, response) => {
    url = request.url ?? '';
    const output = {
      kind: 'output',
      stream: 'stdout',
      base64: Buffer.from('å\n').toString('base64'),
    };
    response.end(`${JSON.stringify(output)}\n{"kind":"exit","code":7,"signal":null}\n`);
  });
  const ran = await moln(['app', 'blog', 'run', '--data', folder, '--', 'ls', '--json', '-f']);
  assert.equal(ran.code, 7);
  assert.equal(ran.stdout, 'å\n');
  assert.equal(url, '/api/apps/blog/run?command=ls&command=--json&command=-f');
});

test('up reads its options, and a node that cannot start is one sentence', async () => {
  let given: unknown;
  const startNode: StartNode = (options) => {
    given = options;
    return Promise.reject(new Error('enough'));
  };
  const ran = await moln(
    [
      'up',
      '--data',
      'here',
      '--gateway-port',
      '9123',
      '--etcd',
      'http://10.0.0.5:2379,http://10.0.0.6:2379/',
      '--http',
      '0',
      '--label',
      'disk=ssd',
      '--label',
      'a=',
      '--deploy',
      'My.Site',
    ],
    { startNode },
  );
  assert.equal(ran.code, 1);
  assert.deepEqual(given, {
    dataFolder: join(tmpdir(), 'here'),
    name: undefined,
    address: undefined,
    listen: undefined,
    httpPort: 0,
    httpsPort: undefined,
    etcd: {
      endpoints: ['http://10.0.0.5:2379', 'http://10.0.0.6:2379'],
      foreign: { authority: undefined, certificate: undefined, key: undefined },
    },
    gatewayPort: 9123,
    s3Port: undefined,
    webdavPort: undefined,
    port: undefined,
    region: undefined,
    labels: { disk: 'ssd', a: '' },
    deploys: [{ folder: join(tmpdir(), 'My.Site'), app: 'my-site' }],
    gateways: undefined,
    agentPort: undefined,
    accessLog: undefined,
    trace: undefined,
  });
});

test('Ctrl-C ends a call that the node does not answer, and a followed log without an error', async (t) => {
  const signals = new EventEmitter();
  const folder = await fakeNode(t, (request, response) => {
    if (request.url?.includes('/logs') === true)
      response.write('{"at":1,"instance":"i","process":"web","text":"hi"}\n');
    setImmediate(() => signals.emit('SIGINT'));
    request.on('close', () => response.destroy());
  });
  const status = await moln(['status', '--json', '--data', folder], { signals });
  assert.equal(status.code, 1);
  assert.match(status.stdout, /"code": "CLI_INTERRUPTED"/);
  const restart = await moln(['app', 'blog', 'restart', '--data', folder], { signals });
  assert.match(restart.stderr, /Interrupted before it was done/);
  const logs = await moln(['app', 'blog', 'logs', '-f', '--data', folder], { signals });
  assert.equal(logs.code, 0, logs.stderr);
});

test('something else behind the address is told from a node', async (t) => {
  const folder = await fakeNode(t, (request, response) => {
    response.writeHead(request.url === '/api/status' ? 200 : 502).end('<html>\u001B[2J');
  });
  for (const words of [['status'], ['apps']]) {
    const { code, stderr } = await moln([...words, '--data', folder]);
    assert.equal(code, 1);
    assert.match(stderr, /no answer of a Moln node: status \d+, "<html>\\x1b\[2J"/);
  }
});

test('a reader that has seen enough ends a command silently', async () => {
  const stderr = new PassThrough();
  const stdout = new Writable({
    write: (_chunk, _encoding, done) => {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const code = await runCli(['version'], {
    stdout,
    stderr,
    stdin: Readable.from(['']),
    env: {},
    isTerminal: false,
    cwd: tmpdir(),
    signals: new EventEmitter(),
  });
  assert.equal(code, 0);
  assert.equal(stderr.read(), null);
});
