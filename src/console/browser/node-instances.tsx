/** What runs on a node: one dense row for each instance. */
import type { VNode } from 'preact';
import type { Column } from './data-table.tsx';
import type { PlacedInstance } from './node-facts.ts';
import { formatBytes } from '../../base/units.ts';
import { DataTable } from './data-table.tsx';
import { Since } from './moment.tsx';
import { appPath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';

const COLUMNS: readonly Column<PlacedInstance>[] = [
  {
    key: 'id',
    label: 'Instance',
    by: (instance) => instance.id,
    cell: (instance) => <code>{instance.id}</code>,
  },
  {
    key: 'app',
    label: 'App',
    by: (instance) => instance.app,
    cell: (instance) => <a href={appPath(instance.app)}>{instance.app}</a>,
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
    key: 'memory',
    label: 'Memory',
    numeric: true,
    by: (instance) => instance.memoryBytes ?? 0,
    cell: (instance) =>
      instance.memoryBytes === undefined ? '–' : formatBytes(instance.memoryBytes),
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

export function NodeInstances(props: {
  readonly name: string;
  /** Undefined until they are known. */
  readonly instances: readonly PlacedInstance[] | undefined;
}): VNode {
  const { name, instances } = props;
  return (
    <Section id="instances" title="Instances here" command={`moln node ${name}`}>
      <DataTable
        caption={`Instances on ${name}`}
        columns={COLUMNS}
        rows={instances ?? []}
        rowKey={(instance) => instance.id}
        empty={
          instances === undefined
            ? 'Loading …'
            : 'None. Static sites need no instance: every gateway serves their files.'
        }
      />
    </Section>
  );
}
