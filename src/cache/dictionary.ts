/**
 * Dictionaries of Structured Fields (RFC 9651 4.2.2), as far as a targeted Cache-Control needs them: everything is
 * checked, parameters and the members of inner lists are then forgotten. One mistake makes the whole field void.
 */

/** `undefined` stands for a byte sequence, a date or an inner list: well-formed, and of no directive's type. */
export type DictionaryValue = boolean | number | string | undefined;

/** Members beyond which a field is not read. */
const MEMBERS_MAX = 64;

const KEY = /[a-z*][a-z0-9_.*-]*/y;
const NUMBER = /-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const TOKEN = /[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*/y;
const BYTES = /:[A-Za-z0-9+/=]*:/y;
const BOOLEAN = /\?([01])/y;
const DATE = /@-?\d{1,15}/y;
const SPACES = / */y;
const GAP = /[ \t]*/y;

class DictionaryReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Undefined when malformed. */
  read(): ReadonlyMap<string, DictionaryValue> | undefined {
    const members = new Map<string, DictionaryValue>();
    this.#take(SPACES);
    if (this.#at === this.#text.length) return members;
    for (;;) {
      const key = this.#take(KEY)?.[0];
      if (key === undefined || members.size >= MEMBERS_MAX) return undefined;
      const value = this.#char('=') ? this.#member() : { value: true };
      if (value === undefined || !this.#parameters()) return undefined;
      members.delete(key);
      members.set(key, value.value);
      this.#take(GAP);
      if (this.#at === this.#text.length) return members;
      if (!this.#char(',')) return undefined;
      this.#take(GAP);
      if (this.#at === this.#text.length) return undefined;
    }
  }

  #member(): { readonly value: DictionaryValue } | undefined {
    if (!this.#char('(')) return this.#item();
    for (;;) {
      this.#take(SPACES);
      if (this.#char(')')) return { value: undefined };
      if (this.#item() === undefined || !this.#parameters()) return undefined;
      const next = this.#text[this.#at];
      if (next !== ' ' && next !== ')') return undefined;
    }
  }

  #item(): { readonly value: DictionaryValue } | undefined {
    const number = this.#take(NUMBER);
    if (number !== undefined) return { value: Number(number[0]) };
    const string = this.#take(STRING);
    if (string !== undefined) return { value: (string[1] ?? '').replace(/\\(.)/g, '$1') };
    const token = this.#take(TOKEN);
    if (token !== undefined) return { value: token[0] };
    const boolean = this.#take(BOOLEAN);
    if (boolean !== undefined) return { value: boolean[1] === '1' };
    return (this.#take(BYTES) ?? this.#take(DATE)) === undefined ? undefined : { value: undefined };
  }

  /** False when malformed. */
  #parameters(): boolean {
    while (this.#char(';')) {
      this.#take(SPACES);
      if (this.#take(KEY) === undefined) return false;
      if (this.#char('=') && this.#item() === undefined) return false;
    }
    return true;
  }

  #char(wanted: string): boolean {
    if (this.#text[this.#at] !== wanted) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }
}

/** The members of a dictionary by key, the last one of a key counting; undefined when the field is malformed. */
export function parseDictionary(text: string): ReadonlyMap<string, DictionaryValue> | undefined {
  return new DictionaryReader(text).read();
}
