/** Certificates of public hosts: how long they last, where they come from, and what is wrong with them. */
import type { VNode } from 'preact';
import type { CertificateList, CertificateRow } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Section } from './section.tsx';
import { StateIcon, StateMark } from './state-mark.tsx';
import { formatDuration, isoTime } from '../../base/time.ts';
import { useNow, usePolled } from './time-hooks.ts';

const EVERY_MS = 5000;

const COLUMNS: readonly Column<CertificateRow>[] = [
  { key: 'host', label: 'Host', by: ({ host }) => host, cell: ({ host }) => host },
  {
    key: 'state',
    label: 'State',
    by: ({ state }) => state,
    cell: ({ state }) => <StateMark state={state} />,
  },
  {
    key: 'source',
    label: 'From',
    by: ({ issuer, source }) => issuer ?? source,
    cell: ({ issuer, source }) => (issuer === undefined ? source : `${issuer} (${source})`),
  },
  {
    key: 'until',
    label: 'Until',
    by: ({ notAfter = 0 }) => notAfter,
    cell: ({ notAfter }) => (notAfter === undefined ? '–' : <Ahead at={notAfter} />),
  },
  {
    key: 'renewed',
    label: 'Renewed',
    by: ({ renewsAt = 0 }) => renewsAt,
    cell: ({ renewsAt }) => (renewsAt === undefined ? '–' : <Ahead at={renewsAt} />),
  },
];

/** `in 60 d`. */
function Ahead(props: { readonly at: number }): VNode {
  const left = props.at - useNow();
  return (
    <time dateTime={isoTime(props.at)} title={isoTime(props.at)}>
      {left < 0 ? `${formatDuration(-left)} ago` : `in ${formatDuration(left)}`}
    </time>
  );
}

export function Certificates(): VNode {
  const polled = usePolled('certificates', (signal) => api.certificates(signal), EVERY_MS);
  const list: CertificateList | undefined = polled.value;
  return (
    <Section id="certificates" title="Certificates" command="moln certificate list">
      {list === undefined ? (
        <p class="says">{polled.failure?.message ?? 'Loading …'}</p>
      ) : (
        <>
          <p class="says">{list.sentence}.</p>
          {list.warnings.map(({ host, kind, text }) => (
            <p key={`${kind} ${host}`} class="says">
              <StateIcon state={kind} /> {text}.
            </p>
          ))}
          <DataTable
            caption="Certificates"
            columns={COLUMNS}
            rows={list.certificates}
            rowKey={({ host }) => host}
            empty="No app has a public host: local names have certificates of the cluster's own authority."
          />
        </>
      )}
    </Section>
  );
}
