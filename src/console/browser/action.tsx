/** Something under way (deploy, rollback, scale, …): its progress line by line, and how it ended. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Progress } from '../../api/model.ts';
import type { ActionState } from './action-state.ts';
import { isMolnError, messageOf } from '../../base/errors.ts';
import { afterItem } from './action-state.ts';
import { formatClock } from './format.ts';

export interface Action {
  readonly state: ActionState | undefined;
  readonly running: boolean;
  readonly run: (title: string, progress: () => AsyncIterable<Progress>) => Promise<boolean>;
  readonly clear: () => void;
}

function failed(error: unknown): ActionState['outcome'] {
  const body = isMolnError(error)
    ? error.toJSON()
    : { code: 'CONSOLE_STREAM', message: messageOf(error), retryable: true };
  return { kind: 'failed', error: body, logTail: [] };
}

/** One action at a time; `run` says whether it went well. */
export function useAction(onSettled: () => void): Action {
  const [state, setState] = useState<ActionState | undefined>(undefined);
  const run = async (title: string, progress: () => AsyncIterable<Progress>): Promise<boolean> => {
    let current: ActionState = { title, lines: [], outcome: { kind: 'running' } };
    const update = (next: ActionState): void => {
      current = next;
      setState(next);
    };
    update(current);
    try {
      for await (const item of progress()) update(afterItem(current, item));
      // Calls that answer without lines are done when they have answered.
      if (current.outcome.kind === 'running') update({ ...current, outcome: { kind: 'done' } });
    } catch (error) {
      update({ ...current, outcome: failed(error) });
    }
    onSettled();
    return current.outcome.kind === 'done';
  };
  return {
    state,
    running: state?.outcome.kind === 'running',
    run,
    clear: () => setState(undefined),
  };
}

function Outcome(props: { readonly state: ActionState }): VNode {
  const { outcome, title } = props.state;
  switch (outcome.kind) {
    case 'running':
      return <p class="tone-busy">{title} …</p>;
    case 'done':
      return <p class="tone-good">✓ {title}: done</p>;
    case 'failed':
      return (
        <div class="tone-bad">
          <p>
            ✗ {title}: {outcome.error.message}
          </p>
          {outcome.error.hint === undefined ? null : <p class="hint">{outcome.error.hint}</p>}
          {outcome.logTail.length === 0 ? null : <pre>{outcome.logTail.join('\n')}</pre>}
        </div>
      );
  }
}

export function ActionReport(props: { readonly action: Action }): VNode {
  const { state, running, clear } = props.action;
  return (
    <div class="action-report" role="status">
      {state === undefined ? null : (
        <>
          <ol class="progress">
            {state.lines.map((line, index) => (
              <li key={index} class={line.kind}>
                <span class="clock">{formatClock(line.at)}</span>{' '}
                {line.kind === 'step' ? line.message : line.line}
              </li>
            ))}
          </ol>
          <div class="outcome">
            <Outcome state={state} />
            {running ? null : (
              <button type="button" onClick={clear}>
                Dismiss
              </button>
            )}
          </div>
        </>
      )}
    </div>
  );
}
