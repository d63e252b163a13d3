/** Fulfils what the API asks for about routes and listeners (`src/api/route-model.ts`), over all nodes. */
import type { ListenerDetail, RouteAnswer, RouteCloud, RouteDetail } from '../api/api.ts';
import { type Apps, hostsOf } from '../apps/apps.ts';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Events, Peers } from '../cluster/cluster.ts';
import type { Revision, Stored } from '../registry/registry.ts';
import {
  claimOfRecord,
  hideUsers,
  placeTaken,
  readYaml,
  type RecordBook,
  type RecordChange,
  type RecordKind,
  routeIdOf,
  type Surroundings,
  type WrittenRecord,
} from '../routes/routes.ts';
import { checkDomainsApart } from './console-host.ts';
import type { GatewayQuestions } from './gateway-questions.ts';
import type { GatewaysSettled } from './gateways-settled.ts';
import type { NodePortTrouble, PortQuestions } from './port-questions.ts';
import { listenerFacts, outSentences, routeFacts } from './route-words.ts';

export interface RouteCloudOptions {
  readonly book: RecordBook;
  readonly apps: Pick<Apps, 'list'>;
  readonly peers: Pick<Peers, 'all'>;
  readonly questions: GatewayQuestions;
  readonly ports: PortQuestions;
  /** As this node knows. */
  readonly hasPorts: () => boolean;
  readonly settled: Pick<GatewaysSettled, 'settled'>;
  readonly events: Pick<Events, 'tell'>;
}

export class NodeRouteCloud implements RouteCloud {
  readonly #options: RouteCloudOptions;

  constructor(options: RouteCloudOptions) {
    this.#options = options;
  }

  async listRoutes(): Promise<readonly RouteDetail[]> {
    return this.#routeDetails(await this.#options.book.list('route'));
  }

  async showRoute(name: string): Promise<RouteDetail> {
    const [detail] = await this.#routeDetails([await this.#options.book.get('route', name)]);
    if (detail === undefined) throw new Error('A route that was found has no details');
    return detail;
  }

  async checkRoute(name: string, change: RecordChange): Promise<RouteDetail['written']> {
    const around = await this.#surroundings();
    await this.#options.book.checkRoute(name, change, around);
    return givenOf('route', change);
  }

  async setRoute(name: string, change: RecordChange, by: string): Promise<RouteAnswer> {
    const around = await this.#surroundings();
    const revision = await this.#options.book.setRoute(name, change, around, by);
    return this.#done('route', name, `was set by ${by}`, revision);
  }

  async removeRoute(name: string, by: string): Promise<RouteAnswer> {
    const revision = await this.#options.book.remove('route', name);
    return this.#done('route', name, `was removed by ${by}`, revision);
  }

  async listListeners(): Promise<readonly ListenerDetail[]> {
    const all = await this.#options.book.list('listener');
    const troubles = await this.portTroubles();
    return all.map((one) => listenerDetail(one, troubles));
  }

  async showListener(name: string): Promise<ListenerDetail> {
    const found = await this.#options.book.get('listener', name);
    return listenerDetail(found, await this.portTroubles());
  }

  async checkListener(name: string, change: RecordChange): Promise<ListenerDetail['written']> {
    const { book, ports } = this.#options;
    await book.checkListener(name, change, (port) => ports.requireFree(port));
    return givenOf('listener', change);
  }

  async setListener(name: string, change: RecordChange, by: string): Promise<RouteAnswer> {
    const { book, ports } = this.#options;
    const ask = ports.requireFree.bind(ports);
    const revision = await book.setListener(name, change, ask, by);
    return this.#done('listener', name, `was set by ${by}`, revision);
  }

  async removeListener(name: string, by: string): Promise<RouteAnswer> {
    const revision = await this.#options.book.remove('listener', name);
    return this.#done('listener', name, `was removed by ${by}`, revision);
  }

  /** All hosts that routes have, for whoever gets certificates for them. Neither `*` nor `*.example.org` is left out. */
  async hosts(): Promise<readonly string[]> {
    const claims = (await this.#options.book.list('route')).flatMap(claimOfRecord);
    return [...new Set(claims.flatMap(({ hosts }) => hosts))];
  }

  /** Throws `ROUTES_PLACE_TAKEN` when a route has a host that an app is to have. */
  async checkApp(name: string, hosts: readonly string[]): Promise<void> {
    const claims = (await this.#options.book.list('route')).flatMap(claimOfRecord);
    const taken = placeTaken({ kind: 'app', name, hosts, path: '/' }, claims);
    if (taken !== undefined) throw taken;
  }

  /** Of all nodes; nobody is asked while there is no listener. */
  async portTroubles(): Promise<readonly NodePortTrouble[]> {
    const { hasPorts, ports } = this.#options;
    return hasPorts() ? await ports.troubles() : [];
  }

  async #surroundings(): Promise<Surroundings> {
    const { apps, peers } = this.#options;
    const nodes = peers.all().map(({ name }) => name);
    return {
      apps: (await apps.list()).map(({ app }) => ({ name: app.name, hosts: hostsOf(app) })),
      checkHosts: (hosts) => checkDomainsApart(hosts, nodes, 'the host of a route'),
    };
  }

  async #routeDetails(all: readonly Stored<WrittenRecord>[]): Promise<readonly RouteDetail[]> {
    if (all.length === 0) return [];
    const { apps, questions } = this.#options;
    const [views, { answers }] = await Promise.all([
      apps.list(),
      questions.everywhere({ kind: 'figures' }),
    ]);
    const names = new Set(views.map(({ app }) => app.name));
    return all.map(({ id, value, revision }) => {
      const counts = answers.map(({ answer }) => answer.routes[routeIdOf(id)]?.requests ?? 0);
      const facts = routeFacts(value.written, names);
      const out = answers.flatMap(({ node, answer }) =>
        (answer.unfit?.[routeIdOf(id)] ?? []).map((upstream) => ({ node, upstream })),
      );
      return {
        ...recordDetail(id, value, revision),
        ...facts,
        troubles: [...facts.troubles, ...outSentences(out)],
        requests: counts.reduce((sum, count) => sum + count, 0),
      };
    });
  }

  async #done(
    kind: RecordKind,
    name: string,
    what: string,
    revision: Revision,
  ): Promise<RouteAnswer> {
    const { settled, events, peers } = this.#options;
    events.tell(kind, `${kind === 'route' ? 'Route' : 'Listener'} "${name}" ${what}`);
    try {
      await settled.settled(revision);
    } catch (error) {
      throw isMolnError(error, 'NODE_GATEWAYS_BEHIND') ? behind(kind, error) : error;
    }
    const isHeard = ({ state }: { readonly state: string }): boolean =>
      state === 'ready' || state === 'draining';
    const nodes = peers.all();
    const troubles = kind === 'route' ? [] : await this.portTroubles();
    return {
      nodes: nodes.filter(isHeard).map((node) => node.name),
      away: nodes.filter((node) => !isHeard(node)).map((node) => node.name),
      troubles: troublesOf(name, troubles),
    };
  }
}

/** As it was sent: what is kept of before stays hidden. */
function givenOf(kind: RecordKind, { written }: RecordChange): RouteDetail['written'] {
  return typeof written['yaml'] === 'string' ? readYaml(kind, written['yaml']) : written;
}

function recordDetail(
  name: string,
  { written, createdAt, changedAt, by }: WrittenRecord,
  revision: Revision,
): Pick<RouteDetail, 'name' | 'written' | 'createdAt' | 'changedAt' | 'by' | 'revision'> {
  return { name, written: hideUsers(written), createdAt, changedAt, by, revision };
}

function listenerDetail(
  { id, value, revision }: Stored<WrittenRecord>,
  troubles: readonly NodePortTrouble[],
): ListenerDetail {
  return {
    ...recordDetail(id, value, revision),
    ...listenerFacts(value.written),
    troubles: troublesOf(id, troubles),
  };
}

function troublesOf(name: string, troubles: readonly NodePortTrouble[]): RouteAnswer['troubles'] {
  return troubles
    .filter(({ listener }) => listener === name)
    .map(({ node, message }) => ({ node, message }));
}

/** It is written down, but these have it not yet. */
function behind(kind: RecordKind, cause: MolnError): MolnError {
  const message = `The ${kind} is changed, but not in use everywhere yet: ${cause.message}`;
  return new MolnError(cause.code, message, {
    retryable: true,
    ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    cause,
  });
}
