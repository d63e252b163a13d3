/** The nodes, one dense row each. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ManagerStatus, NodeDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { formatBytes } from '../../base/units.ts';
import { Meter } from './capacity.tsx';
import { DataTable } from './data-table.tsx';
import { formatPercent } from './format.ts';
import { Since } from './moment.tsx';
import { isAway, labelWords, roleOf } from './node-facts.ts';
import { RoleMark } from './role-mark.tsx';
import { nodePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';

/** What only the node itself could say. */
const UNKNOWN = '–';

function columnsFor(manager: ManagerStatus | undefined): readonly Column<NodeDetail>[] {
  return [
    {
      key: 'name',
      label: 'Node',
      by: (node) => node.name,
      cell: (node) => <a href={nodePath(node.name)}>{node.name}</a>,
    },
    {
      key: 'state',
      label: 'State',
      by: (node) => node.state,
      cell: (node) => (
        <span title={node.reason}>
          <StateMark state={node.state} />
        </span>
      ),
    },
    { key: 'region', label: 'Region', by: (node) => node.region, cell: (node) => node.region },
    {
      key: 'role',
      label: 'Role',
      by: (node) => roleOf(node, manager),
      cell: (node) => <RoleMark role={roleOf(node, manager)} />,
    },
    {
      key: 'instances',
      label: 'Instances',
      numeric: true,
      by: (node) => node.instances.length,
      cell: (node) => node.instances.length,
    },
    {
      key: 'cpu',
      label: 'CPU',
      numeric: true,
      by: (node) => node.cpu.usedRatio,
      cell: ({ cpu, state }) =>
        isAway({ state }) ? (
          UNKNOWN
        ) : (
          <Meter
            used={cpu.usedRatio * cpu.cores}
            total={cpu.cores}
            text={`${formatPercent(cpu.usedRatio)} of ${cpu.cores}`}
          />
        ),
    },
    {
      key: 'memory',
      label: 'Memory',
      numeric: true,
      by: (node) => node.memory.usedBytes,
      cell: ({ memory, state }) =>
        isAway({ state }) ? (
          UNKNOWN
        ) : (
          <Meter
            used={memory.usedBytes}
            total={memory.totalBytes}
            text={`${formatBytes(memory.usedBytes)} of ${formatBytes(memory.totalBytes)}`}
          />
        ),
    },
    {
      key: 'address',
      label: 'Address',
      by: (node) => node.address,
      cell: (node) => (
        <code>
          {node.address}:{node.port}
        </code>
      ),
    },
    {
      key: 'version',
      label: 'Version',
      by: (node) => node.version,
      cell: (node) => (node.version === '' ? UNKNOWN : node.version),
    },
    {
      key: 'up',
      label: 'Up for',
      by: (node) => -node.startedAt,
      cell: (node) =>
        node.startedAt === 0 || isAway(node) ? UNKNOWN : <Since at={node.startedAt} />,
    },
    {
      key: 'labels',
      label: 'Labels',
      cell: (node) => {
        const words = labelWords(node.labels);
        return words.length === 0 ? '–' : words.map((word) => <code class="tag">{word}</code>);
      },
    },
  ];
}

function wordsOf(node: NodeDetail, manager: ManagerStatus | undefined): string {
  const { name, state, region, address, labels } = node;
  return [name, state, region, address, roleOf(node, manager), ...labelWords(labels)].join(' ');
}

export function NodeTable(props: {
  /** Undefined until the first answer. */
  readonly nodes: readonly NodeDetail[] | undefined;
  readonly manager: ManagerStatus | undefined;
  readonly otherwise: string;
}): VNode {
  const { nodes, manager } = props;
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const rows = (nodes ?? []).filter((node) =>
    wordsOf(node, manager).toLowerCase().includes(wanted),
  );
  const tools = (
    <label class="filter">
      <span class="hidden">Filter nodes</span>
      <input
        type="search"
        placeholder="Filter nodes ( / )"
        data-filter
        value={filter}
        onInput={(event) => setFilter(event.currentTarget.value)}
      />
    </label>
  );
  return (
    <Section id="all-nodes" title="All nodes" command="moln nodes" tools={tools}>
      <DataTable
        caption="Nodes"
        columns={columnsFor(manager)}
        rows={rows}
        rowKey={(node) => node.id}
        empty={nodes === undefined ? props.otherwise : `No node matches “${filter}”.`}
      />
    </Section>
  );
}
