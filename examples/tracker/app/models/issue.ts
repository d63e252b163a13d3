import { belongsTo, model, type RowOf, string, text } from 'moln';

export const STATES = { open: 'Open', doing: 'In progress', done: 'Done' } as const;
export type State = keyof typeof STATES;

export const Issue = model(
  'issue',
  {
    title: string({ max: 160 }),
    body: text({ optional: true, max: 20_000, label: 'Description' }),
    state: string({ oneOf: ['open', 'doing', 'done'], default: 'open' }),
    assignee_id: belongsTo('user', { optional: true, onDelete: 'set null' }),
    author_id: belongsTo('user', { editable: false }),
    team_id: belongsTo('team', { onDelete: 'cascade', editable: false }),
  },
  // Two people who edit at the same time: the second one is told. What a team has lies together.
  { locking: true, indexes: [['team_id', 'state']], distribute: { by: 'team_id' } },
);

export type Issue = RowOf<typeof Issue>;
