/** What this machine has for building and running apps: found out once per deploy, then passed around as data. */
import { execFile } from 'node:child_process';
import { access, constants, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What every user of the machine can run; programs in someone's home are not for apps. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One look at the system's Python. */
const PYTHON_TIMEOUT_MS = 10_000;

/** Absolute paths of programs, or undefined when the machine does not have them. */
export interface Tools {
  readonly npm: string | undefined;
  readonly python: PythonTools | undefined;
  readonly php: string | undefined;
  readonly phpCgi: string | undefined;
  /** Debian names it by its version, `php-fpm8.2`. */
  readonly phpFpm: string | undefined;
  readonly composer: string | undefined;
  readonly nice: string | undefined;
  readonly ionice: string | undefined;
}

export interface PythonTools {
  readonly path: string;
  /** `3.11.7` */
  readonly version: string;
  /** True when `python3 -m venv` can make an environment with pip. */
  readonly venv: boolean;
  /** Installed distributions: normalised name (PEP 503) to version. */
  readonly packages: Readonly<Record<string, string>>;
}

export const NO_TOOLS: Tools = {
  npm: undefined,
  python: undefined,
  php: undefined,
  phpCgi: undefined,
  phpFpm: undefined,
  composer: undefined,
  nice: undefined,
  ionice: undefined,
};

/** Looks along `path`, which is written like PATH. Never fails: what does not answer is not there. */
export async function findTools(path: string = SYSTEM_PATH): Promise<Tools> {
  const find = (name: string): Promise<string | undefined> => findProgram(name, path);
  const [npm, python3, php, phpCgi, composer, nice, ionice] = await Promise.all(
    ['npm', 'python3', 'php', 'php-cgi', 'composer', 'nice', 'ionice'].map(find),
  );
  const python = python3 === undefined ? undefined : await askPython(python3);
  const phpFpm = await find(await newestFpm(path));
  return { npm, python, php, phpCgi, phpFpm, composer, nice, ionice };
}

/** The name of the newest php-fpm in the folders of `path`, `php-fpm` when there is none. */
async function newestFpm(path: string): Promise<string> {
  const lists = path.split(delimiter).map((folder) => readdir(folder).catch(() => []));
  const names = (await Promise.all(lists)).flat().filter((name) => /^php-fpm\d[\d.]*$/.test(name));
  const newestFirst = names.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return newestFirst[0] ?? 'php-fpm';
}

export async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    try {
      await access(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}

const PYTHON_QUESTION = `
import importlib.metadata as m, importlib.util as u, json, re, sys
print(json.dumps({
    "version": ".".join(map(str, sys.version_info[:3])),
    "venv": u.find_spec("venv") is not None and u.find_spec("ensurepip") is not None,
    "packages": {re.sub("[-_.]+", "-", d.metadata["Name"]).lower(): d.version
                 for d in m.distributions() if d.metadata["Name"]},
}))
`;

async function askPython(path: string): Promise<PythonTools | undefined> {
  try {
    const options = { timeout: PYTHON_TIMEOUT_MS, cwd: '/' };
    const { stdout } = await run(path, ['-I', '-c', PYTHON_QUESTION], options);
    return { path, ...(JSON.parse(stdout) as Omit<PythonTools, 'path'>) };
  } catch {
    return undefined;
  }
}
