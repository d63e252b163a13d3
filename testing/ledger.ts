/** Writes small records through all nodes of a cluster, one at a time through each, and keeps which were acknowledged. */
import { setTimeout as pause } from 'node:timers/promises';
import type { TestNode } from './test-node.ts';

const PAUSE_MS = 1000;
/** A change may wait for a standby that hangs until that is lost. */
const ANSWER_WITHIN_MS = 120_000;
const PATH = '/api/tokens';

interface Token {
  readonly id: string;
}

export class Ledger {
  readonly #nodes: () => readonly TestNode[];
  readonly #acknowledged: string[] = [];
  readonly #underWay = new Map<TestNode, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;

  /** `nodes` says at any time through whom it may write. */
  constructor(nodes: () => readonly TestNode[]) {
    this.#nodes = nodes;
    this.#loop = this.#run();
  }

  get count(): number {
    return this.#acknowledged.length;
  }

  /** Throws unless the node acknowledges one. */
  async write(node: TestNode): Promise<void> {
    await this.#write(node);
  }

  /** Those that this node does not know. */
  async missingAt(node: TestNode): Promise<readonly string[]> {
    const wanted = [...this.#acknowledged];
    const known = new Set((await node.api<readonly Token[]>('GET', PATH)).map(({ id }) => id));
    return wanted.filter((id) => !known.has(id));
  }

  /** What is not answered yet counts for nothing. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      for (const node of this.#nodes()) if (!this.#underWay.has(node)) this.#begin(node);
      await pause(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all(this.#underWay.values());
  }

  #begin(node: TestNode): void {
    const one = this.#write(node, this.#stop.signal)
      // Refused, cut off, or not known to have happened: not acknowledged.
      .catch(() => undefined)
      .finally(() => this.#underWay.delete(node));
    this.#underWay.set(node, one);
  }

  async #write(node: TestNode, signal?: AbortSignal): Promise<void> {
    const body = { name: `ledger ${node.name}`, scope: 'read' };
    const { detail } = await node.api<{ readonly detail: Token }>('POST', PATH, {
      body,
      timeoutMs: ANSWER_WITHIN_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#acknowledged.push(detail.id);
  }
}
