/**
 * Writes routes and listeners. Each is compared with all others first, and the commit holds only if none of them has changed
 * meanwhile.
 */
import { ConfigError, isMolnError, MolnError } from '../base/errors.ts';
import { nearestName } from '../base/suggest.ts';
import type { Clock } from '../base/time.ts';
import { Collection, type Registry, type Revision, type Stored } from '../registry/registry.ts';
import { checkPort, checkRoute, type PortConfig } from './check-record.ts';
import { type PlaceClaim, placeTaken, type PortClaim, portTaken } from './claims.ts';
import type { RouteConfig } from './ground.ts';
import { keepUsers } from './hidden-users.ts';
import { checkName } from './record-name.ts';
import {
  PREFIXES,
  type RecordKind,
  RECORDS_MAX,
  recordSchema,
  TURN_KEY,
  type Written,
  WRITTEN_CHARACTERS_MAX,
  type WrittenRecord,
} from './records.ts';
import { parseYaml } from './yaml.ts';

export interface RecordChange {
  /** As it shall be: in keys and values, or as YAML. */
  readonly written: Written | { readonly yaml: string };
  /** What it is made of; 0: of nothing. Refused when somebody else was faster. */
  readonly ifRevision?: Revision;
}

/** What the cluster has beside these records. */
export interface Surroundings {
  readonly apps: readonly { readonly name: string; readonly hosts: readonly string[] }[];
  /** Throws for hosts that nobody may have. */
  readonly checkHosts: (hosts: readonly string[]) => void;
}

/** Of all nodes; asked when all else is well. Throws when one of them cannot give it. */
export type AskNodes = (port: PortConfig) => Promise<void>;

/** Others that write at the same time are let go first so often. */
const ROUNDS_MAX = 20;

interface Turn {
  readonly revision: Revision;
  readonly all: readonly Stored<WrittenRecord>[];
}

export class RecordBook {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #records: Readonly<Record<RecordKind, Collection<WrittenRecord>>>;

  constructor(options: { readonly registry: Registry; readonly clock: Clock }) {
    const { registry, clock } = options;
    this.#registry = registry;
    this.#clock = clock;
    this.#records = {
      route: new Collection({ registry, prefix: PREFIXES.route, schema: recordSchema }),
      listener: new Collection({ registry, prefix: PREFIXES.listener, schema: recordSchema }),
    };
  }

  /** By name. */
  list(kind: RecordKind): Promise<readonly Stored<WrittenRecord>[]> {
    return this.#records[kind].list();
  }

  /** Throws `ROUTES_NOT_FOUND` with the nearest name. */
  async get(kind: RecordKind, name: string): Promise<Stored<WrittenRecord>> {
    const all = await this.list(kind);
    const found = all.find(({ id }) => id === name);
    if (found !== undefined) return found;
    throw missing(kind, name, all);
  }

  /** Throws as `setRoute` does. */
  async checkRoute(name: string, change: RecordChange, around: Surroundings): Promise<void> {
    await this.#checkedRoute(name, change, around, await this.list('route'));
  }

  /** Resolves with the revision at which every node can read it. */
  setRoute(
    name: string,
    change: RecordChange,
    around: Surroundings,
    by: string,
  ): Promise<Revision> {
    return this.#set('route', name, by, (turn) =>
      this.#checkedRoute(name, change, around, turn.all),
    );
  }

  /** Throws as `setListener` does. */
  async checkListener(name: string, change: RecordChange, ask: AskNodes): Promise<void> {
    await this.#checkedListener(name, change, ask, await this.list('listener'));
  }

  setListener(name: string, change: RecordChange, ask: AskNodes, by: string): Promise<Revision> {
    return this.#set('listener', name, by, (turn) =>
      this.#checkedListener(name, change, ask, turn.all),
    );
  }

  /** Throws `ROUTES_NOT_FOUND`. */
  async remove(kind: RecordKind, name: string): Promise<Revision> {
    return this.#inTurn(kind, async ({ all }) => {
      if (!all.some(({ id }) => id === name)) throw missing(kind, name, all);
      return { kind: 'delete', key: this.#records[kind].keyOf(name) };
    });
  }

  #set(
    kind: RecordKind,
    name: string,
    by: string,
    check: (turn: Turn) => Promise<Written>,
  ): Promise<Revision> {
    return this.#inTurn(kind, async (turn) => {
      const written = await check(turn);
      const before = turn.all.find(({ id }) => id === name)?.value;
      const changedAt = this.#clock.now();
      const createdAt = before?.createdAt ?? changedAt;
      return this.#records[kind].putOperation(name, { createdAt, changedAt, by, written });
    });
  }

  /** Decides again when another one was faster. */
  async #inTurn(
    kind: RecordKind,
    decide: (turn: Turn) => Promise<ReturnType<Collection<WrittenRecord>['putOperation']>>,
  ): Promise<Revision> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const revision = (await this.#registry.get(TURN_KEY))?.revision ?? 0;
      const operation = await decide({ revision, all: await this.list(kind) });
      const turn = { kind: 'put', key: TURN_KEY, value: Buffer.from('{}') } as const;
      const result = await this.#registry.commit([{ key: TURN_KEY, revision }], [turn, operation]);
      if (result.kind === 'committed') return result.revision;
    }
    throw new MolnError('ROUTES_BUSY', 'Too many others change routes at the same time', {
      retryable: true,
    });
  }

  async #checkedRoute(
    name: string,
    change: RecordChange,
    { apps, checkHosts }: Surroundings,
    all: readonly Stored<WrittenRecord>[],
  ): Promise<Written> {
    const written = writtenOf('route', name, change, all);
    const { route, config } = checkRoute(name, written);
    const claim = claimOf(name, config, route.app);
    const leadsOut = config.target.kind === 'upstreams' || config.target.kind === 'static';
    if (leadsOut && config.hosts.includes('*')) throw tooWide();
    checkHosts(config.hosts.filter((host) => host !== '*'));
    if (route.app !== undefined && !apps.some((app) => app.name === route.app)) {
      throw appMissing(
        route.app,
        apps.map((app) => app.name),
      );
    }
    const others = all.filter(({ id }) => id !== name).flatMap(claimOfRecord);
    const ofApps = apps.map((app) => ({ ...app, kind: 'app' as const, path: '/' }));
    const taken = placeTaken(claim, [...others, ...ofApps]);
    if (taken !== undefined) throw taken;
    return written;
  }

  async #checkedListener(
    name: string,
    change: RecordChange,
    ask: AskNodes,
    all: readonly Stored<WrittenRecord>[],
  ): Promise<Written> {
    const written = writtenOf('listener', name, change, all);
    const port = checkPort(name, written);
    const others = all.filter(({ id }) => id !== name).flatMap(portOfRecord);
    const taken = portTaken({ who: '', ...port.config }, others);
    if (taken !== undefined) throw taken;
    const before = all.filter(({ id }) => id === name).flatMap(portOfRecord)[0];
    if (before === undefined || !isSamePort(before, port.config)) await ask(port);
    return written;
  }
}

function isSamePort(a: Omit<PortClaim, 'who'>, b: Omit<PortClaim, 'who'>): boolean {
  const isUdp = (one: Omit<PortClaim, 'who'>): boolean => one.protocol === 'udp';
  return a.port === b.port && a.address === b.address && isUdp(a) === isUdp(b);
}

/** Throws `ROUTES_CHANGED_CONFLICT`, `ROUTES_TOO_MANY`, and what is wrong with the text. */
function writtenOf(
  kind: RecordKind,
  name: string,
  { written, ifRevision }: RecordChange,
  all: readonly Stored<WrittenRecord>[],
): Written {
  checkName(name);
  const before = all.find(({ id }) => id === name);
  if (ifRevision !== undefined && (before?.revision ?? 0) !== ifRevision) throw changed(kind, name);
  if (before === undefined && all.length >= RECORDS_MAX[kind]) throw tooMany(kind);
  const value = isYaml(written) ? readYaml(kind, written.yaml) : written;
  const kept = kind === 'route' ? keepUsers(value, before?.value.written) : value;
  const characters = JSON.stringify(kept).length;
  if (characters <= WRITTEN_CHARACTERS_MAX) return kept;
  const what = `The ${kind} has ${characters} characters, at most ${WRITTEN_CHARACTERS_MAX}`;
  throw new ConfigError('', what);
}

function isYaml(written: RecordChange['written']): written is { readonly yaml: string } {
  return typeof written['yaml'] === 'string';
}

/** Throws `ConfigError` with the line. */
export function readYaml(kind: RecordKind, text: string): Written {
  const { value } = parseYaml(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Written;
  const what = `The text is no ${kind}, want keys and values`;
  throw new ConfigError('', what, { hint: 'Write "host: www.example.org" and so on' });
}

export function claimOf(name: string, config: RouteConfig, app: string | undefined): PlaceClaim {
  const { hosts, path } = config;
  return { kind: 'route', name, hosts, path, ...(app === undefined ? {} : { app }) };
}

/** None of a record of a later Moln. */
export function claimOfRecord({ id, value }: Stored<WrittenRecord>): readonly PlaceClaim[] {
  return unlessUnreadable(() => {
    const { route, config } = checkRoute(id, value.written);
    return claimOf(id, config, route.app);
  });
}

function portOfRecord({ id, value }: Stored<WrittenRecord>): readonly PortClaim[] {
  return unlessUnreadable(() => {
    const { protocol, address, port } = checkPort(id, value.written).config;
    return { who: `Listener "${id}"`, protocol, address, port };
  });
}

function unlessUnreadable<T>(read: () => T): readonly T[] {
  try {
    return [read()];
  } catch (error) {
    if (!isMolnError(error, 'CONFIG_INVALID')) throw error;
    return [];
  }
}

function missing(kind: RecordKind, name: string, all: readonly Stored<WrittenRecord>[]): MolnError {
  const near = nearestName(
    name,
    all.map(({ id }) => id),
  );
  return new MolnError('ROUTES_NOT_FOUND', `There is no ${kind} "${name}"`, {
    hint: near === undefined ? `Run "moln ${kind} list" to see them` : `Did you mean "${near}"?`,
  });
}

function appMissing(name: string, all: readonly string[]): MolnError {
  const near = nearestName(name, all);
  return new MolnError('ROUTES_APP_NOT_FOUND', `There is no app "${name}" to lead to`, {
    hint:
      near === undefined
        ? 'Deploy it first: moln deploy DIR --name NAME'
        : `Did you mean "${near}"?`,
  });
}

function changed(kind: RecordKind, name: string): MolnError {
  const what = `Somebody else has changed the ${kind} "${name}" meanwhile`;
  return new MolnError('ROUTES_CHANGED_CONFLICT', what, { hint: 'Look at it again first' });
}

function tooMany(kind: RecordKind): MolnError {
  const what = `There are ${RECORDS_MAX[kind]} ${kind}s already, which is the most`;
  return new MolnError('ROUTES_TOO_MANY', what, { hint: 'Remove one that nobody needs' });
}

/** A page of somebody else under a name of the console would share its cookies' host. */
function tooWide(): MolnError {
  const what =
    'A route for all hosts ("*") can only redirect or respond: the console has some of them';
  return new MolnError('ROUTES_HOST_RESERVED', what, {
    hint: 'Name the hosts, such as www.example.org or *.example.org',
  });
}
