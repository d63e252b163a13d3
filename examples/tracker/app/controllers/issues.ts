import { authorize, controller } from 'moln';
import { requireUser } from '../auth.ts';
import { Attachment } from '../models/attachment.ts';
import { Comment } from '../models/comment.ts';
import { deleteIssue, Issue } from '../models/issue.ts';
import { Team } from '../models/team.ts';
import { peopleOf, User } from '../models/user.ts';
import { EditIssue, ShowIssue } from '../views/issues.tsx';

/** The issue with all that its page shows. */
export async function wholeIssue(id: unknown) {
  const issue = await Issue.get(id);
  const [team, comments, attachments] = await Promise.all([
    Team.get(issue.team_id),
    Comment.where({ team_id: issue.team_id, issue_id: issue.id }).order('id').all(),
    Attachment.where({ team_id: issue.team_id, issue_id: issue.id }).order('id').all(),
  ]);
  const ids = [issue, ...comments, ...attachments].map(({ author_id }) => author_id);
  const people = await User.byId([...ids, issue.assignee_id]);
  return { team, issue, comments, attachments, people };
}

async function teamOf({ team_id }: Issue) {
  const team = await Team.get(team_id);
  return { team, people: await peopleOf(team) };
}

export const issues = controller({
  before: [requireUser],

  async show(c) {
    const whole = await wholeIssue(c.params.id);
    const { issue, comments, attachments } = whole;
    return c.respond({ ...issue, comments, attachments }, () => ShowIssue(whole));
  },

  async edit(c) {
    const issue = await Issue.get(c.params.id);
    await authorize('update', issue);
    return EditIssue({ issue, ...(await teamOf(issue)) });
  },

  async update(c) {
    const issue = await Issue.get(c.params.id);
    const changed = await Issue.tryUpdate(issue, await c.form());
    if (!changed.ok) {
      const around = await teamOf(issue);
      return c.invalid(changed, () => EditIssue({ issue, ...around }));
    }
    c.flash('The issue was changed');
    return c.done(`/issues/${issue.id}`, changed.row);
  },

  /** To another column of the board. */
  async 'POST /:id/move'(c) {
    const issue = await Issue.get(c.params.id);
    const { state } = await c.form();
    const moved = await Issue.tryUpdate(issue, { state });
    if (!moved.ok) {
      const around = await teamOf(issue);
      return c.invalid(moved, () => EditIssue({ issue, ...around }));
    }
    return c.done(`/teams/${issue.team_id}#issue-${issue.id}`, moved.row);
  },

  async destroy(c) {
    const issue = await Issue.get(c.params.id);
    await deleteIssue(issue);
    c.flash('The issue was deleted');
    return c.done(`/teams/${issue.team_id}`);
  },
});
