import { belongsTo, file, model, type RowOf } from 'moln';

export const Attachment = model(
  'attachment',
  {
    file: file({ bytesMax: 20_000_000 }),
    issue_id: belongsTo('issue', { onDelete: 'cascade', editable: false }),
    author_id: belongsTo('user', { editable: false }),
    team_id: belongsTo('team', { onDelete: 'cascade', editable: false }),
  },
  { distribute: { by: 'team_id' } },
);

export type Attachment = RowOf<typeof Attachment>;
