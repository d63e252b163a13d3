/**
 * What an app says, in the language of who reads it. Messages are TypeScript, one file a language, so that the compiler knows their names and what
 * each wants; plurals, numbers and dates are as `Intl` has them.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MolnError } from '../base/errors.ts';
import { contextIfAny } from './context.ts';

/** By the categories of `Intl.PluralRules`; `count` chooses. */
export type Plural = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
export type Messages = Readonly<Record<string, string | Plural>>;
/** The messages of a further language: `export const de: Translation<typeof en> = { … }`. */
export type Translation<M extends Messages> = {
  readonly [Key in keyof M]: M[Key] extends string ? string : Plural;
};

type Texts<Message> = Message extends string ? Message : Message[keyof Message];
type NamesIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;
type NamesOf<Message> = NamesIn<Texts<Message>> | (Message extends string ? never : 'count');
type Value = string | number | Date;
type Values<Name extends string> = [Name] extends [never]
  ? readonly []
  : readonly [{ readonly [N in Name]: N extends 'count' ? number : Value }];

/** The session's value that says which language a visitor has chosen. */
const SESSION_VALUE = 'language';

export interface Translator<M extends Messages, Language extends string> {
  /** The message in the current language: `t('greeting', { name })`. */
  readonly t: <Key extends keyof M & string>(
    key: Key,
    ...values: Values<NamesOf<M[Key]>>
  ) => string;
  /**
   * The current language: what `inLanguage` says, what the visitor has chosen (`c.session.set('language', 'de')`), what the browser asks for, else
   * the first one.
   */
  readonly language: () => Language;
  /** For what is written outside of a request, such as mails. */
  readonly inLanguage: <T>(language: Language, work: () => T) => T;
  readonly languages: readonly Language[];
}

/**
 * Puts the languages of an app together; the first is that of who has none of them. Throws `WEB_BAD_MESSAGES` when one lacks a message.
 *
 *     export const { t, language, inLanguage } = translator({ en, de });
 */
export function translator<const First extends Messages, Language extends string>(all: {
  readonly [L in Language]: First | Translation<First>;
}): Translator<First, Language> {
  const byLanguage = all as Readonly<Record<string, Messages>>;
  const languages = Object.keys(all) as Language[];
  refuseGaps(byLanguage);
  const chosen = new AsyncLocalStorage<Language>();
  const rules = new Map(languages.map((each) => [each, new Intl.PluralRules(each)]));
  const language = (): Language => chosen.getStore() ?? asked(languages);
  return {
    languages,
    language,
    inLanguage: (one, work) => chosen.run(one, work),
    t: (key, ...[values]) => {
      const current = language();
      const message = byLanguage[current]?.[key] ?? key;
      const given: Readonly<Record<string, Value>> = values ?? {};
      if (typeof message === 'string') return filled(message, given, current);
      const category = rules.get(current)?.select(Number(given['count'])) ?? 'other';
      return filled(message[category] ?? message.other, given, current);
    },
  };
}

/** Of a visitor. Answers that depend on what the browser asks for say so to caches. */
function asked<Language extends string>(languages: readonly Language[]): Language {
  const [first] = languages;
  if (first === undefined) throw new MolnError('WEB_BAD_MESSAGES', 'There is no language');
  const context = contextIfAny();
  if (context === undefined) return first;
  const wanted = context.session.get(SESSION_VALUE);
  const own = languages.find((each) => each === wanted);
  if (own !== undefined) return own;
  context.varyBy('Accept-Language');
  const header = context.asked.header('accept-language') ?? '';
  return bestLanguage(header, languages) ?? first;
}

/** By `Accept-Language` (RFC 9110 §12.5.4): `de-AT` is content with `de`. Undefined when there is none of those. */
export function bestLanguage<Language extends string>(
  header: string,
  languages: readonly Language[],
): Language | undefined {
  const ranges = header.split(',').map((part, at) => {
    const [tag = '', ...parameters] = part.trim().toLowerCase().split(';');
    const quality = parameters.map((each) => /^\s*q=([\d.]+)/.exec(each)?.[1]).find(Boolean);
    return { tag: tag.trim(), quality: quality === undefined ? 1 : Number(quality), at };
  });
  const best = ranges
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.at - b.at);
  for (const { tag } of best) {
    for (
      let range = tag;
      range !== '';
      range = range.slice(0, Math.max(0, range.lastIndexOf('-')))
    ) {
      const found = languages.find((each) => each.toLowerCase() === range);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function filled(text: string, values: Readonly<Record<string, Value>>, language: string): string {
  return text.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const value = values[name] ?? '';
    if (typeof value === 'number') return new Intl.NumberFormat(language).format(value);
    if (typeof value === 'string') return value;
    // All instances say the same day, whatever zone their machine is in.
    return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' }).format(
      value,
    );
  });
}

function refuseGaps(all: Readonly<Record<string, Messages>>): void {
  const [[first, wanted] = ['', {}], ...others] = Object.entries(all);
  for (const [language, messages] of others) {
    for (const [key, message] of Object.entries(wanted)) {
      const other = messages[key];
      const problem =
        other === undefined
          ? 'is missing'
          : namesIn(other) === namesIn(message)
            ? undefined
            : `has ${namesIn(other) || 'no values'}, in "${first}" ${namesIn(message) || 'none'}`;
      if (problem !== undefined)
        throw new MolnError('WEB_BAD_MESSAGES', `Message "${key}" in "${language}" ${problem}`);
    }
  }
}

/** Of all forms together: "one post" needs no number. */
function namesIn(message: string | Plural): string {
  const text = typeof message === 'string' ? message : Object.values(message).join(' ');
  return [...new Set([...text.matchAll(/\{\w+\}/g)].map(([name]) => name))].sort().join(' ');
}
