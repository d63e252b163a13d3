import { belongsTo, model, type RowOf, string, text, transaction, withoutPolicies } from 'moln';
import { Attachment } from './attachment.ts';

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

/** With what belongs to it. The database takes the rows along by itself, but knows nothing of their files. */
export async function deleteIssue(issue: Issue): Promise<void> {
  await transaction(async () => {
    await withoutPolicies(async () => {
      const { id: issue_id, team_id } = issue;
      for (const each of await Attachment.where({ team_id, issue_id }).all())
        await Attachment.delete(each);
    });
    // Undoes that too when the visitor may not.
    await Issue.delete(issue);
  });
}
