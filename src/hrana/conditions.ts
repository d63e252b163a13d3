/** Conditions between the steps of a batch. Pure. */
import { ProtocolError } from './errors.ts';
import type { Batch, Condition } from './model.ts';

export type StepState = 'ok' | 'error' | 'skipped';

/** Whether a step is executed, from what became of those before it. */
export function holds(
  condition: Condition,
  states: readonly StepState[],
  isAutocommit: () => boolean,
): boolean {
  switch (condition.type) {
    case 'ok':
    case 'error':
      return states[condition.step] === condition.type;
    case 'not':
      return !holds(condition.condition, states, isAutocommit);
    case 'and':
      return condition.conditions.every((one) => holds(one, states, isAutocommit));
    case 'or':
      return condition.conditions.some((one) => holds(one, states, isAutocommit));
    case 'is_autocommit':
      return isAutocommit();
  }
}

/** Throws `HRANA_PROTO_ERROR` when a condition asks about a step that is not before it. */
export function checkConditions(batch: Batch): Batch {
  batch.steps.forEach(({ condition }, index) => {
    if (condition !== undefined) checkSteps(condition, index);
  });
  return batch;
}

function checkSteps(condition: Condition, index: number): void {
  switch (condition.type) {
    case 'ok':
    case 'error':
      if (condition.step < index) return;
      throw new ProtocolError(
        `The condition of step ${index} asks about step ${condition.step}, which is not before it`,
      );
    case 'not':
      checkSteps(condition.condition, index);
      return;
    case 'and':
    case 'or':
      for (const one of condition.conditions) checkSteps(one, index);
      return;
    case 'is_autocommit':
      return;
  }
}
