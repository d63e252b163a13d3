/** What follows from the nodes and their managers: roles, labels, and why a node cannot be forgotten. Pure. */
import type { AppDetail, InstanceDetail, ManagerStatus, NodeDetail } from '../../api/model.ts';

export type NodeRole = 'leader' | 'manager' | 'standby' | 'worker';

/** Its figures are those of when it was last seen. */
export function isAway({ state }: { readonly state: string }): boolean {
  return state === 'suspect' || state === 'lost';
}

/** The first that holds of leader, manager and standby. */
export function roleOf(
  node: Pick<NodeDetail, 'name' | 'isLeader' | 'isManager'>,
  manager: Pick<ManagerStatus, 'managers' | 'standby'> | undefined,
): NodeRole {
  if (node.isLeader) return 'leader';
  // The role comes before the member: only who holds the registry counts.
  if (manager === undefined ? node.isManager : manager.managers.includes(node.name)) {
    return 'manager';
  }
  return manager?.standby?.node === node.name ? 'standby' : 'worker';
}

/** As the command line takes them: `disk=ssd rack=3`. */
export function labelWords(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels)
    .toSorted(([left], [right]) => left.localeCompare(right))
    .map(([key, value]) => `${key}=${value}`);
}

export interface PlacedInstance extends InstanceDetail {
  readonly app: string;
}

/** What runs on a node, of the apps whose details are known. */
export function instancesOn(
  node: Pick<NodeDetail, 'id' | 'name'>,
  apps: readonly AppDetail[],
): readonly PlacedInstance[] {
  return apps.flatMap((app) =>
    app.instanceList
      .filter((instance) => instance.node === node.name || instance.node === node.id)
      .map((instance) => ({ ...instance, app: app.name })),
  );
}

/** Why this page cannot ask to forget the node; undefined when it can. */
export function whyNotForgotten(
  name: string,
  facts: { readonly self: string; readonly managers: readonly string[] },
): string | undefined {
  if (name === facts.self) {
    return 'This page comes from this very node, which cannot forget itself. Open the console of another node.';
  }
  if (facts.managers.length === 1 && facts.managers[0] === name) {
    return 'It is the only one that holds the registry. When its machine is gone for good, run moln manager takeover on another one first.';
  }
  return undefined;
}
