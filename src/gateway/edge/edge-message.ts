/** What a gateway process and the thread of an edge module say to one another. */

/** Lower-case names; a field that came twice is there twice. */
export type EdgeFields = readonly (readonly [name: string, value: string])[];

export interface EdgeAsk {
  readonly id: number;
  readonly method: string;
  readonly url: string;
  readonly fields: EdgeFields;
  /** Undefined when there is none, or it was not gathered whole. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Address of the client. */
  readonly client: string;
}

/** What becomes of one request. */
export type EdgeVerdict =
  /** Its target answers. `target` and `fields` are those of the request that the module gave, if it gave another one. */
  | { readonly kind: 'pass'; readonly target?: string; readonly fields?: EdgeFields }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly fields: EdgeFields;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'failed'; readonly reason: string };

/** To the thread; a number is a ping. */
export type ToThread = EdgeAsk | number;

/** From the thread. */
export type FromThread =
  | { readonly id: number; readonly verdict: EdgeVerdict }
  | { readonly pong: number }
  /** The module cannot be used at all. */
  | { readonly broken: string };
