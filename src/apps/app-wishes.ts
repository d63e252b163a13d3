/** Pure: checks what people wish for an app (name, domains, scale, settings) and applies it to the `App`. */
import { randomBytes } from 'node:crypto';
import { formatBytes } from '../base/units.ts';
import type { App, Deployment, Release } from './model.ts';
import { APP_NAME, APP_NAME_MEANS, RELEASES_KEPT } from './model.ts';
import { domainTaken, noUidLeft, wishInvalid } from './run-errors.ts';
import {
  DOMAINS_MAX,
  ENV_BYTES_MAX,
  ENV_ENTRIES_MAX,
  ENV_VALUE_BYTES_MAX,
  INSTANCES_PER_PROCESS_MAX,
  UID_FIRST,
  UID_LAST,
} from './run-limits.ts';

/** Settings and secrets to set and to remove. */
export interface EnvChange {
  readonly set?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
  readonly setSecrets?: Readonly<Record<string, string>>;
  readonly unsetSecrets?: readonly string[];
}

const DOMAIN =
  /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const DOMAIN_LENGTH_MAX = 253;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Set by Moln for each instance. */
const RESERVED_NAME = /^(?:MOLN_.*|PORT|LISTEN_SOCKET|HOME|TMPDIR)$/;

export function checkAppName(name: string): void {
  if (APP_NAME.test(name)) return;
  throw wishInvalid(
    `App name "${name}" is not allowed, want ${APP_NAME_MEANS}`,
    'Choose another name with --name NAME',
  );
}

/** Lower case, without duplicates. Throws `APPS_INVALID` or `APPS_DOMAIN_TAKEN`. */
export function checkDomains(
  app: string,
  domains: readonly string[],
  others: readonly Pick<App, 'name' | 'domains'>[],
): string[] {
  const wanted = [...new Set(domains.map((domain) => domain.trim().toLowerCase()))];
  if (wanted.length > DOMAINS_MAX) {
    throw wishInvalid(
      `${wanted.length} domains are too many, at most ${DOMAINS_MAX}`,
      'Give fewer',
    );
  }
  for (const domain of wanted) {
    if (!DOMAIN.test(domain) || domain.length > DOMAIN_LENGTH_MAX) {
      throw wishInvalid(
        `"${domain}" is not a host name`,
        'Write it without scheme, port and path, such as www.example.org',
      );
    }
    const owner = others.find(
      (other) =>
        other.name !== app &&
        (other.domains.includes(domain) || `${other.name}.localhost` === domain),
    );
    if (owner !== undefined) throw domainTaken(domain, owner.name);
  }
  return wanted;
}

/** The new `scale`. Throws `APPS_INVALID` for an unknown process or a count out of range. */
export function scaled(
  app: App,
  release: Release | undefined,
  counts: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const processes = Object.keys(release?.plan.processes ?? {});
  for (const [process, count] of Object.entries(counts)) {
    if (!processes.includes(process)) {
      const known = processes.length === 0 ? 'it has none' : `it has ${processes.join(', ')}`;
      throw wishInvalid(
        `App "${app.name}" has no process "${process}": ${known}`,
        `Run "moln app ${app.name}" to see its processes`,
      );
    }
    if (!Number.isInteger(count) || count < 0 || count > INSTANCES_PER_PROCESS_MAX) {
      throw wishInvalid(
        `Cannot run ${count} instances of "${process}", want 0 to ${INSTANCES_PER_PROCESS_MAX}`,
        'Give another number',
      );
    }
  }
  return { ...app.scale, ...counts };
}

/** The new settings, and the names of all secrets. Throws `APPS_INVALID`. */
export function changedEnv(app: App, change: EnvChange): Pick<App, 'env' | 'secretNames'> {
  const set = change.set ?? {};
  const setSecrets = change.setSecrets ?? {};
  for (const [name, value] of [...Object.entries(set), ...Object.entries(setSecrets)]) {
    checkEntry(name, value);
  }
  // A name is a setting or a secret, whichever was said last.
  const gone = new Set([...(change.unset ?? []), ...Object.keys(setSecrets)]);
  const env = Object.fromEntries(
    Object.entries({ ...app.env, ...set }).filter(([name]) => !gone.has(name)),
  );
  const open = new Set([...(change.unsetSecrets ?? []), ...Object.keys(set)]);
  const secretNames = [...new Set([...app.secretNames, ...Object.keys(setSecrets)])]
    .filter((name) => !open.has(name) || Object.hasOwn(setSecrets, name))
    .toSorted();
  if (Object.keys(env).length + secretNames.length > ENV_ENTRIES_MAX) {
    throw wishInvalid(
      `App "${app.name}" would have more than ${ENV_ENTRIES_MAX} settings and secrets`,
      'Remove some first',
    );
  }
  // Of secrets only those of this change are at hand; the sum of old ones was looked at when they came.
  const bytes = Object.entries({ ...env, ...setSecrets }).reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value) + 2,
    0,
  );
  if (bytes > ENV_BYTES_MAX) {
    throw wishInvalid(
      `The settings of "${app.name}" would have ${formatBytes(bytes)}, want at most ${formatBytes(ENV_BYTES_MAX)}`,
      'Put larger things into a file',
    );
  }
  return { env, secretNames };
}

function checkEntry(name: string, value: string): void {
  if (!ENV_NAME.test(name)) {
    throw wishInvalid(
      `"${name}" is not a name for a setting, want letters, digits and _`,
      'Choose another name',
    );
  }
  if (RESERVED_NAME.test(name)) {
    throw wishInvalid(`"${name}" is set by Moln itself`, 'Choose another name');
  }
  const bytes = Buffer.byteLength(value);
  if (bytes > ENV_VALUE_BYTES_MAX || value.includes('\0')) {
    throw wishInvalid(
      `The value of "${name}" has ${bytes} bytes, want at most ${ENV_VALUE_BYTES_MAX} without NUL`,
      'Put larger things into a file',
    );
  }
}

/** The app after a release began to serve: newest first in its history. */
export function deployed(app: App, deployment: Deployment): App {
  return {
    ...app,
    release: deployment.release,
    running: true,
    history: [deployment, ...app.history].slice(0, RELEASES_KEPT),
  };
}

/** The release that served before the current one, by history. */
export function releaseBefore(app: App): string | undefined {
  return app.history.find((deployment) => deployment.release !== app.release)?.release;
}

export function newApp(name: string, uid: number, createdAt: number): App {
  return {
    format: 1,
    name,
    domains: [],
    release: undefined,
    generation: '',
    history: [],
    scale: {},
    env: {},
    secretNames: [],
    running: true,
    createdAt,
    uid,
  };
}

/**
 * A uid that no app has. It begins at a random place, so that the apps of several nodes on one machine are unlikely
 * to share one.
 */
export function freeUid(
  used: ReadonlySet<number>,
  seed: number = randomBytes(4).readUInt32BE(),
): number {
  const size = UID_LAST - UID_FIRST + 1;
  for (let step = 0; step < size; step++) {
    const uid = UID_FIRST + ((seed + step) % size);
    if (!used.has(uid)) return uid;
  }
  throw noUidLeft();
}
