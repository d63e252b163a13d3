/** The forms of a page, as a browser would send them: for tests that need no browser. Pure. */
import { unescapeHtml } from '../base/html.ts';

export interface PageForm {
  readonly action: string;
  readonly method: string;
  /** What would be sent if nobody typed anything. */
  readonly fields: Readonly<Record<string, string>>;
  /** Names of everything that can be filled in. */
  readonly names: ReadonlySet<string>;
  /** What is written on its buttons. */
  readonly buttons: readonly FormButton[];
  /** It sends files. */
  readonly hasFiles: boolean;
}

export interface FormButton {
  readonly label: string;
  /** What it adds when it is the one that was pressed. */
  readonly fields: Readonly<Record<string, string>>;
}

/** All forms of the page, in order. */
export function formsOf(html: string): readonly PageForm[] {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(
    ([, head = '', body = '']) => {
      const fields: Record<string, string> = {};
      const names = new Set<string>();
      for (const [whole, single, tag, long = '', inside = ''] of body.matchAll(
        /<input\b([^>]*)>|<(textarea|select)\b([^>]*)>([\s\S]*?)<\/\2>/gi,
      )) {
        const text = single ?? long;
        const name = attribute(text, 'name');
        if (name === undefined) continue;
        const type = single === undefined ? '' : (attribute(text, 'type') ?? 'text');
        if (type !== 'hidden') names.add(name);
        if (type === 'checkbox' && !/\schecked\b/i.test(text)) continue;
        const value =
          tag === 'textarea' ? unescapeHtml(inside) : attribute(chosen(whole) ?? text, 'value');
        fields[name] = value ?? (type === 'checkbox' ? 'on' : '');
      }
      return {
        action: attribute(head, 'action') ?? '',
        method: (attribute(head, 'method') ?? 'get').toUpperCase(),
        fields,
        names,
        buttons: buttonsOf(body),
        hasFiles: attribute(head, 'enctype') === 'multipart/form-data',
      };
    },
  );
}

/** The option that a browser sends of this select: the one that is selected, else the first. */
function chosen(select: string): string | undefined {
  return (
    /<option\b([^>]*\bselected\b[^>]*)>/i.exec(select)?.[1] ??
    /<option\b([^>]*)>/i.exec(select)?.[1]
  );
}

function buttonsOf(body: string): readonly FormButton[] {
  return [...body.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)].map(
    ([, head = '', inside = '']) => {
      const name = attribute(head, 'name');
      const label = unescapeHtml(inside.replace(/<[^>]*>/g, ''));
      return {
        label: attribute(head, 'aria-label') ?? label.replace(/\s+/g, ' ').trim(),
        fields: name === undefined ? {} : { [name]: attribute(head, 'value') ?? '' },
      };
    },
  );
}

/** The first form with this button, by the text on it, and what the button adds. */
export function formWithButton(
  forms: readonly PageForm[],
  label: string,
): { readonly form: PageForm; readonly button: FormButton } | undefined {
  for (const form of forms) {
    const button = form.buttons.find((each) => each.label === label);
    if (button !== undefined) return { form, button };
  }
  return undefined;
}

/** The first form that has all of these fields. Nobody signs in with a button that deletes. */
export function formWith(
  forms: readonly PageForm[],
  names: readonly string[],
): PageForm | undefined {
  return forms.find((form) => names.every((name) => form.names.has(name)));
}

function attribute(text: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(text)?.[1];
  return found === undefined ? undefined : unescapeHtml(found);
}
