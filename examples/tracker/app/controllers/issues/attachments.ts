import { controller, files } from 'moln';
import { requireUser, theUser } from '../../auth.ts';
import { Attachment } from '../../models/attachment.ts';
import { Issue } from '../../models/issue.ts';
import { ShowIssue } from '../../views/issues.tsx';
import { wholeIssue } from '../issues.ts';

/** How long the address of a file is good for. */
const SECONDS = 300;

export const attachments = controller({
  before: [requireUser],

  /** To the file itself, for who may see it. */
  async show(c) {
    const { file } = await Attachment.get(c.params.id);
    return c.redirect(files.url(file.key, { seconds: SECONDS, name: file.name }), 302);
  },

  async create(c) {
    const { id: issue_id, team_id } = await Issue.get(c.params.issue_id);
    const { id: author_id } = await theUser();
    const made = await Attachment.tryCreate(await c.form(), { issue_id, team_id, author_id });
    if (!made.ok) {
      const whole = await wholeIssue(issue_id);
      return c.invalid(made, () => ShowIssue(whole));
    }
    c.flash(`${made.row.file.name} was attached`);
    return c.done(`/issues/${issue_id}#attachments`, made.row);
  },

  async destroy(c) {
    const attachment = await Attachment.get(c.params.id);
    await Attachment.delete(attachment);
    c.flash('The attachment was deleted');
    return c.done(`/issues/${attachment.issue_id}#attachments`);
  },
});
