/** All nodes, who holds the registry, and how another machine is added. */
import type { VNode } from 'preact';
import type { View } from './view.ts';
import { api } from './api.ts';
import { AddMachine } from './invite.tsx';
import { Managers } from './managers.tsx';
import { NodeTable } from './node-table.tsx';
import { count } from './format.ts';
import { usePolled } from './time-hooks.ts';

const NODES_EVERY_MS = 2000;
const MANAGER_EVERY_MS = 3000;

export function NodesPage(props: View): VNode {
  const nodes = usePolled('nodes', (signal) => api.nodes(signal), NODES_EVERY_MS);
  const manager = usePolled('manager', (signal) => api.manager(signal), MANAGER_EVERY_MS);
  const known = props.status.nodes;
  const regions = [...new Set(known.map((node) => node.region))].toSorted();
  const ready = known.filter((node) => node.state === 'ready').length;
  return (
    <>
      <h1>Nodes</h1>
      <p class="lead">
        {ready} of {count(known.length, 'node')} ready in{' '}
        {regions.length === 1 ? `region ${regions[0]}` : count(regions.length, 'region')}
      </p>
      <NodeTable
        nodes={nodes.value}
        manager={manager.value}
        otherwise={nodes.failure?.message ?? 'Loading …'}
      />
      <div class="halves">
        <Managers
          manager={manager.value}
          nodes={known}
          otherwise={manager.failure?.message ?? 'Loading …'}
        />
        <AddMachine regions={regions} />
      </div>
    </>
  );
}
