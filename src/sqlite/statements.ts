/** Texts of several statements, for those who send one at a time: where each ends, and long values taken out of them. Pure. */
import { Ends, TOKEN } from './placeholders.ts';

export interface Split {
  /** Each with its semicolon. */
  readonly complete: readonly string[];
  /** What has no end yet; empty when nothing but spaces and comments follows. */
  readonly rest: string;
}

interface Token {
  readonly text: string;
  readonly kind: 'space' | 'word' | 'text' | 'semicolon' | 'other';
  readonly at: number;
}

/** A text may be cut anywhere but within `-- comment`. */
export function splitStatements(text: string): Split {
  const complete: string[] = [];
  const ends = new Ends();
  let from = 0;
  let isCommentOpen = false;
  for (const { text: token, kind, at } of tokensOf(text)) {
    isCommentOpen = kind === 'space' && /^\/\*(?![\s\S]*\*\/$)|^\/\*\/$/.test(token);
    if (kind === 'space') continue;
    ends.token(kind === 'semicolon' ? ';' : kind === 'word' ? token.toLowerCase() : '');
    const end = at + token.length;
    if (ends.ended > complete.length) {
      complete.push(text.slice(from, end).trim());
      from = end;
    } else if (!ends.isOpen) from = end;
  }
  return { complete, rest: ends.isOpen || isCommentOpen ? text.slice(from).trimStart() : '' };
}

/**
 * Puts `?` for texts and blobs of at least `charactersMin`, so that what is left is short enough to be sent. For statements
 * that have no parameters of their own.
 */
export function liftLiterals(
  sql: string,
  charactersMin: number,
): { readonly sql: string; readonly args: readonly (string | Uint8Array)[] } {
  const args: (string | Uint8Array)[] = [];
  let lifted = '';
  let before: Token | undefined;
  for (const token of tokensOf(sql)) {
    lifted += token.text;
    const value = token.text.length < charactersMin ? undefined : literalOf(token, before);
    if (value !== undefined) {
      const length = token.text.length + (value instanceof Uint8Array ? 1 : 0);
      lifted = `${lifted.slice(0, -length)}?`;
      args.push(value);
    }
    before = token;
  }
  return { sql: lifted, args };
}

/** https://sqlite.org/lang_expr.html#literal_values_constants_ */
function literalOf(token: Token, before: Token | undefined): string | Uint8Array | undefined {
  if (token.kind !== 'text' || !/^'[\s\S]*'$/.test(token.text)) return undefined;
  const inner = token.text.slice(1, -1);
  if (before?.kind === 'word' && /^x$/i.test(before.text)) {
    return /^(?:[0-9a-f]{2})*$/i.test(inner) ? Buffer.from(inner, 'hex') : undefined;
  }
  return inner.replaceAll("''", "'");
}

function* tokensOf(text: string): Generator<Token> {
  const pattern = new RegExp(TOKEN.source, TOKEN.flags);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const { space, quoted, word, semicolon } = match.groups ?? {};
    const kind =
      space !== undefined
        ? 'space'
        : word !== undefined
          ? 'word'
          : quoted !== undefined
            ? 'text'
            : semicolon !== undefined
              ? 'semicolon'
              : 'other';
    yield { text: match[0], kind, at: match.index };
  }
}
