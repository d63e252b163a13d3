/** Settings of an app, and its secrets, which go in and never come out. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Section } from './section.tsx';

const NAME_PATTERN = '[A-Za-z_][A-Za-z0-9_]*';

interface Entry {
  readonly name: string;
  /** Undefined for secrets. */
  readonly value: string | undefined;
}

function AddForm(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const [secret, setSecret] = useState(false);
  const save = async (): Promise<void> => {
    const entry = { [name]: value };
    const done = await action.run(`Set ${name}`, () =>
      api.changeEnv(detail.name, secret ? { setSecrets: entry } : { set: entry }),
    );
    if (!done) return;
    setName('');
    setValue('');
  };
  return (
    <form
      class="row-form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label>
        Name
        <input
          required
          pattern={NAME_PATTERN}
          title="Letters, digits and _, not starting with a digit"
          autocomplete="off"
          spellcheck={false}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label>
        Value
        <input
          type="text"
          class={secret ? 'masked' : ''}
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={secret}
          onChange={(event) => setSecret(event.currentTarget.checked)}
        />
        Secret: nobody can read it again
      </label>
      <button type="submit" class="primary" disabled={action.running}>
        Set and restart
      </button>
    </form>
  );
}

export function AppEnv(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const entries: readonly Entry[] = [
    ...Object.entries(detail.env).map(([name, value]) => ({ name, value })),
    ...detail.secretNames.map((name) => ({ name, value: undefined })),
  ];
  const unset = (entry: Entry): void => {
    const names = [entry.name];
    void action.run(`Unset ${entry.name}`, () =>
      api.changeEnv(
        detail.name,
        entry.value === undefined ? { unsetSecrets: names } : { unset: names },
      ),
    );
  };
  return (
    <Section id="env" title="Settings and secrets" command={`moln app ${detail.name} env`}>
      <DataTable
        caption={`Settings and secrets of ${detail.name}`}
        rows={entries}
        rowKey={(entry) => `${entry.value === undefined ? 'secret' : 'plain'} ${entry.name}`}
        empty="None set. The app always gets PORT, LISTEN_SOCKET, MOLN_APP and MOLN_INSTANCE."
        columns={[
          {
            key: 'name',
            label: 'Name',
            by: (entry) => entry.name,
            cell: (entry) => <code>{entry.name}</code>,
          },
          {
            key: 'value',
            label: 'Value',
            cell: (entry) =>
              entry.value === undefined ? (
                <span class="quiet">secret, not shown</span>
              ) : (
                <code class="path">{entry.value}</code>
              ),
          },
          {
            key: 'do',
            label: 'Change',
            cell: (entry) => (
              <button
                type="button"
                disabled={action.running}
                aria-label={`Unset ${entry.name}`}
                onClick={() => unset(entry)}
              >
                Unset
              </button>
            ),
          },
        ]}
      />
      <AddForm detail={detail} action={action} />
    </Section>
  );
}
