/** What was deployed when and by whom, and the way back. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail, DeploymentDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import type { Column } from './data-table.tsx';
import { formatBytes } from '../../base/units.ts';
import { keptRelease, previousRelease } from './app-facts.ts';
import { api } from './api.ts';
import { Command } from './command.tsx';
import { DataTable } from './data-table.tsx';
import { Confirm } from './dialog.tsx';
import { count } from './format.ts';
import { Ago } from './moment.tsx';
import { Section } from './section.tsx';

function columnsOf(
  detail: AppDetail,
  busy: boolean,
  onRollback: (release: string) => void,
): readonly Column<DeploymentDetail>[] {
  return [
    {
      key: 'release',
      label: 'Release',
      by: (one) => one.release,
      cell: (one) => <code>{one.release}</code>,
    },
    { key: 'at', label: 'When', by: (one) => one.at, cell: (one) => <Ago at={one.at} /> },
    { key: 'by', label: 'By', by: (one) => one.by, cell: (one) => one.by },
    { key: 'kind', label: 'How', by: (one) => one.kind, cell: (one) => one.kind },
    {
      key: 'size',
      label: 'Size',
      numeric: true,
      by: (one) => keptRelease(detail, one.release)?.bytes ?? 0,
      cell: (one) => {
        const release = keptRelease(detail, one.release);
        return release === undefined
          ? '–'
          : `${formatBytes(release.bytes)} in ${count(release.files, 'file')}`;
      },
    },
    {
      key: 'do',
      label: 'Go back',
      cell: (one) => {
        if (one.release === detail.release) return <span class="badge">serves now</span>;
        if (keptRelease(detail, one.release) === undefined) {
          return <span class="quiet">no longer kept</span>;
        }
        return (
          <button
            type="button"
            disabled={busy}
            aria-label={`Roll back to ${one.release}`}
            onClick={() => onRollback(one.release)}
          >
            Roll back to this
          </button>
        );
      },
    },
  ];
}

export function AppHistory(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const { name } = detail;
  const [asked, setAsked] = useState<string | undefined>(undefined);
  const previous = previousRelease(detail);
  const command = (release: string): string =>
    release === previous ? `moln app ${name} rollback` : `moln app ${name} rollback ${release}`;
  const tools =
    previous === undefined ? null : (
      <button type="button" disabled={action.running} onClick={() => setAsked(previous)}>
        Roll back
      </button>
    );
  return (
    <Section
      id="history"
      title="Deploy history"
      command={previous === undefined ? `moln app ${name} releases` : `moln app ${name} rollback`}
      tools={tools}
    >
      <DataTable
        caption={`Deploy history of ${name}`}
        columns={columnsOf(detail, action.running, setAsked)}
        rows={detail.history}
        rowKey={(one) => `${one.at} ${one.release}`}
        empty="Nothing was deployed yet."
      />
      {asked === undefined ? null : (
        <Confirm
          title={`Roll ${name} back?`}
          action="Roll back"
          onClose={() => setAsked(undefined)}
          onConfirm={() =>
            void action.run(`Roll back to ${asked}`, () =>
              api.act(name, 'rollback', { release: asked }),
            )
          }
        >
          <p>
            Release <code>{asked}</code> is started beside <code>{detail.release}</code>, and
            visitors are moved over when it is healthy. If it does not start, nothing changes.
          </p>
          <Command text={command(asked)} />
        </Confirm>
      )}
    </Section>
  );
}
