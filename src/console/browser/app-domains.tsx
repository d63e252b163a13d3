/** Further host names that an app answers to, beside its own. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Section } from './section.tsx';

export function AppDomains(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const { name, domains } = detail;
  const [host, setHost] = useState('');
  const add = async (): Promise<void> => {
    const done = await action.run(`Add domain ${host}`, () =>
      api.setDomains(name, [...new Set([...domains, host.trim().toLowerCase()])]),
    );
    if (done) setHost('');
  };
  const remove = (domain: string): void => {
    void action.run(`Remove domain ${domain}`, () =>
      api.setDomains(
        name,
        domains.filter((one) => one !== domain),
      ),
    );
  };
  const words = [...domains, ...(host.trim() === '' ? [] : [host.trim()])].join(' ');
  return (
    <Section
      id="domains"
      title="Domains"
      command={`moln app ${name} domains ${words === '' ? 'shop.example.org' : words}`}
    >
      <DataTable
        caption={`Domains of ${name}`}
        rows={domains}
        rowKey={(domain) => domain}
        empty="None beside its own address."
        columns={[
          {
            key: 'domain',
            label: 'Domain',
            by: (domain) => domain,
            cell: (domain) => <code>{domain}</code>,
          },
          {
            key: 'do',
            label: 'Change',
            cell: (domain) => (
              <button
                type="button"
                disabled={action.running}
                aria-label={`Remove domain ${domain}`}
                onClick={() => remove(domain)}
              >
                Remove
              </button>
            ),
          },
        ]}
      />
      <form
        class="row-form"
        onSubmit={(event) => {
          event.preventDefault();
          void add();
        }}
      >
        <label>
          Host name
          <input
            required
            autocomplete="off"
            spellcheck={false}
            value={host}
            onInput={(event) => setHost(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={action.running}>
          Add domain
        </button>
      </form>
    </Section>
  );
}
