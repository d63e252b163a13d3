/** Names of models, tables and fields: which are possible, and the plural of a noun. */
import { MolnError } from '../base/errors.ts';

const NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Throws `WEB_BAD_NAME`. `name`: of the model that `word` is in. */
export function refuseName(name: string, word: string): void {
  if (
    NAME.test(word) &&
    !['id', 'created_at', 'updated_at', 'version'].includes(word) &&
    !/^(?:sqlite|moln)_/.test(word)
  )
    return;
  throw new MolnError(
    'WEB_BAD_NAME',
    `"${word}" in model "${name}" cannot be a name of a model, table or field`,
    {
      hint: 'Write it in lower case with _, such as published_at; id, created_at, updated_at and version are there already',
    },
  );
}

const IRREGULAR: Readonly<Record<string, string>> = {
  child: 'children',
  man: 'men',
  person: 'people',
  woman: 'women',
  datum: 'data',
  mouse: 'mice',
  news: 'news',
  series: 'series',
};

/** `posts` of `post`, `categories` of `category`. */
export function plural(name: string): string {
  const cut = name.lastIndexOf('_') + 1;
  const word = name.slice(cut);
  const irregular = IRREGULAR[word];
  if (irregular !== undefined) return name.slice(0, cut) + irregular;
  if (/[^aeiou]y$/.test(word)) return `${name.slice(0, -1)}ies`;
  return /(?:s|x|z|ch|sh)$/.test(word) ? `${name}es` : `${name}s`;
}
