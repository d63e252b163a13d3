/** What comes in on standard input while a person watches the output: `moln … < file` typed at a terminal. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { runCli } from './cli.ts';
import type { CliIo } from './io.ts';

interface Asked {
  readonly target: string;
  readonly body: string;
}

/** Runs one command at a terminal against an API that notes what it is asked and answers with these lines. */
async function atTerminal(
  words: readonly string[],
  stdin: CliIo['stdin'],
  lines: readonly unknown[],
): Promise<{ readonly asked: readonly Asked[]; readonly stdout: string; readonly stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'moln-stdin-'));
  mkdirSync(join(folder, 'run'));
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push({ target: `${request.method} ${request.url}`, body });
      response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    });
  });
  await new Promise<void>((done) => server.listen(join(folder, 'run', 'api.sock'), done));
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  try {
    const signals = new EventEmitter();
    const env = { MOLN_DATA: folder };
    await runCli(words, { stdout, stderr, stdin, env, isTerminal: true, cwd: folder, signals });
  } finally {
    await new Promise((done) => server.close(done));
    rmSync(folder, { recursive: true });
  }
  const said = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { asked, stdout: said(stdout), stderr: said(stderr) };
}

test('a secret from a file keeps all its lines', async () => {
  const words = ['app', 'blog', 'env', '--secret', 'KEY'];
  const { asked } = await atTerminal(words, Readable.from(['line 1\nline 2\n']), [
    { kind: 'done' },
  ]);
  const change = JSON.parse(asked[0]?.body ?? '') as { setSecrets: unknown };
  assert.deepEqual(change.setSecrets, { KEY: 'line 1\nline 2' });
});

const EXIT = { kind: 'exit', code: 0, signal: null };

test('a command gets the file that is fed to it', async () => {
  const words = ['app', 'blog', 'run', '--', 'cat'];
  const { asked } = await atTerminal(words, Readable.from(['from a file']), [EXIT]);
  assert.equal(asked[0]?.body, 'from a file');
});

test('a character that comes in two pieces is one character', async () => {
  const bytes = Buffer.from('å');
  const pieces = [bytes.subarray(0, 1), bytes.subarray(1)].map((piece) => ({
    kind: 'output',
    stream: 'stdout',
    base64: piece.toString('base64'),
  }));
  const words = ['app', 'blog', 'run', '--json', 'cat'];
  const { stdout } = await atTerminal(words, Readable.from([]), [...pieces, EXIT]);
  assert.equal((JSON.parse(stdout) as { stdout: string }).stdout, 'å');
});

test('a command whose end never came says so', async () => {
  const { stderr } = await atTerminal(['app', 'blog', 'run', 'cat'], Readable.from([]), []);
  assert.match(stderr, /The node stopped answering before the work was done/);
});

test('a question that gets no answer ends the command', async () => {
  const typing = Object.assign(new PassThrough(), { isTTY: true });
  typing.end();
  const { asked, stderr } = await atTerminal(['app', 'blog', 'remove'], typing, [{}]);
  assert.match(stderr, /No answer was given/);
  assert.deepEqual(asked, [{ target: 'GET /api/apps/blog', body: '' }]);
});

test('the words of a node do not steer the terminal', async () => {
  const error = { code: 'X', message: 'no\u001B[2J', hint: 'try\u0007', retryable: false };
  const { stderr } = await atTerminal(['app', 'blog', 'restart'], Readable.from([]), [{ error }]);
  assert.match(stderr, /no\\x1b\[2J/);
  assert.match(stderr, /try\\x07/);
});
