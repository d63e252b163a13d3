/** How a statement would be run over the stripes of a database, in words. */
import type { Explanation } from '../planner/planner.ts';

export interface QueryPlan {
  readonly plan: string;
  readonly stripes: readonly number[];
  readonly lines: readonly string[];
}

const WORDS: Readonly<Record<Explanation['plan'], string>> = {
  P0: 'one place has all that it reads',
  P1: 'one stripe has it',
  P2: 'each stripe runs it, and the rows are put together',
  P3: 'each stripe computes its part, and the parts are combined',
  P4: 'the rows are gathered and the statement runs over them',
  'routed insert': 'each row goes to its stripe',
  'narrow insert': 'rows go to their stripes one after the other',
  'routed write': 'the stripes that have the rows change them',
  'narrow write':
    'the rows and those that foreign keys lead to are read, then changed where they are',
  'gathered write': 'the rows are gathered, then changed where they are',
};

export function queryPlan({ plan, stripes, stripeTexts, combine, why }: Explanation): QueryPlan {
  const on = stripes.length === 0 ? 'no stripe' : `stripe ${stripes.join(', ')}`;
  return {
    plan,
    stripes,
    lines: [
      `Plan ${plan} on ${on}: ${WORDS[plan]}`,
      ...stripeTexts.map((text) => `  each runs: ${text}`),
      ...(combine === undefined ? [] : [`  then here: ${combine}`]),
      ...(why === '' ? [] : [`  nothing better, because ${why}`]),
    ],
  };
}
