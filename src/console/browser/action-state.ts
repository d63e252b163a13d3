/** How far something under way has come. Pure. */
import type { Progress } from '../../api/model.ts';
import type { ErrorBody } from '../../base/errors.ts';

export interface ActionState {
  readonly title: string;
  readonly lines: readonly Exclude<Progress, { kind: 'done' | 'failed' }>[];
  readonly outcome:
    | { readonly kind: 'running' }
    | { readonly kind: 'done' }
    | { readonly kind: 'failed'; readonly error: ErrorBody; readonly logTail: readonly string[] };
}

/** The state after one more item. */
export function afterItem(state: ActionState, item: Progress): ActionState {
  switch (item.kind) {
    case 'step':
    case 'output':
      return { ...state, lines: [...state.lines, item] };
    case 'done':
      return { ...state, outcome: { kind: 'done' } };
    case 'failed':
      return { ...state, outcome: item };
  }
}
