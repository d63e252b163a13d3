/**
 * An answer of text. To whoever asks it is a Response, but making one costs more than most actions do, so it becomes one only when
 * somebody looks closer; else `serve` writes status, head and text as they are.
 */

import { standInFor } from './stand-in.ts';

export const JSON_TYPE = 'application/json';

/** What is written. */
export interface PlainAnswer {
  readonly status: number;
  readonly text: string | null;
  /** Names, in lower case, and values, in turn: what its action gave, and then what is added to every answer. */
  readonly head: readonly string[];
}

class TextAnswer {
  #plain: PlainAnswer | undefined;
  #response: Response | undefined;

  constructor(plain: PlainAnswer) {
    this.#plain = plain;
  }

  static plainOf(answer: object): PlainAnswer | undefined {
    return #plain in answer ? answer.#plain : undefined;
  }

  /** From now on it is what whoever looks at it makes of it. */
  get response(): Response {
    const plain = this.#plain;
    if (plain !== undefined) {
      this.#plain = undefined;
      const { text, status, head } = plain;
      const headers = new Headers();
      for (let at = 0; at < head.length; at += 2)
        headers.append(head[at] ?? '', head[at + 1] ?? '');
      this.#response = new Response(text, { status, headers });
    }
    return this.#response as Response;
  }
}

standInFor(Response.prototype, TextAnswer.prototype, 'response');

/** `name` and `value` of the only field that its head has. */
export function textAnswer(
  text: string | null,
  status: number,
  name: 'content-type' | 'location',
  value: string,
): Response {
  return new TextAnswer({ text, status, head: [name, value] }) as unknown as Response;
}

/** The same with more in its head. A new one: an action may give one answer to many visitors, and what is added is of one of them. */
export function withHead({ text, status, head }: PlainAnswer, more: readonly string[]): Response {
  return new TextAnswer({ text, status, head: [...head, ...more] }) as unknown as Response;
}

/** What is to be written, when nobody has looked closer. */
export function plainOf(answer: Response): PlainAnswer | undefined {
  return TextAnswer.plainOf(answer);
}
