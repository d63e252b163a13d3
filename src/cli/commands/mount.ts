/**
 * `moln mount` and `unmount`: a bucket as a folder of this machine, by the system's own davfs2 over the node's WebDAV. Mounting is root's
 * affair; the mount has a token of its own, which ends with it.
 */
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { davLack, mountDav, unmountDav } from '../../base/davfs.ts';
import { messageOf, MolnError } from '../../base/errors.ts';
import { type Clock, systemClock } from '../../base/time.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { readPlace } from './files-words.ts';

const NAME_CHARACTERS = 30;
const DIGEST_CHARACTERS = 16;
const USER = 'moln';
/** A new token gets to the process that serves WebDAV by itself, moments after it was made. */
const KNOWN_WITHIN_MS = 10_000;
const KNOWN_LOOK_MS = 20;
const UNAUTHORIZED = 401;
const DIR = { name: 'DIR', description: 'a folder of this machine', required: true };

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
      await untilLetIn(`${webdav}/`, { user: USER, password: token, clock: context.clock });
      const options = [`uid=${input.text('user') ?? 'root'}`, isReadOnly ? 'ro' : 'rw'];
      await mountDav({ url, folder, user: USER, password: token, options });
    } catch (error) {
      await client.revokeToken(detail.id);
      throw new MolnError('CLI_MOUNT', `"${folder}" cannot be mounted: ${messageOf(error)}`, {
        hint: 'See the log of the system for words of mount.davfs',
      });
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
    await unmountDav(folder, { clock: systemClock }).catch((error: unknown) => {
      throw new MolnError('CLI_UNMOUNT', `"${folder}" cannot be unmounted: ${messageOf(error)}`, {
        hint: 'Close what uses it, and do it again',
      });
    });
    await endTokens(context, folder);
    if (context.json) context.words.json({ folder });
    else context.words.line(`${folder} is unmounted`);
    return EXIT.ok;
  },
};

/** davfs2 gives up at the first refusal. Throws when that lasts for `KNOWN_WITHIN_MS`. */
export async function untilLetIn(
  url: string,
  {
    user,
    password,
    clock,
  }: { readonly user: string; readonly password: string; readonly clock: Clock },
): Promise<void> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const headers = { authorization, depth: '0' };
  const givenUpMs = clock.monotonicMs() + KNOWN_WITHIN_MS;
  for (;;) {
    const answer = await fetch(url, { method: 'PROPFIND', headers });
    await answer.body?.cancel();
    if (answer.status !== UNAUTHORIZED) return;
    if (clock.monotonicMs() > givenUpMs)
      throw new Error(`WebDAV refuses the new token for ${KNOWN_WITHIN_MS} ms`);
    await clock.sleep(KNOWN_LOOK_MS);
  }
}

function requireSystem(): void {
  if (process.getuid?.() !== 0) throw notRoot('mount');
  const lack = davLack();
  if (lack !== undefined) throw new MolnError(`CLI_NO_${lack.kind}`, lack.message, lack);
}

async function requireFreeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw usageError(`"${folder}" is no folder`, messageOf(error));
  });
  const [here, above] = await Promise.all([stat(folder), stat(dirname(folder))]);
  if (here.dev !== above.dev)
    throw usageError(`Something is mounted at "${folder}" already`, `moln unmount ${folder}`);
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

/** A token must not go to a program that happens to have the port. */
function noWebDav(): MolnError {
  return new MolnError('CLI_NO_WEBDAV', 'WebDAV does not listen on this node', {
    hint: 'See why with "moln status"; "moln up --webdav-port PORT" takes another port',
  });
}

function notRoot(verb: string): MolnError {
  return new MolnError('CLI_NOT_ROOT', `Only root may ${verb}`, { hint: `sudo moln ${verb} …` });
}
