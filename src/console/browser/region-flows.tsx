/** How much the gateways of each region had answered at home, and how much in another region. Nothing where there is one. */
import type { VNode } from 'preact';
import type { ClusterTop } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { formatNumber } from './format.ts';
import { Section } from './section.tsx';
import { usePolled } from './time-hooks.ts';

/** Requests are counted for so long, and then counted anew. */
const COUNTED_S = 2;
const EVERY_MS = 3000;

type Flow = NonNullable<ClusterTop['regions']>[number];

interface Row extends Flow {
  readonly perSecond: number;
  /** Of all requests of the gateways in `from`. */
  readonly share: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'from', label: 'Gateways in', by: (row) => row.from, cell: (row) => row.from },
  { key: 'to', label: 'Answered in', by: (row) => row.to, cell: (row) => row.to },
  {
    key: 'requests',
    label: 'Requests/s',
    numeric: true,
    by: (row) => row.perSecond,
    cell: (row) => formatNumber(row.perSecond),
  },
  {
    key: 'share',
    label: 'Share',
    numeric: true,
    by: (row) => row.share,
    cell: (row) => `${Math.round(row.share * 100)} %`,
  },
];

function rowsOf({ regions = [], seconds }: ClusterTop): readonly Row[] {
  const all = new Map<string, number>();
  for (const { from, requests } of regions) all.set(from, (all.get(from) ?? 0) + requests);
  return regions.map((flow) => ({
    ...flow,
    perSecond: flow.requests / seconds,
    share: flow.requests / (all.get(flow.from) ?? 1),
  }));
}

export function RegionFlows(): VNode | null {
  const { value } = usePolled('regions', (signal) => api.gatewayTop(COUNTED_S, signal), EVERY_MS);
  const rows = value === undefined ? [] : rowsOf(value);
  if (rows.length === 0) return null;
  return (
    <Section id="regions" title="Regions" command="moln gateway top">
      <DataTable
        caption="Requests that could go to several regions"
        columns={COLUMNS}
        rows={rows}
        rowKey={(row) => `${row.from} ${row.to}`}
        empty="No request came."
      />
    </Section>
  );
}
