import { belongsTo, model, type RowOf, shape, string } from 'moln';

export const Membership = model(
  'membership',
  {
    team_id: belongsTo('team', { onDelete: 'cascade', editable: false }),
    user_id: belongsTo('user', { onDelete: 'cascade', editable: false }),
    role: string({ oneOf: ['member', 'owner'], default: 'member' }),
  },
  // Asked in every request: which teams somebody is in.
  { unique: [['user_id', 'team_id']], distribute: { by: 'user_id' } },
);

export type Membership = RowOf<typeof Membership>;

/** What adding a member asks for. */
export const NewMember = shape({
  email: string({ format: 'email', label: 'E-mail of the new member' }),
});
