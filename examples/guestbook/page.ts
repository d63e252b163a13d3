/** The HTML. Whatever people wrote goes through `escape`. */
import { MESSAGE_CHARACTERS_MAX, NAME_CHARACTERS_MAX } from './entries.ts';
import type { Entry } from './entries.ts';

export interface PageInput {
  readonly entries: readonly Entry[];
  readonly total: number;
  /** True when there are older ones than those shown. */
  readonly more: boolean;
  /** What was wrong with the form, and what was in it. */
  readonly problem?: string;
  readonly name?: string;
  readonly message?: string;
  /** Which instance answers, when the platform says so. */
  readonly instance?: string | undefined;
}

export function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

export function page(input: PageInput): string {
  const { entries, problem } = input;
  const last = entries.at(-1);
  const older =
    input.more && last !== undefined
      ? `<p class="older"><a href="/?before=${last.id}">Older entries</a></p>`
      : '';
  const list =
    entries.length === 0
      ? '<p class="empty">Nobody has written anything yet. Be the first.</p>'
      : `<ol class="entries">${entries.map(entryItem).join('')}</ol>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Guestbook</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<header>
<h1>Guestbook</h1>
<p>${input.total === 1 ? '1 entry' : `${input.total} entries`}, kept on this cloud.</p>
</header>
<form method="post" action="/entries">
${problem === undefined ? '' : `<p class="problem" role="alert">${escape(problem)}</p>`}
<label for="name">Your name</label>
<input id="name" name="name" autocomplete="name" required maxlength="${NAME_CHARACTERS_MAX}" value="${escape(input.name ?? '')}">
<label for="message">Your message</label>
<textarea id="message" name="message" required rows="4" maxlength="${MESSAGE_CHARACTERS_MAX}">${escape(input.message ?? '')}</textarea>
<button>Sign the guestbook</button>
</form>
${list}
${older}
<footer>Served by Moln${input.instance === undefined ? '' : `, instance <code>${escape(input.instance)}</code>`}</footer>
</main>
</body>
</html>
`;
}

function entryItem(entry: Entry): string {
  const iso = new Date(entry.writtenAt).toISOString();
  const day = `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
  return `<li id="entry-${entry.id}"><p class="message">${escape(entry.message)}</p><p class="by"><b>${escape(entry.name)}</b> <time datetime="${iso}">${day}</time></p></li>`;
}
