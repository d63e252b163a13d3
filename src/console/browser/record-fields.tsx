/** The fields of the form for a route, and of that for a listener. */
import type { ComponentChildren, VNode } from 'preact';
import { type ListenerForm, type RouteForm, type Target } from './record-form.ts';

const TARGET_WORDS: readonly (readonly [Target, string, string])[] = [
  ['upstreams', 'Servers', 'http://10.0.0.2:9000 http://10.0.0.3:9000'],
  ['app', 'An app', ''],
  ['bucket', 'A bucket, as a website', 'photos'],
  ['redirect', 'Another address', 'https://example.org$uri'],
  ['respond', 'A fixed answer', '410'],
];
const LABELS: Readonly<Record<Target, string>> = {
  upstreams: 'Servers, with spaces between them',
  app: 'App',
  bucket: 'Bucket',
  redirect: 'Address, of which $host, $uri and $path may be a part',
  respond: 'Status',
};
const PROTOCOLS = ['tcp', 'udp', 'http', 'https'] as const;
const BALANCES = ['round-robin', 'least', 'source-hash'] as const;

function Text(props: {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  readonly wide?: boolean;
  readonly optional?: boolean;
  readonly onInput: (value: string) => void;
}): VNode {
  return (
    <label class={props.wide === true ? 'wide' : ''}>
      {props.label}
      <input
        required={props.optional !== true}
        autocomplete="off"
        spellcheck={false}
        placeholder={props.placeholder ?? ''}
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
    </label>
  );
}

function Choice(props: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}): VNode {
  return (
    <label>
      {props.label}
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Check(props: {
  readonly checked: boolean;
  readonly children: ComponentChildren;
  readonly onChange: (checked: boolean) => void;
}): VNode {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.checked}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      {props.children}
    </label>
  );
}

export function RouteFields(props: {
  readonly form: RouteForm;
  readonly apps: readonly string[];
  readonly onChange: (form: RouteForm) => void;
}): VNode {
  const { form, apps } = props;
  const set = (change: Partial<RouteForm>): void => props.onChange({ ...form, ...change });
  const placeholder = TARGET_WORDS.find(([target]) => target === form.target)?.[2] ?? '';
  const known = apps.includes(form.leadsTo) || form.leadsTo === '' ? apps : [form.leadsTo, ...apps];
  return (
    <>
      <div class="row-form first">
        <Text
          label="Hosts"
          wide
          placeholder="shop.example.org"
          value={form.hosts}
          onInput={(hosts) => set({ hosts })}
        />
        <Text label="Path" value={form.path} onInput={(path) => set({ path })} />
      </div>
      <div class="row-form first">
        <Choice
          label="Leads to"
          value={form.target}
          options={TARGET_WORDS.map(([target, text]) => [target, text])}
          onChange={(target) => {
            const leadsTo = target === 'app' ? (apps[0] ?? '') : '';
            set({ target: target as Target, leadsTo });
          }}
        />
        {form.target === 'app' ? (
          <Choice
            label={LABELS.app}
            value={form.leadsTo}
            options={known.map((name) => [name, name])}
            onChange={(leadsTo) => set({ leadsTo })}
          />
        ) : (
          <Text
            label={LABELS[form.target]}
            wide
            placeholder={placeholder}
            value={form.leadsTo}
            onInput={(leadsTo) => set({ leadsTo })}
          />
        )}
        {form.target === 'upstreams' ? (
          <Text
            label="Path of the health check"
            optional
            placeholder="none"
            value={form.health}
            onInput={(health) => set({ health })}
          />
        ) : null}
      </div>
      <div class="row-form first">
        <Check checked={form.isCached} onChange={(isCached) => set({ isCached })}>
          Keep answers in the cache
        </Check>
        <Check checked={form.isCompressed} onChange={(isCompressed) => set({ isCompressed })}>
          Compress answers
        </Check>
      </div>
    </>
  );
}

export function ListenerFields(props: {
  readonly form: ListenerForm;
  readonly onChange: (form: ListenerForm) => void;
}): VNode {
  const { form } = props;
  const set = (change: Partial<ListenerForm>): void => props.onChange({ ...form, ...change });
  const leads = form.protocol === 'tcp' || form.protocol === 'udp';
  return (
    <div class="row-form first">
      <Choice
        label="Protocol"
        value={form.protocol}
        options={PROTOCOLS.map((protocol) => [protocol, protocol.toUpperCase()])}
        onChange={(protocol) => set({ protocol })}
      />
      <label>
        Port
        <input
          type="number"
          class="port"
          min={1}
          max={65_535}
          required
          value={form.port}
          onInput={(event) => set({ port: event.currentTarget.value })}
        />
      </label>
      {leads ? (
        <>
          <Text
            label="Servers, with spaces between them"
            wide
            placeholder={`${form.protocol}://10.0.0.2:993`}
            value={form.upstreams}
            onInput={(upstreams) => set({ upstreams })}
          />
          <Choice
            label="Balance"
            value={form.balance === '' ? 'round-robin' : form.balance}
            options={BALANCES.map((balance) => [balance, balance])}
            onChange={(balance) => set({ balance })}
          />
        </>
      ) : null}
    </div>
  );
}
