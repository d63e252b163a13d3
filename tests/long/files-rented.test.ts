/** Storages that are rented over SFTP, by a real sshd, and in a bucket of another cloud: copies lie there sealed, it goes away and comes back, and it lies. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemCode } from '../../src/base/errors.ts';
import { freePorts } from '../../testing/free-ports.ts';
import { step } from '../../testing/step.ts';
import { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';

const WITHIN_MS = 120_000;
const MIB: number = 1024 * 1024;

interface Storage {
  readonly name: string;
  readonly state: string;
  readonly usage?: { readonly reason?: string };
}

interface Why {
  readonly isSatisfied: boolean;
  readonly blocks: readonly {
    readonly copies: readonly { readonly place: string; readonly state: string }[];
  }[];
}

/** An `sshd` for whoever runs the test, and an `ssh` that is configured for it. */
class Server {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'moln-sshd-'));
  readonly space: string = join(this.folder, 'space');
  readonly programs: string = join(this.folder, 'bin');
  readonly #port: number;
  #child: ChildProcess | undefined;

  constructor(port: number) {
    this.#port = port;
    const at = (name: string): string => join(this.folder, name);
    for (const name of ['host', 'client'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)]);
    writeFileSync(at('authorized'), readFileSync(at('client.pub')));
    const host = readFileSync(at('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    writeFileSync(at('known'), `[127.0.0.1]:${port} ${host}\n`);
    writeFileSync(
      at('sshd_config'),
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${at('host')}`,
        `AuthorizedKeysFile ${at('authorized')}`,
        'PidFile none',
        'StrictModes no',
        'UsePAM no',
        'PermitRootLogin yes',
        'PasswordAuthentication no',
        'Subsystem sftp internal-sftp',
      ].join('\n'),
    );
    writeFileSync(
      at('ssh_config'),
      `IdentityFile ${at('client')}\nUserKnownHostsFile ${at('known')}\nStrictHostKeyChecking yes\n`,
    );
    mkdirSync(this.programs);
    const ssh = join(this.programs, 'ssh');
    writeFileSync(ssh, `#!/bin/sh\nexec /usr/bin/ssh -F ${at('ssh_config')} "$@"\n`);
    chmodSync(ssh, 0o755);
    // Debian's sshd wants it.
    mkdirSync('/run/sshd', { recursive: true });
  }

  get url(): string {
    return `sftp://${userInfo().username}@127.0.0.1:${this.#port}${this.space}`;
  }

  start(): void {
    const config = join(this.folder, 'sshd_config');
    this.#child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: 'ignore' });
  }

  /** With all that it serves. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    for (const pid of [child.pid, ...descendantsOf(child.pid)]) kill(pid);
    await ended;
  }

  /** Of blocks, without those of checkpoints. */
  files(): readonly string[] {
    return readdirSync(join(this.space, 'd'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.startsWith('c'))
      .map((entry) => join(entry.parentPath, entry.name));
  }
}

/** It may end by itself when another one does. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

function descendantsOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = readFileSync(path, 'utf8')
    .split(' ')
    .filter((text) => text !== '')
    .map(Number);
  return children.flatMap((child) => [...descendantsOf(child), child]);
}

test('a storage that is rented', async (t) => {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  const server = new Server(port);
  t.after(async () => {
    await server.stop();
    rmSync(server.folder, { recursive: true, force: true });
  });
  server.start();
  await using node = await TestNode.start(t, {
    env: { PATH: `${server.programs}:${process.env['PATH'] ?? ''}` },
  });
  const bytes = randomBytes(9 * MIB);
  const input = join(server.folder, 'in');
  const output = join(server.folder, 'out');
  writeFileSync(input, bytes);
  const read = async (): Promise<void> => {
    await node.json('files', 'get', 'data/key', output);
    assert.ok(readFileSync(output).equals(bytes));
  };
  const storageState = async (name: string): Promise<string> => {
    const storages = await node.json<readonly Storage[]>('storage', 'list');
    return storages.find((one) => one.name === name)?.state ?? 'none';
  };
  const copiesAt = async (place: string): Promise<number> => {
    const why = await node.json<Why>('files', 'why', 'data/key');
    const copies = why.blocks.flatMap((block) => block.copies);
    return copies.filter((copy) => copy.place.endsWith(`/${place}`)).length;
  };
  const settled = (what: string, is: () => Promise<boolean>): Promise<unknown> =>
    until(what, is, { withinMs: WITHIN_MS });

  await step(t, 'the second copies go there, sealed', async () => {
    await node.json('files', 'create', 'data');
    await node.json('files', 'put', input, 'data/key');
    const refused = await node.cli('storage', 'add', 'sftp://ann:secret@127.0.0.1/srv');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /without a password/);
    await settled(
      'sshd',
      async () => (await node.cli('storage', 'add', server.url, '--limit', '100MB')).code === 0,
    );
    await settled('the copies', async () => (await copiesAt('space')) === 2);
    await read();
    const some = bytes.subarray(0, 64);
    assert.equal(server.files().length, 2);
    for (const path of server.files()) assert.ok(!readFileSync(path).includes(some));
  });

  await step(t, 'it lies: the copy is made anew', async () => {
    const [path = ''] = server.files();
    const changed = readFileSync(path);
    changed[1000] = (changed[1000] ?? 0) ^ 1;
    writeFileSync(path, changed);
    assert.equal((await node.cli('files', 'scrub')).code, 1);
    await settled(
      'two good copies there',
      async () => (await copiesAt('space')) === 2 && server.files().length === 2,
    );
    assert.equal((await node.cli('files', 'scrub')).code, 0);
  });

  await step(t, 'it is away, which the status says, and comes back', async () => {
    await server.stop();
    await settled('it is away', async () => (await storageState('space')) === 'away');
    await settled('the status says so', async () =>
      /Storage .*\/space is away: .*refused/.test((await node.cli('status')).stdout),
    );
    await read();
    server.start();
    await settled('it is good', async () => (await storageState('space')) === 'good');
  });

  await step(t, 'it alone gives everything when the other one is emptied', async () => {
    await node.json('files', 'policy', 'data', '1 copy: space');
    await node.json('storage', 'remove', 'main');
    await settled('the other one is gone', async () => (await storageState('main')) === 'none');
    await read();
  });
});

test('a bucket of another cloud that is rented', async (t) => {
  const [port = 0] = await freePorts('127.0.0.1', 1);
  await using theirs = await TestNode.start(t, { args: ['--s3-port', String(port)] });
  await theirs.json('files', 'create', 'rented');
  const key = await theirs.json<{
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
  }>('files', 'keys', 'create');
  const home = mkdtempSync(join(tmpdir(), 'moln-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, '.aws'));
  writeFileSync(
    join(home, '.aws', 'credentials'),
    `[theirs]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`,
  );
  await using node = await TestNode.start(t, { env: { HOME: home } });
  const bytes = randomBytes(9 * MIB);
  const [input, output] = [join(home, 'in'), join(home, 'out')];
  writeFileSync(input, bytes);
  await node.json('files', 'create', 'data');
  await node.json('files', 'put', input, 'data/key');
  const url = `s3+http://theirs@127.0.0.1:${port}/rented/place`;
  const unlimited = await node.cli('storage', 'add', url);
  assert.match(unlimited.stderr, /it needs a limit/);
  await node.json('storage', 'add', url, '--limit', '100MB');
  const endless = await node.cli('storage', 'limit', 'place', '--limit', 'none');
  assert.match(endless.stderr, /it needs a limit/);
  const hasCopies = async (): Promise<boolean> => {
    const { isSatisfied, blocks } = await node.json<Why>('files', 'why', 'data/key');
    return isSatisfied && blocks.every(({ copies }) => copies.length === 2);
  };
  await until('the second copies are there', hasCopies, { withinMs: WITHIN_MS });
  await node.json('files', 'policy', 'data', '1 copy: place');
  await node.json('storage', 'remove', 'main');
  const isGone = async (): Promise<boolean> => {
    const storages = await node.json<readonly Storage[]>('storage', 'list');
    return storages.every(({ name }) => name === 'place');
  };
  await until('the other one is gone', isGone, { withinMs: WITHIN_MS });
  await node.json('files', 'get', 'data/key', output);
  assert.ok(readFileSync(output).equals(bytes));
});
