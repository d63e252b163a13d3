/** The file store: where files lie and what room there is, the buckets, and whether every block has its copies. */
import type { VNode } from 'preact';
import type { BucketRow, StorageDetail, StoragePlace } from '../../api/model.ts';
import { formatBytes } from '../../base/units.ts';
import type { Column } from './data-table.tsx';
import { api } from './api.ts';
import { copyRows, type CopyRow, spaceLine } from './storage-facts.ts';
import { DataTable } from './data-table.tsx';
import { count, formatNumber } from './format.ts';
import { Ago } from './moment.tsx';
import { bucketPath, nodePath } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 3000;

function bytesOf(value: number | undefined): string {
  return value === undefined ? '–' : formatBytes(value);
}

const PLACE_COLUMNS: readonly Column<StoragePlace>[] = [
  {
    key: 'place',
    label: 'Place',
    by: ({ node, name }) => `${node}/${name}`,
    cell: ({ node, name }) => (
      <>
        <a href={nodePath(node)}>{node}</a>/{name}
      </>
    ),
  },
  {
    key: 'state',
    label: 'State',
    by: ({ state }) => state,
    cell: ({ state, reason }) => (
      <>
        <StateMark state={state} />
        {reason === undefined ? null : <> {reason}</>}
      </>
    ),
  },
  {
    key: 'used',
    label: 'Used',
    numeric: true,
    by: ({ usedBytes }) => usedBytes ?? 0,
    cell: ({ usedBytes }) => bytesOf(usedBytes),
  },
  {
    key: 'limit',
    label: 'May use',
    numeric: true,
    by: ({ limitBytes }) => limitBytes ?? 0,
    cell: ({ limitBytes }) => bytesOf(limitBytes),
  },
  {
    key: 'free',
    label: 'Free',
    numeric: true,
    by: ({ freeBytes }) => freeBytes ?? 0,
    cell: ({ freeBytes }) => bytesOf(freeBytes),
  },
  {
    key: 'disk',
    label: 'Whole disk',
    numeric: true,
    by: ({ diskBytes }) => diskBytes ?? 0,
    cell: ({ diskBytes }) => bytesOf(diskBytes),
  },
  {
    key: 'path',
    label: 'Folder',
    by: ({ path }) => path,
    cell: ({ path }) => <code>{path}</code>,
  },
];

const BUCKET_COLUMNS: readonly Column<BucketRow>[] = [
  {
    key: 'name',
    label: 'Bucket',
    by: ({ name }) => name,
    cell: ({ name }) => <a href={bucketPath(name)}>{name}</a>,
  },
  {
    key: 'objects',
    label: 'Objects',
    numeric: true,
    by: ({ objects }) => objects,
    cell: ({ objects }) => formatNumber(objects),
  },
  {
    key: 'bytes',
    label: 'Bytes',
    numeric: true,
    by: ({ bytes }) => bytes,
    cell: ({ bytes }) => formatBytes(bytes),
  },
  {
    key: 'quota',
    label: 'May hold',
    numeric: true,
    by: ({ quotaBytes }) => quotaBytes ?? Infinity,
    cell: ({ quotaBytes }) => (quotaBytes === undefined ? 'anything' : formatBytes(quotaBytes)),
  },
  { key: 'policy', label: 'Copies', by: ({ policy }) => policy, cell: ({ policy }) => policy },
  {
    key: 'versions',
    label: 'Versions',
    by: ({ versioning }) => versioning,
    cell: ({ versioning }) => (versioning === 'enabled' ? 'all kept' : versioning),
  },
  {
    key: 'made',
    label: 'Made',
    by: ({ createdAt }) => createdAt,
    cell: ({ createdAt }) => <Ago at={createdAt} />,
  },
];

/** How many have so many, in words where that is too few. */
function Blocks(props: { readonly number: number; readonly lack: number }): VNode {
  const { number, lack } = props;
  if (number === 0) return <>–</>;
  if (lack <= 0) return <>{formatNumber(number)}</>;
  return (
    <span class="tone-warn">
      ▲ {formatNumber(number)} lack {lack}
    </span>
  );
}

function copyColumns(most: number): readonly Column<CopyRow>[] {
  return [
    {
      key: 'wanted',
      label: 'Blocks that want',
      by: ({ wanted }) => wanted,
      cell: ({ wanted, code }) => {
        if (code !== undefined) return `${wanted} shares (${code})`;
        return wanted === 1 ? '1 copy' : `${wanted} copies`;
      },
    },
    ...Array.from({ length: most + 1 }, (_, valid) => ({
      key: `valid${valid}`,
      label: `${valid} valid`,
      numeric: true,
      cell: ({ wanted, blocks }: CopyRow) => (
        <Blocks number={blocks[valid] ?? 0} lack={wanted - valid} />
      ),
    })),
  ];
}

/** ` It makes 12 copies (96 MB), at 20 MB/s of at most 20 MB/s.` */
function repairNow(done: NonNullable<StorageDetail['repair']['done']>): string {
  const { doing, queued, queuedBytes, bytesPerSecond, rate } = done;
  const due = queued === 0 ? '' : ` (${formatBytes(queuedBytes)})`;
  const speed =
    queued === 0 || bytesPerSecond === undefined ? '' : `, at ${formatBytes(bytesPerSecond)}/s`;
  const most = rate === undefined ? '' : `, at most ${formatBytes(rate)}/s`;
  return ` It ${doing}${due}${speed}${most}.`;
}

function lackLine(lack: {
  readonly blocks: number;
  readonly bytes: number;
  readonly places: number;
}): string {
  const { blocks, bytes, places } = lack;
  if (blocks === 0) return 'Every block has its copies.';
  const what = `${count(blocks, 'block')} (${formatBytes(bytes)})`;
  return places < 2
    ? `${what} ${blocks === 1 ? 'has' : 'have'} one copy, for there is one place; the second is made when there is another.`
    : `${what} ${blocks === 1 ? 'waits' : 'wait'} for copies.`;
}

function repairLine(
  done: StorageDetail['repair']['done'],
  node: StorageDetail['repair']['node'],
): string {
  const who = node === undefined ? '' : ` ${node} makes the copies that lack.`;
  if (done === undefined) return who;
  const failed = done.why === undefined ? '' : ` The last that failed: ${done.why}.`;
  return `${who}${repairNow(done)} Since it started: ${done.copied} made, ${done.failed} failed.${failed}`;
}

function Copies(props: { readonly storage: StorageDetail }): VNode {
  const { copies, places, repair } = props.storage;
  if (copies === undefined) return <p class="nothing">They are being counted.</p>;
  const { rows, most } = copyRows(copies.counts);
  const { blocks, bytes } = copies.lacking;
  const { done, node } = repair;
  return (
    <>
      <p class="nothing">
        {lackLine({ blocks, bytes, places: places.length })}
        {/* With one place there is nothing to repair from, nor to. */}
        {places.length < 2 ? '' : repairLine(done, node)} Counted <Ago at={copies.countedAt} />.
      </p>
      <DataTable
        caption="Blocks by copies wanted and copies there"
        columns={copyColumns(most)}
        rows={rows}
        rowKey={({ wanted, code = '' }) => `${wanted} ${code}`}
        empty="No block is stored: small files lie in the catalogue, which has copies of its own."
      />
    </>
  );
}

export function StoragePage(): VNode {
  const { value, failure } = usePolled('storage', (signal) => api.storage(signal), EVERY_MS);
  if (value === undefined) {
    return (
      <>
        <h1>Storage</h1>
        <p class="lead">{failure === undefined ? 'Reading …' : failure.message}</p>
      </>
    );
  }
  const { totals, buckets } = value;
  const more = totals.buckets - buckets.length;
  return (
    <>
      <h1>Storage</h1>
      <p class="lead">{value.sentence}.</p>
      <Section id="places" title="Places" command="moln storage list">
        <p class="nothing">{spaceLine(value.places)}</p>
        <DataTable
          caption="Places"
          columns={PLACE_COLUMNS}
          rows={value.places}
          rowKey={({ id }) => id}
          empty={
            <>
              No place yet: the first file makes one. A folder more is given with{' '}
              <code>moln storage add DIR</code>.
            </>
          }
        />
      </Section>
      <Section id="buckets" title="Buckets" command="moln files buckets">
        {more > 0 ? <p class="nothing">{count(more, 'smaller bucket')} not shown.</p> : null}
        <DataTable
          caption="Buckets"
          columns={BUCKET_COLUMNS}
          rows={buckets}
          rowKey={({ name }) => name}
          empty={
            <>
              No buckets yet: make one with <code>moln files create BUCKET</code>.
            </>
          }
        />
      </Section>
      <Section id="copies" title="Copies" command="moln files df">
        <Copies storage={value} />
      </Section>
    </>
  );
}
