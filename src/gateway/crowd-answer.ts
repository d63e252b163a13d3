/**
 * An answer for a crowd that waited for it together: its head is made for the first and sent to all who asked alike. Good for one
 * moment only, in which they are woken.
 */
import {
  answerWith,
  type Body,
  type CacheRequest,
  matchesVary,
  type Stored,
  UNKNOWN_LENGTH,
  type Why,
} from '../cache/cache.ts';
import { statusLine } from '../http/status.ts';

/** What one who waited asked for. */
export interface CrowdMember {
  readonly request: CacheRequest;
  /** How the cache calls itself towards him. */
  readonly name: string;
  /** Why he waited. */
  readonly why: Why;
}

export class CrowdAnswer {
  readonly status: number;
  /** All of it, for a plain connection. */
  readonly head: string;
  readonly body: Body;
  /** Its length is not known yet. */
  readonly isChunked: boolean;
  readonly #key: string;
  readonly #name: string;
  readonly #why: Why;
  readonly #stored: Stored;

  private constructor(
    stored: Stored,
    member: CrowdMember,
    made: { readonly status: number; readonly head: string },
  ) {
    this.status = made.status;
    this.head = made.head;
    this.body = stored.body;
    this.isChunked = stored.entry.length === UNKNOWN_LENGTH;
    this.#key = member.request.key;
    this.#name = member.name;
    this.#why = member.why;
    this.#stored = stored;
  }

  /** Of the answer to a plain request; `age` and `lines` are whole lines of its head. Undefined when it has no body. */
  static of(
    stored: Stored,
    member: CrowdMember,
    { age, lines }: { readonly age: string; readonly lines: string },
  ): CrowdAnswer | undefined {
    const { entry } = stored;
    const answer = answerWith(member.request, entry, { lines: age, boundary: () => '' });
    if (answer.body.kind !== 'whole' || entry.spans !== undefined) return undefined;
    const { status } = answer;
    const framing = entry.length === UNKNOWN_LENGTH ? 'Transfer-Encoding: chunked\r\n' : '';
    const head = `${statusLine(status)}\r\n${answer.head}${answer.lines}${lines}${framing}\r\n`;
    // In one piece: a text of many pieces would be put together for each write.
    const text = Buffer.from(head, 'latin1').toString('latin1');
    return new CrowdAnswer(stored, member, { status, head: text });
  }

  /** Whether that plain request gets the same, word for word. */
  fits({ request, name, why }: CrowdMember): boolean {
    const { varyNames, varyValues } = this.#stored.entry;
    return (
      request.key === this.#key &&
      why === this.#why &&
      name === this.#name &&
      (varyNames.length === 0 || matchesVary(varyNames, varyValues, request.fields))
    );
  }
}
