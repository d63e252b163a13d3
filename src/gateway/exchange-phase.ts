/** How far the exchange with an upstream has come, and what is said when it ends without an answer. */
export const PHASE = { rest: 0, connecting: 1, head: 2, body: 3, tunnel: 4 } as const;

export interface FailureOptions {
  readonly retryAfterS: number;
}
