/**
 * A watch that outlives its connections: after a cut it goes on at another member behind the last commit that was
 * handed over, without a gap or a repetition.
 */
import { isMolnError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Clock } from '../../base/time.ts';
import type { Revision, WatchBatch } from '../contract.ts';
import { compacted } from '../errors.ts';
import { type Connection, failureOf } from './connection.ts';
import type { Endpoints } from './endpoints.ts';
import { isUnknown, refused } from './failures.ts';
import type { Root } from './translate.ts';
import { WatchJoiner } from './watch-joiner.ts';

/** Says that watches were cut: once, and then now and then, for without a leader all of them are cut every two seconds. */
export class CutLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #saidAtMs = -Infinity;

  constructor(options: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  tell(fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidAtMs < SAY_EVERY_MS) return;
    this.#saidAtMs = nowMs;
    this.#log.info('A watch was cut and goes on at another manager', fields);
  }
}

export interface WatchOptions {
  readonly endpoints: Endpoints;
  readonly root: Root;
  readonly prefix: string;
  readonly from: Revision;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Of all watches of the registry. */
  readonly cuts: CutLog;
}

const SAY_EVERY_MS = 60_000;
const PAUSE_FIRST_MS = 20;
const PAUSE_MS_MAX = 2000;
/** A member that is cut off from the others has to say so, else its watches would stay silent. */
const HEADERS = { hasleader: 'true' } as const;

/** Ends without an error when the signal aborts. Throws `REGISTRY_COMPACTED`, or what etcd refuses for good. */
export async function* watchForEver(
  options: WatchOptions,
): AsyncGenerator<WatchBatch, void, undefined> {
  const { endpoints, root, signal, clock, log, cuts } = options;
  // One from before the move to this etcd: what came since is not known here.
  const first = root.revisions.base + 1;
  if (options.from < first) throw compacted(options.from, first);
  const joiner = new WatchJoiner(options.from, root);
  let pauseMs = PAUSE_FIRST_MS;
  while (!signal.aborted) {
    let connection: Connection | undefined;
    try {
      connection = await endpoints.connected('watches');
      for await (const batch of watchOnce(connection, joiner, options)) {
        pauseMs = PAUSE_FIRST_MS;
        yield batch;
        if (signal.aborted) return;
      }
      throw new Error('etcd ended the watch');
    } catch (error) {
      if (signal.aborted) return;
      checkTemporary(error);
      const fields = { prefix: options.prefix, next: joiner.next, reason: messageOf(error) };
      if (connection === undefined) log.debug('A watch finds no manager yet', fields);
      else cuts.tell(fields);
      if (connection !== undefined) endpoints.rotate('watches', connection);
    }
    await pause(clock, pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
  }
}

async function* watchOnce(
  connection: Connection,
  joiner: WatchJoiner,
  { root, prefix, signal }: WatchOptions,
): AsyncGenerator<WatchBatch, void, undefined> {
  joiner.restart();
  const range = {
    ...root.rangeOf(prefix),
    startRevision: root.revisions.theirs(joiner.next),
    fragment: true,
  };
  const responses = connection.watch.watch({ signal, headers: HEADERS });
  responses.say({ requestUnion: { case: 'createRequest', value: range } });
  for await (const response of responses) {
    if (response.canceled) {
      const { compactRevision, cancelReason } = response;
      if (compactRevision > 0n) {
        throw compacted(joiner.next, root.revisions.ours(compactRevision) + 1);
      }
      throw new Error(`etcd ended the watch: ${cancelReason}`);
    }
    yield* joiner.add(response);
  }
}

/** Throws what another attempt cannot mend. */
function checkTemporary(error: unknown): void {
  if (isMolnError(error) && error.code !== 'REGISTRY_UNAVAILABLE') throw error;
  const failure = failureOf(error);
  if (!isMolnError(error) && !isUnknown(failure)) throw refused(failure);
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
