/**
 * The texts that generators write, as files below `templates/` with `<%name%>` where a word is filled in. Folders are laid out as in an
 * app; a leading `dot.` stands for the dot of a hidden file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const FOLDER: string = join(import.meta.dirname, 'templates');
const ENDING = '.template';

export type TemplateWords = Readonly<Record<string, string>>;

/** All files of a set, by the paths that they get. */
export function fillAll(
  set: 'app' | 'auth',
  words: TemplateWords,
): Readonly<Record<string, string>> {
  const root = join(FOLDER, set);
  const files = readdirSync(root, { withFileTypes: true, recursive: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((file) => {
        const path = relative(root, file).slice(0, -ENDING.length);
        return [path.replace(/^dot\./, '.'), filled(readFileSync(file, 'utf8'), words)];
      }),
  );
}

/** One text, as `scaffold/model.ts`. */
export function fill(name: string, words: TemplateWords): string {
  return filled(readFileSync(join(FOLDER, `${name}${ENDING}`), 'utf8'), words);
}

function filled(text: string, words: TemplateWords): string {
  return text.replace(/<%(\w+)%>/g, (_all, name: string) => {
    const word = words[name];
    if (word === undefined) throw new Error(`A template wants "${name}", which nobody gives`);
    return word;
  });
}
