/** Ports of listeners, asked of all nodes: whether each could have one, and which it could not open. */
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { integer, literal, object, string } from '../base/schema.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import type { GatewaySupervisor } from '../gateway/gateway.ts';
import { type PortClaim, type PortConfig, type PortGround, portTaken } from '../routes/routes.ts';
import { type ListenChoice, takesPlaceOf } from './listen-choice.ts';
import type { PortTrouble } from './further-ports.ts';

const FREE = 'gateway.portFree';
const TROUBLES = 'gateway.portTroubles';
const DEADLINE_MS = 5_000;

const portSchema = object({
  protocol: literal('http', 'https', 'tcp', 'udp'),
  address: string(),
  port: integer({ min: 1, max: 65_535 }),
});

/** Of one node. */
export interface NodePortTrouble extends PortTrouble {
  readonly node: string;
}

export interface PortQuestionsOptions {
  readonly peers: Pick<Peers, 'all' | 'self' | 'call'>;
  readonly supervisor: Pick<GatewaySupervisor, 'requirePort'>;
  /** Where this node listens by itself. */
  readonly choice: ListenChoice;
  readonly troubles: () => readonly PortTrouble[];
  readonly log: Logger;
}

export class PortQuestions {
  readonly #options: PortQuestionsOptions;

  constructor(options: PortQuestionsOptions) {
    this.#options = options;
  }

  methods(): NodeMethods['methods'] {
    return {
      [FREE]: async (params) => {
        await this.#ownFree(portSchema.decode(params, FREE));
        return {};
      },
      [TROUBLES]: () => Promise.resolve({ troubles: this.#options.troubles() }),
    };
  }

  /** Throws `NODE_PORT_TAKEN` with the first node that cannot have it. Nodes that are away are not asked. */
  async requireFree({ config }: PortConfig): Promise<void> {
    const { protocol, address, port } = config;
    const wanted = { protocol, address, port };
    await this.#each(async (node, isSelf) => {
      try {
        if (isSelf) await this.#ownFree(wanted);
        else await this.#call(node, FREE, wanted);
      } catch (error) {
        if (!isMolnError(error)) throw error;
        if (/UNAVAILABLE|AWAY|TIMEOUT|UNREACHABLE/.test(error.code)) throw error;
        throw new MolnError('NODE_PORT_TAKEN', `Node "${node.name}": ${error.message}`, {
          hint: 'Choose another port, or free it on that machine',
          cause: error,
        });
      }
    });
  }

  /** Of all nodes that answer. */
  async troubles(): Promise<readonly NodePortTrouble[]> {
    const { troubles, log } = this.#options;
    const all: NodePortTrouble[] = [];
    await this.#each(async (node, isSelf) => {
      try {
        const said = isSelf
          ? { troubles: troubles() }
          : ((await this.#call(node, TROUBLES, {})) as { troubles: readonly PortTrouble[] });
        all.push(...said.troubles.map((trouble) => ({ node: node.name, ...trouble })));
      } catch (error) {
        log.debug('A node does not say which ports it has', {
          node: node.name,
          why: messageOf(error),
        });
      }
    });
    return all.toSorted((a, b) => (a.node < b.node ? -1 : 1));
  }

  async #each(ask: (node: PeerNode, isSelf: boolean) => Promise<void>): Promise<void> {
    const { peers } = this.#options;
    const heard = peers.all().filter(({ state }) => state === 'ready' || state === 'draining');
    await Promise.all(heard.map((node) => ask(node, node.id === peers.self)));
  }

  #call(node: PeerNode, method: string, params: unknown): Promise<unknown> {
    return this.#options.peers.call(node.id, method, params, { deadlineMs: DEADLINE_MS });
  }

  async #ownFree(
    wanted: Pick<PortConfig['config'], 'protocol' | 'address' | 'port'>,
  ): Promise<void> {
    const { choice, supervisor } = this.#options;
    const address = wanted.address === '::' ? portGround(choice).address : wanted.address;
    const here = { ...wanted, address };
    const isReplaced = choice.gateway.some((place) => takesPlaceOf(here, place));
    const claims = claimsOf(choice).filter((claim) => !takesPlaceOf(here, claim));
    const taken = portTaken({ who: '', ...here }, claims);
    if (taken !== undefined) throw taken;
    // The gateway has it already.
    if (!isReplaced) await supervisor.requirePort(here);
  }
}

/** What listeners get that do not say. */
export function portGround({ gateway }: ListenChoice): PortGround {
  const https = gateway.find(({ protocol }) => protocol === 'https');
  return { address: gateway[0]?.address ?? '::', httpsPort: https?.port ?? 443 };
}

function claimsOf({ gateway, api, node }: ListenChoice): readonly PortClaim[] {
  return [
    ...gateway.map((place) => ({ ...place, who: 'The gateway itself' })),
    { ...api, protocol: 'tcp', who: 'The API' },
    { ...node, protocol: 'tcp', who: 'The door for other nodes' },
  ];
}
