/**
 * What a build may know of the machine: where packages come from, and nothing else. Pure, but for the files that say
 * the same (`.npmrc`, `pip.conf`), which are copied into the build's own home.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { systemCode } from '../base/errors.ts';
import { SYSTEM_PATH } from './tools.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Registries, proxies and their certificates. */
const PASSED =
  /^(?:npm_config_.+|pip_.+|composer_auth|(?:https?|all|no)_proxy|node_extra_ca_certs|ssl_cert_(?:file|dir)|requests_ca_bundle)$/i;
/** What npm says about *its own* run when it has started the agent; it would lead the build astray. */
const NOT_PASSED =
  /^npm_config_(?:cache|prefix|local_prefix|global_prefix|init_module|userconfig|globalconfig|node_gyp|user_agent|npm_version|omit|include|only|production|json|workspaces?|dir)$/i;

export interface BuildFolders {
  readonly home: string;
  readonly tmp: string;
  readonly npmCache: string;
  readonly pipCache: string;
}

export interface BuildEnvironmentInput {
  /** The agent's own. */
  readonly agent: Environment;
  readonly folders: BuildFolders;
  /** Absolute path of the node binary. */
  readonly node: string;
  /** Absolute path of the tree. */
  readonly tree: string;
  readonly app: string;
  readonly instance: string;
}

export function buildEnvironment(input: BuildEnvironmentInput): Record<string, string> {
  const passed = Object.entries(input.agent).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && PASSED.test(entry[0]) && !NOT_PASSED.test(entry[0]),
  );
  const own = ['node_modules/.bin', '.venv/bin', 'vendor/bin'].map((each) =>
    join(input.tree, each),
  );
  return {
    ...Object.fromEntries(passed),
    PATH: [...own, dirname(input.node), SYSTEM_PATH].join(delimiter),
    LANG: 'C.UTF-8',
    CI: '1',
    HOME: input.folders.home,
    TMPDIR: input.folders.tmp,
    npm_config_cache: input.folders.npmCache,
    npm_config_update_notifier: 'false',
    PIP_CACHE_DIR: input.folders.pipCache,
    COMPOSER_HOME: join(input.folders.home, '.composer'),
    MOLN_APP: input.app,
    MOLN_INSTANCE: input.instance,
  };
}

/** Copies the agent user's registry settings into the build's home; what is not there is left out. */
export async function copyRegistrySettings(agent: Environment, home: string): Promise<void> {
  const from = agent['HOME'];
  const npmrc = agent['NPM_CONFIG_USERCONFIG'] ?? agent['npm_config_userconfig'];
  if (npmrc !== undefined) await copyIfAny(npmrc, join(home, '.npmrc'));
  else if (from !== undefined) await copyIfAny(join(from, '.npmrc'), join(home, '.npmrc'));
  if (from === undefined) return;
  for (const file of ['.config/pip/pip.conf', '.pip/pip.conf', '.composer/auth.json']) {
    await copyIfAny(join(from, file), join(home, file));
  }
}

async function copyIfAny(from: string, to: string): Promise<void> {
  try {
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await copyFile(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error;
  }
}
