/**
 * MooseFS on this machine: a master, two chunkservers and a mount through FUSE, two copies of everything. It refuses addresses of
 * 127.0.0.0/8, so it lives in a network namespace whose loopback has another one; that takes root.
 */
import type { ChildProcess } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output, startServer } from './peer-programs.ts';
import { stop } from './tools.ts';

const EMPTY = '/var/lib/mfs/metadata.mfs.empty';
const ADDRESS = '10.77.13.1';
const CHUNKSERVER_PORTS = [9422, 9522] as const;
const GOAL = '2';

export interface MooseFs extends AsyncDisposable {
  /** Where it is mounted. */
  readonly folder: string;
  /** Of servers and mount, as they are now. */
  pids(): readonly number[];
  /** Mounts it anew: what the kernel knew of its files is gone. */
  remount(): Promise<void>;
}

/** `syncs`: chunkservers sync a chunk when it is closed (`HDD_FSYNC_BEFORE_CLOSE`, 0 as it comes). `name`: of the namespace. */
export async function startMooseFs(
  folder: string,
  { name, syncs }: { readonly name: string; readonly syncs: boolean },
): Promise<MooseFs> {
  await using stack = new AsyncDisposableStack();
  const within = ['nsenter', `--net=/run/netns/${name}`];
  const run = async (program: string, ...args: readonly string[]): Promise<string> =>
    await output({ program, args });
  const inside = async (...words: readonly string[]): Promise<string> => {
    const [program = '', ...args] = [...within, ...words];
    return await run(program, ...args);
  };
  const server = async (
    log: string,
    words: readonly string[],
    isReady: () => Promise<boolean>,
  ): Promise<ChildProcess> => {
    const [program = '', ...args] = [...within, ...words];
    return await startServer({ program, args }, join(folder, log), isReady);
  };
  await run('ip', 'netns', 'add', name);
  stack.defer(async () => void (await run('ip', 'netns', 'del', name)));
  await run('ip', '-n', name, 'link', 'set', 'lo', 'up');
  await run('ip', '-n', name, 'address', 'add', `${ADDRESS}/32`, 'dev', 'lo');

  const servers: ChildProcess[] = [];
  stack.defer(async () => void (await Promise.all(servers.map(stop))));
  const start = async (...asked: Parameters<typeof server>): Promise<void> => {
    servers.push(await server(...asked));
  };
  const master = join(folder, 'master');
  await configure(master, {
    'exports.cfg': `${ADDRESS} / rw,alldirs,maproot=0`,
    'topology.cfg': '',
    'master.cfg': settings({
      DATA_PATH: master,
      EXPORTS_FILENAME: join(master, 'exports.cfg'),
      TOPOLOGY_FILENAME: join(master, 'topology.cfg'),
    }),
  });
  await copyFile(EMPTY, join(master, 'metadata.mfs'));
  await start('master.log', ['mfsmaster', '-f', '-c', join(master, 'master.cfg')], async () => {
    const listening = await inside('ss', '-Hltn', 'sport = :9421');
    return listening !== '';
  });
  for (const port of CHUNKSERVER_PORTS) {
    const data = join(folder, `chunkserver-${port}`);
    const disk = join(folder, `disk-${port}`);
    await mkdir(disk);
    await configure(data, {
      'disks.cfg': disk,
      'chunkserver.cfg': settings({
        DATA_PATH: data,
        HDD_CONF_FILENAME: join(data, 'disks.cfg'),
        HDD_FSYNC_BEFORE_CLOSE: syncs ? '1' : '0',
        MASTER_HOST: ADDRESS,
        CSSERV_LISTEN_PORT: String(port),
      }),
    });
    const words = ['mfschunkserver', '-f', '-c', join(data, 'chunkserver.cfg')];
    await start(`chunkserver-${port}.log`, words, async () => {
      const connected = await inside('ss', '-Htn', 'state', 'established', 'sport = :9420');
      return connected.trim().split('\n').filter(Boolean).length === servers.length;
    });
  }

  const mountPoint = join(folder, 'mount');
  await mkdir(mountPoint);
  let mount: ChildProcess | undefined;
  const unmount = async (): Promise<void> => {
    if (mount === undefined) return;
    await run('umount', mountPoint);
    await stop(mount);
    mount = undefined;
  };
  stack.defer(unmount);
  const remount = async (): Promise<void> => {
    await unmount();
    const words = ['mfsmount', mountPoint, '-H', ADDRESS, '-f'];
    mount = await server('mount.log', words, async () => {
      const mounts = await readFile('/proc/mounts', 'utf8');
      return mounts.includes(` ${mountPoint} fuse`);
    });
  };
  await remount();
  await inside('mfssetgoal', GOAL, mountPoint);
  const all = stack.move();
  return {
    folder: mountPoint,
    pids: () => [...servers, mount].flatMap((child) => child?.pid ?? []),
    remount,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function configure(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(folder);
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, name), `${text}\n`);
}

/** The user of Debian's package may not enter a temporary folder. */
function settings(more: Readonly<Record<string, string>>): string {
  return Object.entries({ WORKING_USER: 'root', WORKING_GROUP: 'root', ...more })
    .map(([key, value]) => `${key} = ${value}`)
    .join('\n');
}
