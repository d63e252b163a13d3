/**
 * A page that is sent while slow parts of it (`<Suspense>`) are still being made. They are written where they belong, in order, so the page
 * is whole without JavaScript, and no script has to be allowed in it: what was shown meanwhile is hidden by a line of CSS.
 */
import { randomId } from '../base/ids.ts';
import type { LaterParts } from './jsx-runtime.ts';

interface Part {
  /** Never rejects. */
  readonly text: Promise<string>;
  /** CSS for when it is there. */
  readonly hiding: string;
}

export class StreamedPage implements LaterParts {
  readonly #instead: (error: unknown) => string;
  readonly #parts: Part[] = [];
  /** Stands in the page's text for a part that comes later; nobody who writes text for the page knows it. */
  #mark = '';

  /** `instead`: HTML for a part that failed. Asked when it does, whether or not the visitor is still there. */
  constructor(instead: (error: unknown) => string) {
    this.#instead = instead;
  }

  /** True when there is something to wait for. */
  get hasParts(): boolean {
    return this.#parts.length > 0;
  }

  place(text: Promise<string>, fallback: string): string {
    if (this.#mark === '') this.#mark = randomId(20);
    const at = this.#parts.length;
    const id = `moln-wait-${at}`;
    const isShown = fallback !== '';
    const hiding = isShown ? `<style>#${id}{display:none}</style>` : '';
    this.#parts.push({ text: text.catch(this.#instead), hiding });
    const shown = isShown ? `<moln-wait id="${id}" role="status">${fallback}</moln-wait>` : '';
    return `${shown}<!--${this.#mark}:${at}-->`;
  }

  /** Resolves when nothing of the page is being made any more. */
  async made(): Promise<void> {
    // Parts of a part are there before it is.
    for (let at = 0; at < this.#parts.length; at++) await this.#parts[at]?.text;
  }

  /** `text`: what `renderText` gave with this page. */
  async *bytes(text: string): AsyncGenerator<Uint8Array> {
    for await (const piece of this.#pieces(text)) if (piece !== '') yield Buffer.from(piece);
  }

  async *#pieces(text: string): AsyncGenerator<string> {
    let from = 0;
    for (const { 0: mark, 1: number, index } of text.matchAll(this.#marks)) {
      yield text.slice(from, index);
      from = index + mark.length;
      const part = this.#parts[Number(number)];
      if (part === undefined) continue;
      yield* this.#pieces(part.hiding + (await part.text));
    }
    yield text.slice(from);
  }

  get #marks(): RegExp {
    return new RegExp(`<!--${this.#mark}:(\\d+)-->`, 'g');
  }
}
