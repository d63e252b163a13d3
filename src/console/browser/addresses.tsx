/** Virtual addresses of the LAN: who holds each and why, adding one, taking one away. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AddressRow } from '../../api/model.ts';
import type { Column } from './data-table.tsx';
import { api } from './api.ts';
import { DataTable } from './data-table.tsx';
import { Confirm } from './dialog.tsx';
import { Ago } from './moment.tsx';
import { nodePath } from './router.ts';
import { Section } from './section.tsx';
import { sentenceOf } from './sentence.ts';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 2000;

function columns(
  busy: boolean,
  onRemove: (address: string) => void,
): readonly Column<AddressRow>[] {
  return [
    {
      key: 'address',
      label: 'Address',
      by: ({ address }) => address,
      cell: ({ address }) => <code>{address}</code>,
    },
    {
      key: 'holder',
      label: 'Held by',
      by: ({ holder }) => holder?.node ?? '',
      cell: ({ holder }) =>
        holder === undefined ? (
          <span class="tone-bad">▲ nobody</span>
        ) : (
          <a href={nodePath(holder.node)}>{holder.node}</a>
        ),
    },
    {
      key: 'since',
      label: 'Since',
      by: ({ holder }) => holder?.since ?? 0,
      cell: ({ holder }) => (holder === undefined ? '–' : <Ago at={holder.since} />),
    },
    {
      key: 'nodes',
      label: 'May be held by',
      cell: ({ nodes }) => (nodes.length === 0 ? 'any node' : nodes.join(', ')),
    },
    { key: 'why', label: 'Why', cell: ({ holder, sentence }) => holder?.why ?? sentence },
    {
      key: 'do',
      label: 'Change',
      cell: ({ address }) => (
        <button
          type="button"
          class="danger"
          disabled={busy}
          aria-label={`Remove address ${address}`}
          onClick={() => onRemove(address)}
        >
          Remove …
        </button>
      ),
    },
  ];
}

function Form(props: { readonly busy: boolean; readonly onAdd: (address: string) => void }): VNode {
  const [address, setAddress] = useState('');
  return (
    <form
      class="row-form"
      onSubmit={(event) => {
        event.preventDefault();
        props.onAdd(address.trim());
      }}
    >
      <label>
        A free address of your network
        <input
          required
          placeholder="192.168.1.50/24"
          autocomplete="off"
          spellcheck={false}
          value={address}
          onInput={(event) => setAddress(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={props.busy}>
        Add
      </button>
    </form>
  );
}

export function Addresses(): VNode {
  const { value, failure, refresh } = usePolled(
    'addresses',
    (signal) => api.addresses(signal),
    EVERY_MS,
  );
  const [asked, setAsked] = useState<string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<string | undefined>(undefined);
  const carryOut = async (change: () => Promise<string | undefined>): Promise<void> => {
    setBusy(true);
    setSaid(undefined);
    try {
      setSaid(await change());
    } catch (error) {
      setSaid(`✗ ${sentenceOf(error)}`);
    }
    setBusy(false);
    refresh();
  };
  const add = (address: string): Promise<void> =>
    carryOut(async () => `✓ ${address}: ${(await api.addAddress(address)).sentence}`);
  const remove = (address: string): Promise<void> =>
    carryOut(async () => {
      await api.removeAddress(address);
      return `✓ ${address} was removed`;
    });
  return (
    <Section id="addresses" title="Virtual addresses" command="moln address list">
      <p class="small">
        One address for clients, whichever machine is lost: one node holds it, and another takes it
        when that one dies, hangs or is drained.
      </p>
      {value === undefined ? (
        <p class="says">{failure?.message ?? 'Loading …'}</p>
      ) : (
        <DataTable
          caption="Virtual addresses"
          columns={columns(busy, setAsked)}
          rows={value}
          rowKey={({ address }) => address}
          empty="None: clients find the gateways at the addresses of the machines."
        />
      )}
      {(value ?? []).flatMap(({ address, unable }) =>
        unable.map(({ node, why }) => (
          <p key={`${address} ${node}`} class="says">
            {node} cannot hold {address} now: {why}.
          </p>
        )),
      )}
      <Form busy={busy} onAdd={(address) => void add(address)} />
      <p role="status" class={said?.startsWith('✗') === true ? 'tone-bad' : 'tone-good'}>
        {busy ? 'Until a node holds it …' : said}
      </p>
      {asked === undefined ? null : (
        <Confirm
          title={`Remove ${asked}?`}
          action="Remove"
          danger
          onClose={() => setAsked(undefined)}
          onConfirm={() => void remove(asked)}
        >
          <p>Clients that use it do not reach a gateway any more.</p>
        </Confirm>
      )}
    </Section>
  );
}
