/** All nodes as the API shows them. Each is asked for its figures; one that does not answer is shown as it was last seen. */
import type { NodeStatus } from '../api/model.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { integer, object, type Schema, string } from '../base/schema.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import type { HostFacts } from './host-facts.ts';

/** A page waits for the slowest node no longer. */
const ASK_WITHIN_MS = 1500;

/** What only the node itself knows. Sizes in bytes, times epoch milliseconds. */
interface OwnFigures {
  readonly dataFolder: string;
  readonly startedAt: number;
  readonly version: string;
  readonly cores: number;
  readonly cpuPermille: number;
  readonly memoryTotal: number;
  readonly memoryUsed: number;
  readonly diskTotal: number;
  readonly diskFree: number;
}

const size = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const figuresSchema: Schema<OwnFigures> = object({
  dataFolder: string(),
  startedAt: size,
  version: string(),
  cores: size,
  cpuPermille: size,
  memoryTotal: size,
  memoryUsed: size,
  diskTotal: size,
  diskFree: size,
});

const NOTHING: OwnFigures = {
  dataFolder: '',
  startedAt: 0,
  version: '',
  cores: 0,
  cpuPermille: 0,
  memoryTotal: 0,
  memoryUsed: 0,
  diskTotal: 0,
  diskFree: 0,
};

export interface NodeDirectoryOptions {
  readonly peers: Peers;
  readonly own: Pick<OwnFigures, 'dataFolder' | 'startedAt' | 'version'>;
  readonly hostFacts: () => HostFacts;
  readonly isStopping: () => boolean;
  readonly log: Logger;
}

export class NodeDirectory {
  readonly #options: NodeDirectoryOptions;
  readonly #last = new Map<string, OwnFigures>();

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
  }

  methods(): NodeMethods['methods'] {
    return { 'node.figures': () => Promise.resolve(this.#figures()) };
  }

  /** Oldest first. */
  list(): Promise<readonly NodeStatus[]> {
    return Promise.all(this.#options.peers.all().map((peer) => this.#show(peer)));
  }

  async #show(peer: PeerNode): Promise<NodeStatus> {
    const figures = await this.#ask(peer);
    const { id, name, region, labels, address, port, state } = peer;
    const isOwn = id === this.#options.peers.self;
    return {
      id,
      name,
      region,
      labels,
      state: isOwn && this.#options.isStopping() ? 'stopping' : state,
      address,
      port,
      dataFolder: figures.dataFolder,
      version: figures.version,
      startedAt: figures.startedAt,
      cpu: { cores: figures.cores, usedRatio: figures.cpuPermille / 1000 },
      memory: { totalBytes: figures.memoryTotal, usedBytes: figures.memoryUsed },
      disk: { totalBytes: figures.diskTotal, freeBytes: figures.diskFree },
    };
  }

  async #ask(peer: PeerNode): Promise<OwnFigures> {
    const { peers, log } = this.#options;
    if (peer.id === peers.self) return this.#figures();
    if (peer.state === 'suspect' || peer.state === 'lost') return this.#known(peer);
    try {
      const said = await peers.call(peer.id, 'node.figures', {}, { deadlineMs: ASK_WITHIN_MS });
      const figures = figuresSchema.decode(said, '');
      this.#last.set(peer.id, figures);
      return figures;
    } catch (error) {
      log.debug('A node does not say its figures', { node: peer.name, reason: messageOf(error) });
      return this.#known(peer);
    }
  }

  #known(peer: PeerNode): OwnFigures {
    return this.#last.get(peer.id) ?? NOTHING;
  }

  #figures(): OwnFigures {
    const { own, hostFacts } = this.#options;
    const { cpu, memory, disk } = hostFacts();
    return {
      ...own,
      cores: cpu.cores,
      cpuPermille: Math.round(cpu.usedRatio * 1000),
      memoryTotal: memory.totalBytes,
      memoryUsed: memory.usedBytes,
      diskTotal: disk.totalBytes,
      diskFree: disk.freeBytes,
    };
  }
}
