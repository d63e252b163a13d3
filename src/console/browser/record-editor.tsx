/** Adding and changing a route or a listener: a form for what most of them need, and the text for everything. */
import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { RouteAnswer } from '../../api/model.ts';
import { api, type RecordKind } from './api.ts';
import { ListenerFields, RouteFields } from './record-fields.tsx';
import {
  listenerForm,
  NEW_LISTENER,
  NEW_ROUTE,
  routeForm,
  withListenerForm,
  withRouteForm,
  type Written,
} from './record-form.ts';
import { Section } from './section.tsx';
import { sentenceOf } from './sentence.ts';
import { yamlText } from './yaml-text.ts';

const TEXT_ROWS_LEAST = 8;
const TEXT_ROWS_MOST = 30;

/** What is there already; undefined when one is added. */
export interface KnownRecord {
  readonly name: string;
  readonly written: Written;
  readonly revision: number;
}

type Outcome =
  | { readonly kind: 'busy'; readonly sentence: string }
  | { readonly kind: 'failed'; readonly sentence: string }
  | {
      readonly kind: 'done';
      readonly sentence: string;
      readonly troubles: RouteAnswer['troubles'];
    };

export function RecordEditor(props: {
  readonly kind: RecordKind;
  readonly known: KnownRecord | undefined;
  readonly apps: readonly string[];
  readonly onSaved: (name: string) => void;
}): VNode {
  const { kind, known, apps } = props;
  const fresh = kind === 'route' ? NEW_ROUTE : NEW_LISTENER;
  const [name, setName] = useState(known?.name ?? '');
  const [base, setBase] = useState<Written>(known?.written ?? fresh);
  const [revision, setRevision] = useState(known?.revision ?? 0);
  const [text, setText] = useState<string | undefined>(undefined);
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const area = useRef<HTMLTextAreaElement>(null);
  const busy = outcome?.kind === 'busy';
  const change = (): { written: Written } | { yaml: string } =>
    text === undefined ? { written: base } : { yaml: text };

  const attempt = async (
    sentence: string,
    work: () => Promise<Outcome | undefined>,
  ): Promise<void> => {
    setOutcome({ kind: 'busy', sentence });
    try {
      setOutcome(await work());
    } catch (error) {
      setOutcome({ kind: 'failed', sentence: sentenceOf(error) });
    }
  };
  const save = (): Promise<void> =>
    attempt(`Bringing ${name} to all gateways`, async () => {
      const answer = await api.setRecord(kind, name, { ...change(), revision });
      const after = await api.record(kind, name);
      setRevision(after.revision);
      setBase(known === undefined ? fresh : after.written);
      if (known === undefined) {
        setName('');
        setRevision(0);
      }
      if (text !== undefined) setText(known === undefined ? undefined : yamlText(after.written));
      props.onSaved(name);
      return doneOf(name, answer);
    });
  const check = (): Promise<void> =>
    attempt('Checking', async () => {
      await api.checkRecord(kind, name, change());
      return { kind: 'done', sentence: `${name} is good; nothing was changed`, troubles: [] };
    });
  const toForm = (): Promise<void> =>
    attempt('Reading the text', async () => {
      const { written } = await api.checkRecord(kind, name, change());
      setBase(written);
      setText(undefined);
      return undefined;
    });
  const toText = (): void => {
    setText(yamlText(base));
    setOutcome(undefined);
    requestAnimationFrame(() => area.current?.focus());
  };
  const fields =
    kind === 'route' ? (
      <RouteFields
        form={routeForm(base)}
        apps={apps}
        onChange={(form) => setBase(withRouteForm(base, form))}
      />
    ) : (
      <ListenerFields
        form={listenerForm(base)}
        onChange={(form) => setBase(withListenerForm(base, form))}
      />
    );
  const rows = Math.min(
    TEXT_ROWS_MOST,
    Math.max(TEXT_ROWS_LEAST, (text ?? '').split('\n').length + 1),
  );
  const tools = (
    <div class="buttons views" role="group" aria-label={`How ${kind} is written`}>
      <button
        type="button"
        aria-pressed={text === undefined}
        disabled={busy}
        onClick={() => void (text === undefined ? undefined : toForm())}
      >
        Form
      </button>
      <button
        type="button"
        aria-pressed={text !== undefined}
        disabled={busy}
        onClick={() => (text === undefined ? toText() : undefined)}
      >
        Text
      </button>
    </div>
  );
  const shown = name === '' ? 'NAME' : name;
  return (
    <Section
      id={`edit-${kind}`}
      title={known === undefined ? `Add a ${kind}` : 'Change'}
      command={`moln ${kind} set ${shown} --file ${shown}.yml`}
      tools={tools}
    >
      <form
        class="record-form"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {known === undefined ? (
          <div class="row-form first">
            <label>
              Name
              <input
                required
                autocomplete="off"
                spellcheck={false}
                placeholder={kind === 'route' ? 'shop' : 'imap'}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            </label>
          </div>
        ) : null}
        {text === undefined ? (
          fields
        ) : (
          <label class="stacked">
            The {kind} as YAML, with the keys of a gateway's file
            <textarea
              ref={area}
              rows={rows}
              spellcheck={false}
              aria-label={`The ${kind} as YAML`}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
        )}
        <p class="buttons">
          <button type="submit" class="primary" disabled={busy}>
            {known === undefined ? `Add ${kind}` : 'Save'}
          </button>
          <button type="button" disabled={busy || name === ''} onClick={() => void check()}>
            Check
          </button>
          <span class="small">
            In use at once, everywhere; no request is lost and no WebSocket closed.
          </span>
        </p>
      </form>
      <div role="status" class="record-outcome">
        <OutcomeWords outcome={outcome} />
      </div>
    </Section>
  );
}

function OutcomeWords(props: { readonly outcome: Outcome | undefined }): VNode | null {
  const { outcome } = props;
  if (outcome === undefined) return null;
  if (outcome.kind === 'busy') return <p class="tone-busy">{outcome.sentence} …</p>;
  if (outcome.kind === 'failed') return <p class="tone-bad">✗ {outcome.sentence}</p>;
  return (
    <>
      <p class="tone-good">✓ {outcome.sentence}</p>
      {outcome.troubles.map(({ node, message }) => (
        <p key={node} class="tone-warn">
          ▲ Not open on {node}: {message}
        </p>
      ))}
    </>
  );
}

function doneOf(name: string, { nodes, away, troubles }: RouteAnswer): Outcome {
  const later = away.length === 0 ? '' : `; ${away.join(', ')} when it is back`;
  return { kind: 'done', sentence: `${name} is in use on ${nodes.join(', ')}${later}`, troubles };
}
