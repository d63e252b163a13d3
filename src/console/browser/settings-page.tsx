/** Tokens for scripts and other machines, facts about the cluster, and logging out. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Scope, TokenDetail } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import type { View } from './view.ts';
import { api } from './api.ts';
import { Command } from './command.tsx';
import { DataTable } from './data-table.tsx';
import { Confirm } from './dialog.tsx';
import { Ago } from './moment.tsx';
import { Section } from './section.tsx';
import { sentenceOf } from './sentence.ts';
import { usePolled } from './time-hooks.ts';

const TOKENS_EVERY_MS = 10_000;
const SCOPES: readonly (readonly [Scope, string])[] = [
  ['read', 'read: look at everything'],
  ['deploy', 'deploy: read, and deploy apps'],
  ['admin', 'admin: everything'],
];

function NewToken(props: { readonly onCreated: () => void }): VNode {
  const [name, setName] = useState('');
  const [scope, setScope] = useState<Scope>('read');
  const [secret, setSecret] = useState<string | undefined>(undefined);
  const [failure, setFailure] = useState<string | undefined>(undefined);
  const create = async (): Promise<void> => {
    try {
      setSecret((await api.createToken(name, scope)).token);
      setFailure(undefined);
      setName('');
      props.onCreated();
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  return (
    <>
      <form
        class="row-form"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <label>
          Name
          <input
            required
            autocomplete="off"
            spellcheck={false}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          Scope
          <select value={scope} onChange={(event) => setScope(event.currentTarget.value as Scope)}>
            {SCOPES.map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary">
          Create token
        </button>
      </form>
      <div role="status">
        {failure === undefined ? null : <p class="tone-bad">✗ {failure}</p>}
        {secret === undefined ? null : (
          <div class="secret-once">
            <p>Copy it now: it is shown only this once.</p>
            <Command text={secret} />
            <button type="button" onClick={() => setSecret(undefined)}>
              I have it
            </button>
          </div>
        )}
      </div>
    </>
  );
}

function tokenColumns(onRevoke: (token: TokenDetail) => void): readonly Column<TokenDetail>[] {
  return [
    { key: 'name', label: 'Name', by: (token) => token.name, cell: (token) => token.name },
    {
      key: 'scope',
      label: 'Scope',
      by: (token) => token.scope,
      cell: (token) => token.scope,
    },
    {
      key: 'created',
      label: 'Created',
      by: (token) => token.createdAt,
      cell: (token) => <Ago at={token.createdAt} />,
    },
    {
      key: 'used',
      label: 'Last used',
      by: (token) => token.lastUsedAt ?? 0,
      cell: (token) => <Ago at={token.lastUsedAt} />,
    },
    {
      key: 'do',
      label: 'Change',
      cell: (token) => (
        <button
          type="button"
          aria-label={`Revoke token ${token.name}`}
          onClick={() => onRevoke(token)}
        >
          Revoke
        </button>
      ),
    },
  ];
}

function Tokens(): VNode {
  const tokens = usePolled('tokens', () => api.tokens(), TOKENS_EVERY_MS);
  const [asked, setAsked] = useState<TokenDetail | undefined>(undefined);
  const [failure, setFailure] = useState<string | undefined>(undefined);
  const revoke = async (token: TokenDetail): Promise<void> => {
    try {
      await api.revokeToken(token.id);
      setFailure(undefined);
    } catch (error) {
      setFailure(sentenceOf(error));
    }
    tokens.refresh();
  };
  return (
    <Section id="tokens" title="Tokens" command="moln token create --name NAME --scope deploy">
      <DataTable
        caption="Tokens"
        rows={tokens.value ?? []}
        rowKey={(token) => token.id}
        empty={
          tokens.failure?.message ?? 'No tokens yet. scripts and other machines log in with one.'
        }
        columns={tokenColumns(setAsked)}
      />
      {failure === undefined ? null : (
        <p class="tone-bad" role="alert">
          ✗ {failure}
        </p>
      )}
      <NewToken onCreated={tokens.refresh} />
      {asked === undefined ? null : (
        <Confirm
          title={`Revoke token ${asked.name}?`}
          action="Revoke"
          danger
          onClose={() => setAsked(undefined)}
          onConfirm={() => void revoke(asked)}
        >
          <p>Whoever uses it is refused from now on.</p>
          <Command text={`moln token revoke ${asked.id}`} />
        </Confirm>
      )}
    </Section>
  );
}

export function SettingsPage(props: View & { readonly onLogOut: () => void }): VNode {
  const { status } = props;
  return (
    <>
      <h1>Settings</h1>
      <Tokens />
      <Section id="about" title="About this cluster" command="moln status">
        <dl class="pairs wide">
          <dt>Cluster</dt>
          <dd>
            {status.cluster.name} <code>{status.cluster.id}</code>
          </dd>
          <dt>Version</dt>
          <dd>{status.version}</dd>
          <dt>Leader</dt>
          <dd>{status.leader}</dd>
          <dt>Registry</dt>
          <dd>
            {status.registry.engine}, revision {status.registry.revision}
          </dd>
          <dt>Apps are kept apart by</dt>
          <dd>
            {status.driver.name}: {status.driver.why}
          </dd>
        </dl>
      </Section>
      <Section
        id="session"
        title="This browser"
        command="moln console"
        tools={
          <button type="button" onClick={props.onLogOut}>
            Log out
          </button>
        }
      >
        <p class="small">The command prints a link that logs this or another browser in again.</p>
      </Section>
    </>
  );
}
