/** A history of transactions that append to lists and read them, as Elle knows them (https://github.com/jepsen-io/elle). */

export type Step =
  | readonly ['append', number, number]
  /** `null` when the transaction did not get so far. */
  | readonly ['r', number, readonly number[] | null];

export interface Transaction {
  readonly process: number;
  /** It has happened, it has not, or nobody knows. */
  readonly type: 'ok' | 'fail' | 'info';
  readonly steps: readonly Step[];
  /** Milliseconds of one clock. */
  readonly began: number;
  /** Of `info` without meaning: it may happen later. */
  readonly ended: number;
}

/** The history as Elle's command line reads it (`--format json`): an invocation and a completion for each. */
export function elleJson(history: readonly Transaction[]): string {
  const events = history.flatMap(({ process, type, steps, began, ended }) => {
    const asked = steps.map((step) => (step[0] === 'r' ? ['r', step[1], null] : step));
    return [
      { type: 'invoke', process, time: began, value: asked },
      { type, process, time: ended, value: type === 'ok' ? steps : asked },
    ];
  });
  return events
    .toSorted((a, b) => a.time - b.time)
    .map(({ time, ...event }, index) =>
      JSON.stringify({ index, ...event, f: 'txn', time: Math.round(time * 1e6) }),
    )
    .join('\n');
}
