/** What is in a bucket, folder by folder: its files to have, to put by dropping them here, and where their copies are. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatBytes } from '../../base/units.ts';
import type { Column } from './data-table.tsx';
import { api, type FilePage, fileUrl } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Confirm } from './dialog.tsx';
import { DropZone } from './drop-zone.tsx';
import { count } from './format.ts';
import { Ago } from './moment.tsx';
import { Section } from './section.tsx';
import { sentenceOf } from './sentence.ts';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 5000;

/** A folder has no size. */
interface Row {
  readonly key: string;
  readonly size?: number;
  readonly modifiedAt?: number;
}

interface Deeds {
  readonly bucket: string;
  readonly prefix: string;
  readonly onOpen: (prefix: string) => void;
  readonly onWhy: (key: string) => void;
  readonly onRemove: (key: string) => void;
}

function columns({ bucket, prefix, onOpen, onWhy, onRemove }: Deeds): readonly Column<Row>[] {
  return [
    {
      key: 'name',
      label: 'Name',
      by: ({ key }) => key,
      cell: ({ key, size }) =>
        size === undefined ? (
          <button type="button" class="as-link" onClick={() => onOpen(key)}>
            {key.slice(prefix.length)}
          </button>
        ) : (
          <a href={fileUrl(bucket, key)} download={key.slice(prefix.length)}>
            {key.slice(prefix.length)}
          </a>
        ),
    },
    {
      key: 'size',
      label: 'Size',
      numeric: true,
      by: ({ size }) => size ?? -1,
      cell: ({ size }) => (size === undefined ? '–' : formatBytes(size)),
    },
    {
      key: 'changed',
      label: 'Changed',
      by: ({ modifiedAt }) => modifiedAt ?? 0,
      cell: ({ modifiedAt }) => (modifiedAt === undefined ? '–' : <Ago at={modifiedAt} />),
    },
    {
      key: 'do',
      label: 'Do',
      cell: ({ key, size }) =>
        size === undefined ? null : (
          <>
            <button type="button" aria-label={`Why ${key}`} onClick={() => onWhy(key)}>
              Why
            </button>{' '}
            <button
              type="button"
              class="danger"
              aria-label={`Remove ${key}`}
              onClick={() => onRemove(key)}
            >
              Remove …
            </button>
          </>
        ),
    },
  ];
}

function rowsOf({ objects, prefixes }: FilePage, prefix: string): readonly Row[] {
  // The folder's own marker is not in it.
  return [...prefixes.map((key) => ({ key })), ...objects.filter(({ key }) => key !== prefix)];
}

/** The way up: the bucket and each folder on the way here. */
function Crumbs(props: {
  readonly bucket: string;
  readonly prefix: string;
  readonly onOpen: (prefix: string) => void;
}): VNode {
  const { bucket, prefix, onOpen } = props;
  const folders = prefix.split('/').slice(0, -1);
  const ways = folders.map((name, at) => [name, `${folders.slice(0, at + 1).join('/')}/`] as const);
  return (
    <p class="crumbs">
      <a href="/storage">Storage</a> /{' '}
      <button type="button" class="as-link" onClick={() => onOpen('')}>
        {bucket}
      </button>
      {ways.map(([name, to]) => (
        <span key={to}>
          {' / '}
          <button type="button" class="as-link" onClick={() => onOpen(to)}>
            {name}
          </button>
        </span>
      ))}
    </p>
  );
}

export function BucketPage(props: { readonly name: string }): VNode {
  const { name } = props;
  const [prefix, setPrefix] = useState('');
  const [after, setAfter] = useState<string | undefined>(undefined);
  const [note, setNote] = useState('');
  const [removing, setRemoving] = useState<string | undefined>(undefined);
  const { value, failure, refresh } = usePolled(
    `files ${name}/${prefix} ${after ?? ''}`,
    (signal) => api.files(name, { prefix, after }, signal),
    EVERY_MS,
  );
  const open = (to: string): void => {
    setPrefix(to);
    setAfter(undefined);
  };
  const said = async (work: Promise<string>): Promise<void> => {
    setNote(await work.catch(sentenceOf));
    refresh();
  };
  const deeds: Deeds = {
    bucket: name,
    prefix,
    onOpen: open,
    onWhy: (key) => void said(api.whyFile(name, key).then(({ sentence }) => `${key}: ${sentence}`)),
    onRemove: setRemoving,
  };
  const lead =
    value === undefined
      ? (failure?.message ?? 'Reading …')
      : `${count(value.bucket.objects, 'object')}, ${formatBytes(value.bucket.bytes)}. Where its copies belong: ${value.bucket.policy}.`;
  return (
    <>
      <h1>{name}</h1>
      <p class="lead">{lead}</p>
      <Crumbs bucket={name} prefix={prefix} onOpen={open} />
      <Section id="files" title="Files" command={`moln files ls ${name}/${prefix}`}>
        <DropZone
          folder={prefix}
          put={(file, onSent) => api.putFile(name, `${prefix}${file.name}`, file, onSent)}
          onSettled={refresh}
        />
        <p role="status" class="nothing">
          {note}
        </p>
        {value === undefined ? null : (
          <DataTable
            caption="Files"
            columns={columns(deeds)}
            rows={rowsOf(value, prefix)}
            rowKey={({ key }) => key}
            empty="Nothing is here yet: drop files above."
          />
        )}
        {value?.next === undefined ? null : (
          <p>
            <button type="button" onClick={() => setAfter(value.next?.key)}>
              Those behind them
            </button>
          </p>
        )}
      </Section>
      {removing === undefined ? null : (
        <Confirm
          title={`Remove ${removing}?`}
          action="Remove"
          danger
          onClose={() => setRemoving(undefined)}
          onConfirm={() => {
            const gone = `${removing} is removed; "moln files undelete ${name}/${removing}" has it back, for a day`;
            void said(api.removeFile(name, removing).then(() => gone));
          }}
        >
          <p>It can be had back for a day, with moln files undelete.</p>
        </Confirm>
      )}
    </>
  );
}
