/** The instances of an app: one dense row each, with how long and why it is in its state. */
import type { VNode } from 'preact';
import type { AppDetail, InstanceDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { formatBytes } from '../../base/units.ts';
import { DataTable } from './data-table.tsx';
import { Since } from './moment.tsx';
import { nodePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';

const COLUMNS: readonly Column<InstanceDetail>[] = [
  {
    key: 'id',
    label: 'Instance',
    by: (instance) => instance.id,
    cell: (instance) => <code>{instance.id}</code>,
  },
  {
    key: 'state',
    label: 'State',
    by: (instance) => instance.state,
    cell: (instance) => <StateMark state={instance.state} />,
  },
  {
    key: 'age',
    label: 'For',
    by: (instance) => -instance.startedAt,
    cell: (instance) => <Since at={instance.startedAt} />,
  },
  {
    key: 'process',
    label: 'Process',
    by: (instance) => instance.process,
    cell: (instance) => instance.process,
  },
  {
    key: 'release',
    label: 'Release',
    by: (instance) => instance.release,
    cell: (instance) => <code>{instance.release}</code>,
  },
  {
    key: 'node',
    label: 'Node',
    by: (instance) => instance.node,
    cell: (instance) => <a href={nodePath(instance.node)}>{instance.node}</a>,
  },
  {
    key: 'pid',
    label: 'PID',
    numeric: true,
    by: (instance) => instance.pid ?? 0,
    cell: (instance) => instance.pid ?? '–',
  },
  {
    key: 'memory',
    label: 'Memory',
    numeric: true,
    by: (instance) => instance.memoryBytes ?? 0,
    cell: (instance) =>
      instance.memoryBytes === undefined ? '–' : formatBytes(instance.memoryBytes),
  },
  {
    key: 'now',
    label: 'In flight',
    numeric: true,
    by: (instance) => instance.requestsNow,
    cell: (instance) => instance.requestsNow,
  },
  {
    key: 'restarts',
    label: 'Restarts',
    numeric: true,
    by: (instance) => instance.restarts,
    cell: (instance) => instance.restarts,
  },
  {
    key: 'reason',
    label: 'Why',
    cell: (instance) => (instance.reason === '' ? '–' : instance.reason),
  },
];

export function AppInstances(props: { readonly detail: AppDetail }): VNode {
  const { detail } = props;
  return (
    <Section id="instances" title="Instances" command={`moln app ${detail.name}`}>
      <DataTable
        caption={`Instances of ${detail.name}`}
        columns={COLUMNS}
        rows={detail.instanceList}
        rowKey={(instance) => instance.id}
        empty="No instance runs."
      />
    </Section>
  );
}
