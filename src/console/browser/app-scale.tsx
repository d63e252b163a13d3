/** How many instances of each process run. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import { wishedCounts } from './app-facts.ts';
import { api } from './api.ts';
import { Section } from './section.tsx';

/** The server has the last word; this only keeps fingers from slipping. */
const INSTANCES_MAX = 64;

function Stepper(props: {
  readonly process: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
}): VNode {
  const { process, value, onChange } = props;
  return (
    <div class="stepper">
      <label for={`scale-${process}`}>{process}</label>
      <button
        type="button"
        aria-label={`One ${process} less`}
        disabled={value <= 0}
        onClick={() => onChange(value - 1)}
      >
        −
      </button>
      <input
        id={`scale-${process}`}
        type="number"
        min={0}
        max={INSTANCES_MAX}
        value={value}
        onInput={(event) => {
          const next = event.currentTarget.valueAsNumber;
          if (Number.isInteger(next) && next >= 0 && next <= INSTANCES_MAX) onChange(next);
        }}
      />
      <button
        type="button"
        aria-label={`One ${process} more`}
        disabled={value >= INSTANCES_MAX}
        onClick={() => onChange(value + 1)}
      >
        +
      </button>
    </div>
  );
}

export function AppScale(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const [edited, setEdited] = useState<Readonly<Record<string, number>>>({});
  const wished = wishedCounts(detail);
  const counts = { ...wished, ...edited };
  const changed = Object.entries(counts).filter(([process, value]) => wished[process] !== value);
  const pairs = (changed.length === 0 ? Object.entries(counts) : changed)
    .map(([process, value]) => `${process}=${value}`)
    .join(' ');
  const apply = async (): Promise<void> => {
    const done = await action.run(`Scale ${detail.name} to ${pairs}`, () =>
      api.act(detail.name, 'scale', { counts: Object.fromEntries(changed) }),
    );
    if (done) setEdited({});
  };
  return (
    <Section id="scale" title="Scale" command={`moln app ${detail.name} scale ${pairs}`}>
      <form
        class="scale"
        onSubmit={(event) => {
          event.preventDefault();
          void apply();
        }}
      >
        {Object.entries(counts).map(([process, value]) => (
          <Stepper
            key={process}
            process={process}
            value={value}
            onChange={(next) => setEdited({ ...edited, [process]: next })}
          />
        ))}
        <p class="small">
          {detail.instances.healthy} of {detail.instances.wanted} wanted instances are healthy.
        </p>
        <button type="submit" class="primary" disabled={action.running || changed.length === 0}>
          Apply
        </button>
      </form>
    </Section>
  );
}
