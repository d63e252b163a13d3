/** The labels of a node, which apps are placed by. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { NodeDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Section } from './section.tsx';

const KEY_PATTERN = '[a-z0-9][a-z0-9._\\-]{0,62}';
const VALUE_LENGTH_MAX = 255;

function SetForm(props: { readonly node: NodeDetail; readonly action: Action }): VNode {
  const { node, action } = props;
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const save = async (): Promise<void> => {
    const done = await action.run(`Label ${node.name} with ${key}=${value}`, () =>
      api.labelNode(node.name, { set: { [key]: value } }),
    );
    if (!done) return;
    setKey('');
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
        Label
        <input
          required
          pattern={KEY_PATTERN}
          title="Lower-case letters, digits, dots, hyphens and _"
          placeholder="disk"
          autocomplete="off"
          spellcheck={false}
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <label>
        Value
        <input
          required
          maxLength={VALUE_LENGTH_MAX}
          placeholder="ssd"
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={action.running}>
        Set label
      </button>
    </form>
  );
}

export function NodeLabels(props: { readonly node: NodeDetail; readonly action: Action }): VNode {
  const { node, action } = props;
  const remove = (key: string): void => {
    void action.run(`Remove label ${key}`, () => api.labelNode(node.name, { unset: [key] }));
  };
  return (
    <Section id="labels" title="Labels" command={`moln node ${node.name} label KEY=VALUE`}>
      <DataTable
        caption={`Labels of ${node.name}`}
        rows={Object.entries(node.labels)}
        rowKey={([key]) => key}
        empty="None. Apps that want a label are placed by it."
        columns={[
          { key: 'key', label: 'Label', by: ([key]) => key, cell: ([key]) => <code>{key}</code> },
          {
            key: 'value',
            label: 'Value',
            by: ([, value]) => value,
            cell: ([, value]) => <code class="path">{value}</code>,
          },
          {
            key: 'do',
            label: 'Change',
            cell: ([key]) => (
              <button
                type="button"
                disabled={action.running}
                aria-label={`Remove label ${key}`}
                onClick={() => remove(key)}
              >
                Remove
              </button>
            ),
          },
        ]}
      />
      <SetForm node={node} action={action} />
    </Section>
  );
}
