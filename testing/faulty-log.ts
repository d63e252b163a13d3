/** A commit log that works, but whose answers and requests are lost, late or doubled when a test says so. */
import type { CommitLog, EncodedEntry } from '../src/database/database.ts';

export type Fault =
  /** It happens, and nobody is told. */
  | 'answerLost'
  /** It does not happen, and nobody is told. */
  | 'requestLost'
  /** It is on its way until `land` is called. */
  | 'late'
  /** It happens, and its answer is on the way until `land` is called. */
  | 'answerLate'
  /** It happens, is sent once more, and only the second is answered. */
  | 'twice';

export interface FaultyLog {
  readonly log: CommitLog;
  /** For the next appends, in order; then all is well again. */
  next(...faults: readonly Fault[]): void;
  /** Answers to `head` fail so many times, with that error. */
  blind(times: number, error?: Error): void;
  /** What was late arrives; tells how many requests of them the log still took. */
  land(): Promise<number>;
  /** Indexes that were sent, also those that were lost. */
  readonly sent: readonly number[];
}

export function faultyLog(real: CommitLog): FaultyLog {
  const faults: Fault[] = [];
  const sent: number[] = [];
  let late: (() => ReturnType<CommitLog['append']>)[] = [];
  const answers: (() => void)[] = [];
  let blindness = 0;
  const lost = (): Error => new Error('the network lost it');
  let blinding: Error | undefined;
  const append: CommitLog['append'] = async (appends, reads) => {
    sent.push(...appends.map(({ entry }: { readonly entry: EncodedEntry }) => entry.index));
    const fault = faults.shift();
    if (fault === undefined) return real.append(appends, reads);
    if (fault === 'twice') {
      await real.append(appends, reads);
      return await real.append(appends, reads);
    }
    if (fault === 'answerLost') await real.append(appends, reads);
    if (fault === 'answerLate') {
      const answer = await real.append(appends, reads);
      await new Promise<void>((resolve) => void answers.push(resolve));
      return answer;
    }
    if (fault === 'late') late.push(() => real.append(appends, reads));
    throw lost();
  };
  const log: CommitLog = {
    append,
    async head(stripe) {
      if (blindness-- > 0) throw blinding ?? lost();
      return real.head(stripe);
    },
    heads: (...args) => real.heads(...args),
    read: (...args) => real.read(...args),
    watch: (...args) => real.watch(...args),
    primary: (...args) => real.primary(...args),
    claim: (...args) => real.claim(...args),
    snapshot: (...args) => real.snapshot(...args),
    recordSnapshot: (...args) => real.recordSnapshot(...args),
    trim: (...args) => real.trim(...args),
  };
  return {
    log,
    next: (...wanted) => void faults.push(...wanted),
    blind(times, error) {
      blindness = times;
      blinding = error;
    },
    sent,
    async land() {
      for (const answer of answers.splice(0)) answer();
      const results = await Promise.all(late.map((one) => one()));
      late = [];
      return results.filter(({ kind }) => kind === 'appended').length;
    },
  };
}
