import { controller } from 'moln';
import { requireUser, theUser } from '../../auth.ts';
import { Comment } from '../../models/comment.ts';
import { Issue } from '../../models/issue.ts';
import { ShowIssue } from '../../views/issues.tsx';
import { wholeIssue } from '../issues.ts';

export const comments = controller({
  before: [requireUser],

  async create(c) {
    const { id: issue_id, team_id } = await Issue.get(c.params.issue_id);
    const { id: author_id } = await theUser();
    const made = await Comment.tryCreate(await c.form(), { issue_id, team_id, author_id });
    if (!made.ok) {
      const whole = await wholeIssue(issue_id);
      return c.invalid(made, () => ShowIssue(whole));
    }
    return c.done(`/issues/${issue_id}#comment-${made.row.id}`, made.row);
  },

  async destroy(c) {
    const comment = await Comment.get(c.params.id);
    await Comment.delete(comment);
    c.flash('The comment was deleted');
    return c.done(`/issues/${comment.issue_id}`);
  },
});
