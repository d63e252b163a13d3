/** Adding a machine: the line to paste there, shown once, and the invites that are still good. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { InviteDetail, InviteRole } from '../../api/model.ts';
import type { CreatedInvite } from './api.ts';
import { formatDuration } from '../../base/time.ts';
import { api } from './api.ts';
import { Command } from './command.tsx';
import { DataTable } from './data-table.tsx';
import { count, formatAbsolute } from './format.ts';
import { Section } from './section.tsx';
import { sentenceOf } from './sentence.ts';
import { useNow, usePolled } from './time-hooks.ts';

const INVITES_EVERY_MS = 5000;
const USES_MAX = 100;
const HOUR_MS = 3_600_000;
const ROLES: readonly (readonly [InviteRole, string])[] = [
  ['worker', 'Worker'],
  ['manager', 'Manager'],
];
const TIMES: readonly (readonly [number, string])[] = [
  [HOUR_MS, 'one hour'],
  [24 * HOUR_MS, 'one day'],
  [7 * 24 * HOUR_MS, 'one week'],
];

function Form(props: {
  readonly regions: readonly string[];
  readonly onCreated: (invite: CreatedInvite) => void;
  readonly onFailed: (sentence: string) => void;
}): VNode {
  const [region, setRegion] = useState('');
  const [role, setRole] = useState<InviteRole>('worker');
  const [uses, setUses] = useState(1);
  const [ttlMs, setTtlMs] = useState(HOUR_MS);
  const [busy, setBusy] = useState(false);
  const create = async (): Promise<void> => {
    setBusy(true);
    try {
      const wanted = region.trim();
      props.onCreated(
        await api.createInvite({ role, uses, ttlMs, region: wanted === '' ? undefined : wanted }),
      );
    } catch (error) {
      props.onFailed(sentenceOf(error));
    }
    setBusy(false);
  };
  return (
    <form
      class="row-form first"
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <label>
        Region
        <input
          list="known-regions"
          placeholder="its own"
          autocomplete="off"
          spellcheck={false}
          value={region}
          onInput={(event) => setRegion(event.currentTarget.value)}
        />
        <datalist id="known-regions">
          {props.regions.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <label>
        Role
        <select value={role} onChange={(event) => setRole(event.currentTarget.value as InviteRole)}>
          {ROLES.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Machines
        <input
          type="number"
          min={1}
          max={USES_MAX}
          required
          value={uses}
          onInput={(event) => setUses(event.currentTarget.valueAsNumber)}
        />
      </label>
      <label>
        Good for
        <select value={ttlMs} onChange={(event) => setTtlMs(Number(event.currentTarget.value))}>
          {TIMES.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary" disabled={busy}>
        Make an invite
      </button>
    </form>
  );
}

function Line(props: { readonly invite: CreatedInvite; readonly onDone: () => void }): VNode {
  const { invite, detail } = props.invite;
  const leftMs = detail.expiresAt - useNow();
  return (
    <div class="invite-line">
      {leftMs <= 0 ? (
        <p>This invite has expired. Make another one.</p>
      ) : (
        <>
          <p>
            <strong>Paste this on the other machine.</strong> It is shown only this once.
          </p>
          <Command text={`moln join ${invite}`} label="Copy the line" />
          <p class="small">
            Good for {count(detail.uses, 'machine')} and{' '}
            <time title={formatAbsolute(detail.expiresAt)}>{formatDuration(leftMs)}</time>. Whoever
            has the line can join: keep it to yourself.
          </p>
        </>
      )}
      <button type="button" onClick={props.onDone}>
        Done
      </button>
    </div>
  );
}

function OpenInvites(props: {
  readonly invites: readonly InviteDetail[];
  readonly onRevoke: (id: string) => void;
}): VNode {
  const now = useNow();
  return (
    <>
      <h3 class="subhead">Open invites</h3>
      <DataTable
        caption="Open invites"
        rows={props.invites}
        rowKey={(invite) => invite.id}
        empty="None."
        columns={[
          { key: 'id', label: 'Invite', cell: (invite) => <code>{invite.id}</code> },
          { key: 'role', label: 'Role', cell: (invite) => invite.role },
          { key: 'region', label: 'Region', cell: (invite) => invite.region ?? '–' },
          {
            key: 'left',
            label: 'Machines left',
            numeric: true,
            cell: (invite) => `${invite.usesLeft} of ${invite.uses}`,
          },
          {
            key: 'expires',
            label: 'Good for',
            cell: (invite) => (
              <time title={formatAbsolute(invite.expiresAt)}>
                {formatDuration(Math.max(0, invite.expiresAt - now))}
              </time>
            ),
          },
          {
            key: 'do',
            label: 'Change',
            cell: (invite) => (
              <button
                type="button"
                aria-label={`Revoke invite ${invite.id}`}
                onClick={() => props.onRevoke(invite.id)}
              >
                Revoke
              </button>
            ),
          },
        ]}
      />
    </>
  );
}

export function AddMachine(props: { readonly regions: readonly string[] }): VNode {
  const invites = usePolled('invites', (signal) => api.invites(signal), INVITES_EVERY_MS);
  const [created, setCreated] = useState<CreatedInvite | undefined>(undefined);
  const [failure, setFailure] = useState<string | undefined>(undefined);
  const now = useNow();
  const open = (invites.value ?? []).filter((one) => one.usesLeft > 0 && one.expiresAt > now);
  const take = (invite: CreatedInvite): void => {
    setCreated(invite);
    setFailure(undefined);
    invites.refresh();
  };
  const revoke = async (id: string): Promise<void> => {
    try {
      await api.revokeInvite(id);
      setFailure(undefined);
      if (created?.detail.id === id) setCreated(undefined);
    } catch (error) {
      setFailure(sentenceOf(error));
    }
    invites.refresh();
  };
  return (
    <Section id="add" title="Add a machine" command="moln invite">
      <p class="small">
        Makes a line to paste on another machine that has Moln. It joins within seconds, and apps go
        on meanwhile.
      </p>
      <Form regions={props.regions} onCreated={take} onFailed={setFailure} />
      <div role="status">
        {failure === undefined ? null : <p class="tone-bad">✗ {failure}</p>}
        {created === undefined ? null : (
          <Line invite={created} onDone={() => setCreated(undefined)} />
        )}
      </div>
      {open.length === 0 ? null : <OpenInvites invites={open} onRevoke={(id) => void revoke(id)} />}
    </Section>
  );
}
