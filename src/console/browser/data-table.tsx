/** A dense table whose columns sort. Real table, real headers, real buttons. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import { sortRows } from './sorting.ts';

export interface Column<Row> {
  readonly key: string;
  readonly label: string;
  /** What to sort by; without it the column does not sort. */
  readonly by?: (row: Row) => string | number;
  readonly cell: (row: Row) => ComponentChildren;
  readonly numeric?: boolean;
}

interface Order {
  readonly key: string;
  readonly down: boolean;
}

function HeaderCell<Row>(props: {
  readonly column: Column<Row>;
  readonly order: Order | undefined;
  readonly onOrder: (order: Order) => void;
}): VNode {
  const { column, order } = props;
  const active = order?.key === column.key;
  const down = active && order.down;
  const side = column.numeric === true ? 'numeric' : '';
  if (column.by === undefined) {
    return (
      <th scope="col" class={side}>
        {column.label}
      </th>
    );
  }
  return (
    <th scope="col" class={side} aria-sort={active ? (down ? 'descending' : 'ascending') : 'none'}>
      <button
        type="button"
        class="sort"
        onClick={() => props.onOrder({ key: column.key, down: active && !down })}
      >
        {column.label}
        <span class="sort-arrow" aria-hidden="true">
          {active ? (down ? '▼' : '▲') : ''}
        </span>
      </button>
    </th>
  );
}

export function DataTable<Row>(props: {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly empty: ComponentChildren;
}): VNode {
  const [order, setOrder] = useState<Order | undefined>(undefined);
  const by = props.columns.find((column) => column.key === order?.key)?.by;
  const rows = by === undefined ? props.rows : sortRows(props.rows, by, order?.down ?? false);
  if (props.rows.length === 0) return <p class="nothing">{props.empty}</p>;
  return (
    <div class="table-scroll" role="region" aria-label={props.caption} tabIndex={0}>
      <table>
        <caption class="hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <HeaderCell key={column.key} column={column} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={props.rowKey(row)}>
              {props.columns.map((column, index) => {
                const side = column.numeric === true ? 'numeric' : '';
                return index === 0 ? (
                  <th key={column.key} scope="row" class={side}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.key} class={side}>
                    {column.cell(row)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
