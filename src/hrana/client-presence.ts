/** Whether the client of a request over HTTP is still there. Every request has one: an `AbortController` costs as much as a statement's plan. */

export interface ClientPresence {
  readonly hasLeft: boolean;
  /** Calls once, when the client leaves; there is one such call. */
  onLeft(call: () => void): void;
}

export class HttpClient implements ClientPresence {
  hasLeft = false;
  #call: (() => void) | undefined;

  onLeft(call: () => void): void {
    this.#call = call;
  }

  leave(): void {
    if (this.hasLeft) return;
    this.hasLeft = true;
    this.#call?.();
  }
}
