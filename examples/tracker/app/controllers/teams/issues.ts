import { controller } from 'moln';
import { requireUser, theUser } from '../../auth.ts';
import { Comment } from '../../models/comment.ts';
import { Issue } from '../../models/issue.ts';
import { Team } from '../../models/team.ts';
import { peopleOf, User } from '../../models/user.ts';
import { IssueList, NewIssue } from '../../views/issues.tsx';

/** Comments that one search shows. */
const COMMENTS_MAX = 20;

export const issues = controller({
  before: [requireUser],

  /** All of them, or what is searched for. */
  async index(c) {
    const team = await Team.get(c.params.team_id);
    const words = c.query('q')?.trim() ?? '';
    const page = await Issue.where({ team_id: team.id })
      .search(words, 'title', 'body')
      .order('-updated_at', '-id')
      .page(c.query('page'));
    const comments =
      words === ''
        ? []
        : await Comment.where({ team_id: team.id })
            .search(words, 'body')
            .order('-id')
            .limit(COMMENTS_MAX)
            .all();
    const ids = [
      ...page.rows.map((each) => each.assignee_id),
      ...comments.map((each) => each.author_id),
    ];
    const people = await User.byId(ids);
    return c.respond({ page, comments }, () => IssueList({ team, words, page, comments, people }));
  },

  async new(c) {
    const team = await Team.get(c.params.team_id);
    return NewIssue({ team, people: await peopleOf(team) });
  },

  async create(c) {
    const team = await Team.get(c.params.team_id);
    const { id: author_id } = await theUser();
    const made = await Issue.tryCreate(await c.form(), { team_id: team.id, author_id });
    if (!made.ok) {
      const people = await peopleOf(team);
      return c.invalid(made, () => NewIssue({ team, people }));
    }
    c.flash('The issue was opened');
    return c.done(`/issues/${made.row.id}`, made.row);
  },
});
