import { belongsTo, model, type RowOf, text } from 'moln';

export const Comment = model(
  'comment',
  {
    body: text({ max: 20_000, label: 'Comment' }),
    issue_id: belongsTo('issue', { onDelete: 'cascade', editable: false }),
    author_id: belongsTo('user', { editable: false }),
    team_id: belongsTo('team', { onDelete: 'cascade', editable: false }),
  },
  { distribute: { by: 'team_id' } },
);

export type Comment = RowOf<typeof Comment>;
