/** `moln.json` in an app's folder: everything in it is optional, and nothing unknown is let through. */
import { ConfigError, MolnError, messageOf } from '../base/errors.ts';
import {
  array,
  boolean,
  integer,
  literal,
  object,
  optional,
  record,
  string,
  withDefault,
} from '../base/schema.ts';
import type { Infer, Schema } from '../base/schema.ts';
import { formatDuration } from '../base/time.ts';
import { parseDuration } from '../base/units.ts';
import type { HealthPlan, LaunchPlan, PlacementPlan } from './model.ts';
import {
  DOMAINS_MAX,
  FOLDERS_MAX,
  INSTANCES_PER_PROCESS_MAX,
  PROCESS_TYPES_MAX,
  START_TIMEOUT_MAX_MS,
  STOP_TIMEOUT_MAX_MS,
} from './run-limits.ts';

export const SETTINGS_FILE = 'moln.json';

/** Commands in one `build` list and processes in one app. */
const BUILD_COMMANDS_MAX = 20;
const COMMAND_CHARACTERS_MAX = 4096;

/** Unless `moln.json` says otherwise. Any answer but an error of the server means healthy. */
export const HEALTH_DEFAULTS: HealthPlan = {
  path: '/',
  startTimeoutMs: 30_000,
  stopTimeoutMs: 10_000,
};

export const PLACEMENT_DEFAULTS: PlacementPlan = {
  restart: 'elsewhere',
  memoryMiB: 128,
  labels: {},
  singletons: [],
};

export interface AppSettings {
  readonly kind: LaunchPlan['kind'] | undefined;
  /** Shell commands instead of the ones that detection would choose after the dependencies are there. */
  readonly build: readonly string[] | undefined;
  /** Shell commands by process type; `web` answers requests, all others are workers. */
  readonly processes: Readonly<Record<string, string>> | undefined;
  readonly static: {
    readonly root: string | undefined;
    readonly fallback: string | undefined;
    readonly notFound: string | undefined;
  };
  readonly health: HealthPlan;
  readonly placement: PlacementPlan;
  /** The gateways store answers as they allow it. */
  readonly cache: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** Buckets, or folders of them, that instances find mounted, by the name that they are known by. */
  readonly folders: Readonly<Record<string, string>>;
  readonly domains: readonly string[];
  readonly scale: Readonly<Record<string, number>>;
}

/** Names of process types, as in a Procfile. */
export const PROCESS_NAME: RegExp = /^[a-z](?:[a-z0-9_-]{0,30}[a-z0-9])?$/;
const PROCESS_NAME_MEANS = 'lower-case letters, digits, - and _, starting with a letter';
const LABEL = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const LOST_AFTER_LEAST_MS = 4000;
const LOST_AFTER_MAX_MS: number = 24 * 3600_000;
const MEMORY_MIB_MAX: number = 1024 * 1024;
/** Becomes a part of a variable's name. */
const FOLDER_NAME = /^[a-z][a-z0-9_]{0,30}$/;
const FOLDER_PLACE = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const HOST =
  /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const command = string({ lengthMax: COMMAND_CHARACTERS_MAX });

/** A path below the app's folder. */
const pathInside: Schema<string> = string({
  lengthMax: 1024,
  pattern: /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$)).+$/s,
  patternMeans: 'a path inside the app folder, without .. and not starting with /',
});

/** `"npm run x"` or `["a", "b"]`. */
const commands: Schema<readonly string[]> = {
  decode(value, path) {
    if (typeof value === 'string') return [command.decode(value, path)];
    return array(command, { itemsMax: BUILD_COMMANDS_MAX }).decode(value, path);
  },
  json: { oneOf: [command.json, array(command).json] },
};

/** `"30s"` to milliseconds. */
function duration(mostMs: number): Schema<number> {
  return {
    decode(value, path) {
      const text = string().decode(value, path);
      const ms = parseDuration(text, path);
      if (ms <= mostMs) return ms;
      throw new ConfigError(path, `"${path}" is "${text}", want at most ${formatDuration(mostMs)}`);
    },
    json: { type: 'string', description: 'A number with ms, s, m or h, such as 30s' },
  };
}

/** Throws `ConfigError` when an app has too many process types. */
export function checkProcessCount(key: string, count: number): void {
  if (count <= PROCESS_TYPES_MAX) return;
  const message = `"${key}" has ${count} processes, want at most ${PROCESS_TYPES_MAX}`;
  throw new ConfigError(key, message, { hint: 'Let one process do the work of several' });
}

const byProcess = { key: PROCESS_NAME, keyMeans: PROCESS_NAME_MEANS };

const schema = object({
  kind: optional(literal('static', 'node', 'python', 'php', 'procfile')),
  build: optional(commands),
  processes: optional(record(command, byProcess)),
  static: withDefault(
    object({
      root: optional(pathInside),
      fallback: optional(pathInside),
      notFound: optional(pathInside),
    }),
    {},
  ),
  health: withDefault(
    object({
      path: optional(string({ pattern: /^\/[!-~]*$/, patternMeans: 'a path such as /up' })),
      startTimeout: optional(duration(START_TIMEOUT_MAX_MS)),
      stopTimeout: optional(duration(STOP_TIMEOUT_MAX_MS)),
    }),
    {},
  ),
  restart: withDefault(literal('elsewhere', 'wait', 'never'), PLACEMENT_DEFAULTS.restart),
  lostAfter: optional(duration(LOST_AFTER_MAX_MS)),
  memoryMiB: withDefault(integer({ min: 1, max: MEMORY_MIB_MAX }), PLACEMENT_DEFAULTS.memoryMiB),
  labels: withDefault(
    record(string({ lengthMax: 255 }), { key: LABEL, keyMeans: 'lower-case letters and digits' }),
    {},
  ),
  singletons: withDefault(
    array(string({ pattern: PROCESS_NAME, patternMeans: PROCESS_NAME_MEANS }), {
      itemsMax: PROCESS_TYPES_MAX,
    }),
    [],
  ),
  cache: withDefault(boolean(), true),
  env: withDefault(
    record(string(), { key: ENV_NAME, keyMeans: 'letters, digits and _, not a digit first' }),
    {},
  ),
  folders: withDefault(
    record(
      string({
        lengthMax: 200,
        pattern: FOLDER_PLACE,
        patternMeans: 'a bucket, or BUCKET/FOLDER of letters, digits, ".", "_" and "-"',
      }),
      { key: FOLDER_NAME, keyMeans: 'lower-case letters, digits and _, starting with a letter' },
    ),
    {},
  ),
  domains: withDefault(
    array(string({ pattern: HOST, patternMeans: 'a host name in lower case' }), {
      itemsMax: DOMAINS_MAX,
    }),
    [],
  ),
  scale: withDefault(record(integer({ min: 0, max: INSTANCES_PER_PROCESS_MAX }), byProcess), {}),
});

/** Decodes the text of a `moln.json`; without one, the defaults. Throws `ConfigError` with the path of the key. */
export function readSettings(text: string | undefined): AppSettings {
  const raw = decode(text === undefined ? {} : parse(text));
  const health = raw.health;
  return {
    kind: raw.kind,
    build: raw.build,
    processes: raw.processes,
    static: {
      root: raw.static.root,
      fallback: raw.static.fallback,
      notFound: raw.static.notFound,
    },
    health: {
      path: health.path ?? HEALTH_DEFAULTS.path,
      startTimeoutMs: health.startTimeout ?? HEALTH_DEFAULTS.startTimeoutMs,
      stopTimeoutMs: health.stopTimeout ?? HEALTH_DEFAULTS.stopTimeoutMs,
    },
    placement: {
      restart: raw.restart,
      ...(raw.lostAfter === undefined ? {} : { lostAfterMs: checkLostAfter(raw.lostAfter) }),
      memoryMiB: raw.memoryMiB,
      labels: raw.labels,
      singletons: raw.singletons,
    },
    cache: raw.cache,
    env: raw.env,
    folders: checkFolders(raw.folders),
    domains: raw.domains,
    scale: raw.scale,
  };
}

function checkFolders(folders: AppSettings['folders']): AppSettings['folders'] {
  const count = Object.keys(folders).length;
  if (count <= FOLDERS_MAX) return folders;
  const message = `"folders" has ${count} entries, want at most ${FOLDERS_MAX} (in ${SETTINGS_FILE})`;
  throw new ConfigError('folders', message, { hint: 'Put several into folders of one bucket' });
}

/** Shorter than the nodes' own clocks can tell would only move things for nothing. */
function checkLostAfter(ms: number): number {
  if (ms >= LOST_AFTER_LEAST_MS) return ms;
  const least = formatDuration(LOST_AFTER_LEAST_MS);
  const message = `"lostAfter" is ${formatDuration(ms)}, want at least ${least} (in ${SETTINGS_FILE})`;
  throw new ConfigError('lostAfter', message);
}

function decode(value: unknown): Infer<typeof schema> {
  try {
    const raw = schema.decode(value, '');
    checkProcessCount('processes', Object.keys(raw.processes ?? {}).length);
    return raw;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.key, `${error.message} (in ${SETTINGS_FILE})`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new MolnError(
      'CONFIG_INVALID',
      `${SETTINGS_FILE} is not valid JSON: ${messageOf(error)}`,
      { hint: `Correct ${SETTINGS_FILE} and deploy again`, cause: error },
    );
  }
}
