/** Several real nodes on one machine, each on its own loopback address and folder. */
import type { TestContext } from 'node:test';
import { TestNode, type TestNodeOptions } from './test-node.ts';

export class TestCluster implements AsyncDisposable {
  readonly #nodes: ReadonlyMap<string, TestNode>;

  private constructor(nodes: ReadonlyMap<string, TestNode>) {
    this.#nodes = nodes;
  }

  /** `names` in order: the first listens on 127.0.0.1, the second on 127.0.0.2, and so on. */
  static async start(
    t: TestContext,
    names: readonly string[],
    options: TestNodeOptions = {},
  ): Promise<TestCluster> {
    const starts = names.map(async (name, at): Promise<readonly [string, TestNode]> => {
      const address = `127.0.0.${at + 1}`;
      return [name, await TestNode.start(t, { ...options, name, address })];
    });
    const settled = await Promise.allSettled(starts);
    const nodes = settled.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    const cluster = new TestCluster(new Map(nodes));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed === undefined) return cluster;
    await cluster[Symbol.asyncDispose]();
    throw failed.reason;
  }

  node(name: string): TestNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`No node "${name}" in this test cluster`);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = await Promise.allSettled(
      [...this.#nodes.values()].map((node) => node[Symbol.asyncDispose]()),
    );
    const failed = ends.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
