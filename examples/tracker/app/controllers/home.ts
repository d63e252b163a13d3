import { controller } from 'moln';
import { currentUser } from '../auth.ts';
import { Issue } from '../models/issue.ts';
import { Team } from '../models/team.ts';
import { Home, Welcome } from '../views/home.tsx';

export const home = controller({
  async index() {
    const user = await currentUser();
    if (user === undefined) return Welcome();
    const teams = await Team.order('name').all();
    const issues = await Issue.where({ assignee_id: user.id, state: { not: 'done' } })
      .order('-updated_at')
      .limit(50)
      .all();
    return Home({ teams, issues });
  },
});
