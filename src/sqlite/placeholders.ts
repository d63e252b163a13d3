/**
 * Reads a text for what must be known before it is executed: the names of its parameters, and whether it is one
 * statement. The rules are those of SQLite's tokenizer and of `sqlite3_complete` (https://sqlite.org/c3ref/complete.html).
 */
/** Texts whose placeholders are remembered. */
const SCANS_REMEMBERED_MAX = 1_000;
/** Longer texts are scanned each time, so that memory stays bounded. */
const SCAN_REMEMBERED_CHARACTERS_MAX = 4_096;

export interface Scan {
  /** By number from 1: the name with its first character, null for `?` and for unused numbers. */
  readonly parameters: readonly (string | null)[];
  readonly statements: 'none' | 'one' | 'many';
  readonly isExplain: boolean;
  /** The text has a parameter beyond `SQLITE_MAX_VARIABLE_NUMBER`, or `?0`. */
  readonly isBeyondLimit: boolean;
}

/** Sticky: each matches one token at `lastIndex`. */
export const TOKEN: RegExp =
  /(?<space>[ \t\n\f\r]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<quoted>'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$))|(?<parameter>\?[0-9]*|[:@#$](?:[\w$\u0080-\uffff]|::)+(?:\([^\s)]*\))?)|(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<number>[0-9][\w$.\u0080-\uffff]*)|(?<semicolon>;)|[\s\S]/gy;

const NUMBER_MAX = 32_766;
const remembered = new Map<string, Scan>();

export function scanStatement(sql: string): Scan {
  const known = remembered.get(sql);
  if (known !== undefined) return known;
  const scan = scanText(sql);
  if (sql.length > SCAN_REMEMBERED_CHARACTERS_MAX) return scan;
  if (remembered.size >= SCANS_REMEMBERED_MAX) {
    const [oldest] = remembered.keys();
    if (oldest !== undefined) remembered.delete(oldest);
  }
  remembered.set(sql, scan);
  return scan;
}

function scanText(sql: string): Scan {
  const numbers = new Numbers();
  const ends = new Ends();
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(sql); match !== null; match = TOKEN.exec(sql)) {
    const { space, parameter, word, semicolon } = match.groups ?? {};
    if (space !== undefined) continue;
    if (parameter !== undefined) numbers.add(parameter);
    ends.token(semicolon === undefined ? (word ?? '').toLowerCase() : ';');
  }
  return {
    parameters: numbers.names,
    statements: ends.statements,
    isExplain: ends.isExplain,
    isBeyondLimit: numbers.isBeyondLimit,
  };
}

/** https://sqlite.org/lang_expr.html#varparam */
class Numbers {
  readonly names: (string | null)[] = [];
  isBeyondLimit = false;
  readonly #seen = new Set<string>();

  add(parameter: string): void {
    if (parameter.startsWith('?') && parameter !== '?') {
      const number = Number(parameter.slice(1));
      if (number < 1 || number > NUMBER_MAX) {
        this.isBeyondLimit = true;
        return;
      }
      while (this.names.length < number) this.names.push(null);
      // What was written first names it: `?007` and `?7` are one.
      this.names[number - 1] ??= parameter;
      this.#seen.add(parameter);
      return;
    }
    if (parameter !== '?' && this.#seen.has(parameter)) return;
    if (this.names.length >= NUMBER_MAX) this.isBeyondLimit = true;
    else this.names.push(parameter === '?' ? null : parameter);
    this.#seen.add(parameter);
  }
}

/** Where statements end: a trigger holds semicolons of its own, up to `; END ;`. */
export class Ends {
  #count = 0;
  /** Words of the statement so far, as far as they decide what it is. */
  #start: string[] = [];
  #isTrigger = false;
  #lastTwo: readonly [string, string] = ['', ''];
  #isOpen = false;
  isExplain = false;

  /** How many semicolons have ended a statement so far. */
  get ended(): number {
    return this.#count;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get statements(): Scan['statements'] {
    const count = this.#count + (this.#isOpen ? 1 : 0);
    if (count === 0) return 'none';
    return count === 1 ? 'one' : 'many';
  }

  token(token: string): void {
    if (token === ';') this.#semicolon();
    else {
      this.#isOpen = true;
      if (this.#start.length < 6) this.#word(token);
    }
    this.#lastTwo = [this.#lastTwo[1], token];
  }

  #word(token: string): void {
    this.#start.push(token);
    if (this.#count === 0 && this.#start.length === 1) this.isExplain = token === 'explain';
    this.#isTrigger ||= /^(?:explain (?:query plan )?)?create (?:temp |temporary )?trigger$/.test(
      this.#start.join(' '),
    );
  }

  #semicolon(): void {
    if (!this.#isOpen) return;
    if (this.#isTrigger && !(this.#lastTwo[0] === ';' && this.#lastTwo[1] === 'end')) return;
    this.#count += 1;
    this.#isOpen = false;
    this.#isTrigger = false;
    this.#start = [];
  }
}
