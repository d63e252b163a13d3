/** One route or listener: what is wrong with it, changing it, and removing it after its name was typed. */
import type { VNode } from 'preact';
import type { View } from './view.ts';
import { ActionReport, useAction } from './action.tsx';
import { api, type RecordKind } from './api.ts';
import { Ago } from './moment.tsx';
import { RecordEditor } from './record-editor.tsx';
import { Removal } from './removal.tsx';
import { navigate } from './router.ts';
import { usePolled } from './time-hooks.ts';

const EVERY_MS = 3000;
const NOT_FOUND = 'ROUTES_NOT_FOUND';

export function RecordPage(props: {
  readonly view: View;
  readonly kind: RecordKind;
  readonly name: string;
}): VNode {
  const { view, kind, name } = props;
  const polled = usePolled(`${kind} ${name}`, (signal) => api.record(kind, name, signal), EVERY_MS);
  const action = useAction(() => undefined);
  const record = polled.value;
  const remove = async (): Promise<void> => {
    const removed = await action.run(`Remove ${name}`, () => api.removeRecord(kind, name));
    if (removed) navigate('/routes');
  };
  const crumbs = (
    <p class="crumbs">
      <a href="/routes">Routes</a> /
    </p>
  );
  if (record === undefined) {
    const isMissing = polled.failure?.code === NOT_FOUND;
    return (
      <>
        {crumbs}
        <h1>{name}</h1>
        <p class="lead">{isMissing ? `There is no ${kind} of that name.` : 'Loading …'}</p>
      </>
    );
  }
  const troubles = record.troubles.map((one) =>
    typeof one === 'string' ? one : `Not open on ${one.node}: ${one.message}`,
  );
  return (
    <>
      {crumbs}
      <h1>{name}</h1>
      <p class="lead">
        <span>
          {'hosts' in record ? record.hosts.join(', ') : `Port ${record.port}`} to {record.leadsTo},
          changed <Ago at={record.changedAt} /> by {record.by}
        </span>
      </p>
      {troubles.map((sentence) => (
        <p key={sentence} class="tone-warn">
          ▲ {sentence}
        </p>
      ))}
      <ActionReport action={action} />
      <RecordEditor
        kind={kind}
        known={record}
        apps={view.status.apps.map((app) => app.name)}
        onSaved={polled.refresh}
      />
      <Removal
        id="remove"
        verb="Remove"
        command={`moln ${kind} remove ${name}`}
        kind={kind}
        name={name}
        busy={action.running}
        summary={
          kind === 'route'
            ? 'Requests for it are answered with 404 from then on, or by whatever is behind it.'
            : 'The port is closed at all gateways; connections that are open go on.'
        }
        onConfirm={() => void remove()}
      >
        All gateways forget it at once.
      </Removal>
    </>
  );
}
