/**
 * An answer of text. To whoever asks it is a Response, but making one costs more than most actions do, so it becomes one only when
 * somebody looks closer; else `serve` writes status, head and text as they are.
 */

import { standInFor } from './stand-in.ts';

/** The head of an answer, as far as the app adds to it. */
export interface AnswerHead {
  has(name: string): boolean;
  set(name: string, value: string): void;
  append(name: string, value: string): void;
}

/** What is written; names are in lower case. */
export class PlainAnswer implements AnswerHead {
  readonly status: number;
  readonly text: string | null;
  readonly fields: Map<string, string>;

  constructor(text: string | null, status: number, fields: Iterable<readonly [string, string]>) {
    this.text = text;
    this.status = status;
    this.fields = new Map(fields);
  }

  has(name: string): boolean {
    return this.fields.has(name);
  }

  set(name: string, value: string): void {
    this.fields.set(name, value);
  }

  append(name: string, value: string): void {
    const before = this.fields.get(name);
    this.fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
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
      const { text, status } = plain;
      this.#response = new Response(text, { status, headers: [...plain.fields] });
    }
    return this.#response as Response;
  }
}

standInFor(Response.prototype, TextAnswer.prototype, 'response');

/** `fields`: names in lower case, and values, of its head. */
export function textAnswer(
  text: string | null,
  status: number,
  fields: Iterable<readonly [string, string]>,
): Response {
  return new TextAnswer(new PlainAnswer(text, status, fields)) as unknown as Response;
}

/** What is to be written, when nobody has looked closer. What is added to it is a part of the answer. */
export function plainOf(answer: Response): PlainAnswer | undefined {
  return TextAnswer.plainOf(answer);
}
