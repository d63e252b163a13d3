/** Why the instances of an app are where they are: one row for each wished instance. */
import type { VNode } from 'preact';
import type { SlotDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { nodePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const WHY_EVERY_MS = 3000;

function Place(props: { readonly slot: SlotDetail }): VNode {
  const { node, leaving } = props.slot;
  return (
    <>
      {leaving === undefined ? null : (
        <>
          <a href={nodePath(leaving)}>{leaving}</a> <span aria-label="to">→</span>{' '}
        </>
      )}
      {node === undefined ? <StateMark state="nowhere" /> : <a href={nodePath(node)}>{node}</a>}
    </>
  );
}

const COLUMNS: readonly Column<SlotDetail>[] = [
  {
    key: 'slot',
    label: 'Wished instance',
    by: (slot) => `${slot.process} ${slot.slot}`,
    cell: (slot) => `${slot.process} ${slot.slot}`,
  },
  {
    key: 'node',
    label: 'Node',
    by: (slot) => slot.node ?? '',
    cell: (slot) => <Place slot={slot} />,
  },
  {
    key: 'why',
    label: 'Why there',
    cell: (slot) => <span class="sentence-cell">{slot.reason}</span>,
  },
];

export function AppPlacement(props: { readonly app: string }): VNode {
  const { app } = props;
  const why = usePolled(`why ${app}`, (signal) => api.why(app, signal), WHY_EVERY_MS);
  return (
    <Section id="placement" title="Why it runs where it runs" command={`moln why app ${app}`}>
      <DataTable
        caption={`Placement of ${app}`}
        columns={COLUMNS}
        rows={why.value ?? []}
        rowKey={(slot) => `${slot.process} ${slot.slot}`}
        empty={
          why.value === undefined ? (why.failure?.message ?? 'Loading …') : 'No instance is wished.'
        }
      />
    </Section>
  );
}
