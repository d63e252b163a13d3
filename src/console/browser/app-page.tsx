/** One app: how it stands, its instances, history, settings and logs, and everything one may do to it. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AppDetail } from '../../api/model.ts';
import type { Action } from './action.tsx';
import type { View } from './view.ts';
import { ActionReport, useAction } from './action.tsx';
import { api } from './api.ts';
import { AppDomains } from './app-domains.tsx';
import { AppEnv } from './app-env.tsx';
import { AppHistory } from './app-history.tsx';
import { AppInstances } from './app-instances.tsx';
import { AppJobs } from './app-jobs.tsx';
import { AppLogs } from './app-logs.tsx';
import { AppPlacement } from './app-placement.tsx';
import { AppRemoval } from './app-removal.tsx';
import { AppScale } from './app-scale.tsx';
import { Command } from './command.tsx';
import { Confirm } from './dialog.tsx';
import { AppChart } from './live-charts.tsx';
import { navigate } from './router.ts';
import { Section } from './section.tsx';
import { StateMark } from './state-mark.tsx';
import { usePolled } from './time-hooks.ts';

const DETAIL_EVERY_MS = 2000;
/** As it is detected: has jobs. */
const WEB_APP = "App in Moln's web framework";

type Question = 'restart' | 'stop' | undefined;

function Buttons(props: { readonly detail: AppDetail; readonly action: Action }): VNode {
  const { detail, action } = props;
  const { name } = detail;
  const [question, setQuestion] = useState<Question>(undefined);
  const close = (): void => setQuestion(undefined);
  const stopped = detail.state === 'stopped';
  return (
    <div class="buttons">
      {stopped ? (
        <button
          type="button"
          class="primary"
          disabled={action.running}
          onClick={() => void action.run(`Start ${name}`, () => api.act(name, 'start'))}
        >
          Start
        </button>
      ) : (
        <>
          {detail.kind === 'static' ? null : (
            <button type="button" disabled={action.running} onClick={() => setQuestion('restart')}>
              Restart
            </button>
          )}
          <button type="button" disabled={action.running} onClick={() => setQuestion('stop')}>
            Stop
          </button>
        </>
      )}
      {question === 'restart' ? (
        <Confirm
          title={`Restart ${name}?`}
          action="Restart"
          onClose={close}
          onConfirm={() => void action.run(`Restart ${name}`, () => api.act(name, 'restart'))}
        >
          <p>Its instances are replaced one by one; visitors notice nothing.</p>
          <Command text={`moln app ${name} restart`} />
        </Confirm>
      ) : null}
      {question === 'stop' ? (
        <Confirm
          title={`Stop ${name}?`}
          action="Stop"
          danger
          onClose={close}
          onConfirm={() => void action.run(`Stop ${name}`, () => api.act(name, 'stop'))}
        >
          <p>Visitors get an error page until it is started again. Nothing is deleted.</p>
          <Command text={`moln app ${name} stop`} />
        </Confirm>
      ) : null}
    </div>
  );
}

function explanationOf(detail: AppDetail): string {
  if (detail.kind !== 'static') return detail.explanation;
  return `${detail.explanation}. Every gateway serves them itself: nothing to start or scale.`;
}

/** Stays the same while the app is loaded, so that its title keeps the focus. */
function Head(props: {
  readonly name: string;
  readonly detail: AppDetail | undefined;
  readonly otherwise: string;
  readonly action: Action;
}): VNode {
  const { name, detail } = props;
  return (
    <div class="app-head">
      <div>
        <p class="crumbs">
          <a href="/#apps">Apps</a> /
        </p>
        <h1>{name}</h1>
        <p class="lead" aria-live="polite">
          {detail === undefined ? props.otherwise : <StateMark state={detail.state} />}
          {detail === undefined ? null : <span>{explanationOf(detail)}</span>}
        </p>
        <ul class="urls">
          {detail?.urls.map((url) => (
            <li key={url}>
              <a href={url} target="_blank" rel="noreferrer">
                {url}
              </a>
            </li>
          ))}
        </ul>
      </div>
      <div class="app-tools">
        {detail === undefined ? null : <Buttons detail={detail} action={props.action} />}
        <Command text={`moln app ${name}`} />
      </div>
    </div>
  );
}

/** A static site has no processes: nothing to scale, no logs, no settings. */
function Parts(props: {
  readonly detail: AppDetail;
  readonly view: View;
  readonly action: Action;
}): VNode {
  const { detail, view, action } = props;
  const remove = async (): Promise<void> => {
    const gone = await action.run(`Remove ${detail.name}`, () => api.remove(detail.name));
    if (gone) navigate('/#apps');
  };
  const traffic = (
    <Section id="traffic" title="Last 10 minutes" command="moln status --json">
      <AppChart
        app={detail.name}
        samples={view.live.samples}
        deploys={detail.history.map((one) => one.at)}
      />
    </Section>
  );
  const rest = (
    <>
      <AppDomains detail={detail} action={action} />
      <AppRemoval name={detail.name} busy={action.running} onRemove={() => void remove()} />
    </>
  );
  if (detail.kind === 'static') {
    return (
      <>
        {traffic}
        <AppHistory detail={detail} action={action} />
        {rest}
      </>
    );
  }
  return (
    <>
      <div class="columns">
        {traffic}
        <AppScale detail={detail} action={action} />
      </div>
      <AppInstances detail={detail} />
      <AppPlacement app={detail.name} />
      <AppHistory detail={detail} action={action} />
      <AppLogs app={detail.name} />
      {detail.explanation === WEB_APP ? <AppJobs app={detail.name} /> : null}
      <AppEnv detail={detail} action={action} />
      {rest}
    </>
  );
}

export function AppPage(props: { readonly view: View; readonly name: string }): VNode {
  const { view, name } = props;
  const first = view.first.app?.name === name ? view.first.app : undefined;
  const polled = usePolled(name, (signal) => api.app(name, signal), DETAIL_EVERY_MS, first);
  const action = useAction(() => {
    polled.refresh();
    view.refresh();
  });
  const detail = polled.value;
  const otherwise = polled.failure?.message ?? 'Loading …';
  return (
    <>
      <Head name={name} detail={detail} otherwise={otherwise} action={action} />
      {detail === undefined || polled.failure === undefined ? null : (
        <p class="tone-warn" role="status">
          ▲ {polled.failure.message}. What follows is how it was.
        </p>
      )}
      <ActionReport action={action} />
      {detail === undefined ? null : <Parts detail={detail} view={view} action={action} />}
    </>
  );
}
