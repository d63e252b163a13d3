/** Two nodes of which one keeps the complete copy, and what the other one says when the first is gone. */
import type { ManagerStatus } from '../src/api/model.ts';
import type { TestCluster } from './test-cluster.ts';
import type { TestNode } from './test-node.ts';
import { until } from './until.ts';

/** Two nodes of which the second has everything that the first has. */
export async function twoInSync(cluster: TestCluster): Promise<readonly [TestNode, TestNode]> {
  const two = cluster.node('two');
  await until('the standby to be there', async () => {
    const { standby, sentence } = await two.json<ManagerStatus>('manager');
    if (standby?.isInSync === true) return true;
    throw new Error(sentence);
  });
  return [cluster.node('one'), two];
}

export async function untilNobodyAnswers(node: TestNode): Promise<ManagerStatus> {
  return until(
    `${node.name} to say that no manager answers`,
    async () => {
      const seen = await node.json<ManagerStatus>('manager');
      return seen.isLive ? undefined : seen;
    },
    { withinMs: 30_000 },
  );
}
