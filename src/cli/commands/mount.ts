/**
 * `moln mount` and `unmount`: a bucket as a folder of this machine, by the system's own davfs2 over the node's WebDAV. Mounting is root's
 * affair; the mount has a token of its own, which ends with it.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, MolnError } from '../../base/errors.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { readPlace } from './files-words.ts';

const run = promisify(execFile);
const HELPER = 'mount.davfs';
const HELPER_FOLDERS: readonly string[] = ['/usr/sbin', '/sbin', '/usr/local/sbin'];
const NAME_CHARACTERS = 30;
const DIGEST_CHARACTERS = 16;
const FUSE = '/dev/fuse';
const DIR = { name: 'DIR', description: 'a folder of this machine', required: true };
/**
 * What was written is sent when the file is closed. From Linux 6.16 on a folder cannot be listed with davfs2's own buffer of 16 KiB
 * (https://github.com/alisarctl/davfs2/issues/22).
 */
const SETTINGS = 'ask_auth 0\ndelay_upload 0\nbuf_size 128\n';

export const MOUNT: CommandSpec = {
  name: 'mount',
  summary: 'Have a bucket, or a folder of it, as a folder of this machine (as root, with davfs2).',
  local: true,
  arguments: [{ name: 'BUCKET', description: 'or BUCKET/FOLDER', required: true }, DIR],
  options: [
    { flags: '--read-only', description: 'nothing can be changed there' },
    { flags: '--user <NAME>', description: 'whose the files are (default: root)' },
  ],
  examples: [
    ['moln mount photos /srv/photos', ''],
    ['moln mount www /srv/www --user www-data', 'for programs of that user'],
  ],
  run: async (context, input) => {
    const { bucket, key } = readPlace(input.argument('BUCKET') ?? '');
    const folder = resolve(context.io.cwd, input.argument('DIR') ?? '');
    const isReadOnly = input.flag('read-only');
    requireSystem();
    await requireFreeFolder(folder);
    const client = context.client();
    // Says what is wrong with the name before anything is made.
    await client.files().list(bucket, { limit: '1' });
    const { webdav } = await client.files().faces();
    if (webdav === undefined) throw noWebDav();
    const place = [bucket, ...key.split('/')].filter((part) => part !== '').map(encodeURIComponent);
    const url = `${webdav}/${place.join('/')}/`;
    const { token, detail } = await client.createToken({
      name: tokenName(folder),
      scope: isReadOnly ? 'read' : 'deploy',
    });
    try {
      await mount({ url, folder, token, isReadOnly, user: input.text('user') });
    } catch (error) {
      await client.revokeToken(detail.id);
      throw error;
    }
    if (context.json) context.words.json({ bucket, folder, url });
    else {
      context.words.line(`${folder} is ${place.join('/')} now`);
      context.words.note(`It ends with "moln unmount ${folder}", or when the machine is restarted`);
    }
    return EXIT.ok;
  },
};

export const UNMOUNT: CommandSpec = {
  name: 'unmount',
  summary: 'End what "moln mount" made; waits until all that was written is sent.',
  local: true,
  arguments: [DIR],
  run: async (context, input) => {
    const folder = resolve(context.io.cwd, input.argument('DIR') ?? '');
    if (process.getuid?.() !== 0) throw notRoot('unmount');
    await run('umount', [folder]).catch((error: unknown) => {
      throw new MolnError('CLI_UNMOUNT', `"${folder}" cannot be unmounted: ${saidBy(error)}`, {
        hint: 'Close what uses it, and do it again',
      });
    });
    await endTokens(context, folder);
    if (context.json) context.words.json({ folder });
    else context.words.line(`${folder} is unmounted`);
    return EXIT.ok;
  },
};

function requireSystem(): void {
  if (process.getuid?.() !== 0) throw notRoot('mount');
  if (!HELPER_FOLDERS.some((folder) => existsSync(join(folder, HELPER))))
    throw new MolnError('CLI_NO_DAVFS', `Mounting needs davfs2, and there is no "${HELPER}" here`, {
      hint: 'Install it: apt-get install davfs2',
    });
  try {
    accessSync(FUSE, constants.R_OK | constants.W_OK);
  } catch {
    throw new MolnError('CLI_NO_FUSE', `Mounting needs ${FUSE}, which is not here`, {
      hint: 'Load it with "modprobe fuse"; a container has to be given the device',
    });
  }
}

async function requireFreeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw usageError(`"${folder}" is no folder`, messageOf(error));
  });
  const [here, above] = await Promise.all([stat(folder), stat(dirname(folder))]);
  if (here.dev !== above.dev)
    throw usageError(`Something is mounted at "${folder}" already`, `moln unmount ${folder}`);
}

/** The token is in files that only root reads, and only until it is mounted. */
async function mount(wish: {
  readonly url: string;
  readonly folder: string;
  readonly token: string;
  readonly isReadOnly: boolean;
  readonly user: string | undefined;
}): Promise<void> {
  const { url, folder, token, isReadOnly, user = 'root' } = wish;
  const own = await mkdtemp(join(tmpdir(), 'moln-mount-'));
  try {
    const [conf, secrets] = [join(own, 'davfs2.conf'), join(own, 'secrets')];
    await writeFile(secrets, `${url} moln ${token}\n`, { mode: 0o600 });
    await writeFile(conf, `secrets ${secrets}\n${SETTINGS}`, { mode: 0o600 });
    const options = [`conf=${conf}`, `uid=${user}`, isReadOnly ? 'ro' : 'rw'].join(',');
    await run('mount', ['-t', 'davfs', '-o', options, url, folder]);
  } catch (error) {
    throw new MolnError('CLI_MOUNT', `"${folder}" cannot be mounted: ${saidBy(error)}`, {
      hint: 'See the log of the system for words of mount.davfs',
    });
  } finally {
    await rm(own, { recursive: true });
  }
}

async function endTokens(context: Context, folder: string): Promise<void> {
  const client = context.client();
  const own = (await client.tokens()).filter(({ name }) => name === tokenName(folder));
  for (const { id } of own) await client.revokeToken(id);
}

/** Tokens have plain names: the last part of the path for people, the digest for telling two apart. */
function tokenName(folder: string): string {
  const plain = basename(folder)
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, NAME_CHARACTERS);
  const digest = createHash('sha256').update(folder).digest('hex').slice(0, DIGEST_CHARACTERS);
  return `mount ${plain} ${digest}`;
}

/** What a program wrote before it failed, as one line. */
function saidBy(error: unknown): string {
  const { stderr } = error as { readonly stderr?: string };
  const said = (stderr ?? '').trim().split('\n').join('; ');
  return said === '' ? messageOf(error) : said;
}

/** A token must not go to a program that happens to have the port. */
function noWebDav(): MolnError {
  return new MolnError('CLI_NO_WEBDAV', 'WebDAV does not listen on this node', {
    hint: 'See why with "moln status"; "moln up --webdav-port PORT" takes another port',
  });
}

function notRoot(verb: string): MolnError {
  return new MolnError('CLI_NOT_ROOT', `Only root may ${verb}`, { hint: `sudo moln ${verb} …` });
}
