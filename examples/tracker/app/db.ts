import { typedQueries } from 'moln/kysely';
import { Issue } from './models/issue.ts';

/** Questions that models have no words for. */
export const db = typedQueries({ issues: Issue });
