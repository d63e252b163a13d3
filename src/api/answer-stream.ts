/**
 * Answers with a stream of NDJSON: items as they come, heartbeats between them, back-pressure to the source,
 * and a last line that tells of a failure that came too late for a status.
 */
import type { ServerResponse } from 'node:http';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { encodeLine } from '../net/net.ts';
import { answerOfError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { FIRST_ITEM_GRACE_MS, HEARTBEAT_MS, PROGRESS_STALL_MS } from './limits.ts';
import type { AnswerKind } from './operation.ts';

export interface StreamContext {
  readonly kind: Extract<AnswerKind, { readonly kind: 'ndjson' }>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted when the client left or the server closes. */
  readonly signal: AbortSignal;
}

/**
 * Sends all items. Throws what the source throws before its first item, while a status can still be chosen;
 * a source that takes its time gets its head sent after a short grace. Resolves when the source has ended.
 */
export async function sendStream(
  exchange: Exchange,
  items: AsyncIterable<unknown>,
  context: StreamContext,
): Promise<void> {
  const { clock, log, kind, signal } = context;
  const { response } = exchange;
  const iterator = items[Symbol.asyncIterator]();
  const first = iterator.next();
  await settledOrGrace(first, clock);
  exchange.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-accel-buffering': 'no' });
  response.flushHeaders();
  using _heartbeat = clock.every(HEARTBEAT_MS, () => {
    if (response.writable && !response.writableNeedDrain) response.write('\n');
  });
  const stop = kind.whenClientLeaves === 'abort' ? signal : undefined;
  try {
    for (let step = await unlessAborted(first, stop); step?.done === false;) {
      await write(response, encodeLine(step.value), context);
      step = await unlessAborted(iterator.next(), stop);
    }
  } catch (error) {
    // A source that was told to stop may say so by throwing: nobody is left to hear it.
    if (stop?.aborted === true) log.debug('Stream ended by its client', { error });
    else await write(response, encodeLine(lateFailure(error, context)), context);
  } finally {
    if (stop?.aborted === true) abandon(iterator, log);
    response.end();
  }
}

/** Throws when `first` fails within the grace; an item, an end or no word yet all let the head go out. */
async function settledOrGrace(first: Promise<unknown>, clock: Clock): Promise<void> {
  const grace = Promise.withResolvers<void>();
  using _timer = clock.after(FIRST_ITEM_GRACE_MS, grace.resolve);
  await Promise.race([first, grace.promise]);
}

/** What the promise says, or undefined at once when the signal aborts, also of a source that does not listen. */
function unlessAborted<T>(
  step: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  if (signal === undefined) return step;
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
  const stop = (): void => resolve(undefined);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  step.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  return promise;
}

/** Lets the source clean up, without waiting: it may be in the middle of something. */
function abandon(iterator: AsyncIterator<unknown>, log: Logger): void {
  iterator.return?.().catch((error: unknown) => {
    log.debug('Stream did not end cleanly', { error });
  });
}

/** Waits until the client took the line, or left; one that holds up work for too long is made to leave. */
async function write(
  response: ServerResponse,
  line: string,
  { kind, clock }: StreamContext,
): Promise<void> {
  if (!response.writable || response.write(line)) return;
  using _patience =
    kind.lateFailure === 'progress'
      ? clock.after(PROGRESS_STALL_MS, () => response.destroy())
      : undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once('drain', resolve).once('close', resolve);
  if (response.destroyed) resolve();
  await promise;
  response.off('drain', resolve).off('close', resolve);
}

function lateFailure(error: unknown, { kind, log }: StreamContext): unknown {
  const { body } = answerOfError(error, log);
  return kind.lateFailure === 'progress'
    ? { kind: 'failed', error: body, logTail: [] }
    : { error: body };
}
