/** The logs of an app from all nodes as one stream: what each node has, put together by time. */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Peers } from '../cluster/cluster.ts';
import { decodeLines } from '../net/net.ts';
import type { LogLine, LogReader, LogRequest } from './log-reader.ts';

export interface ClusterLogsOptions {
  readonly local: LogReader;
  readonly peers: Peers;
  readonly log: Logger;
}

type Lines = AsyncIterator<LogLine, unknown>;

/** A node that does not answer is left out, and named in the log. */
export async function* clusterLogs(
  { local, peers, log }: ClusterLogsOptions,
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const others = peers.all().filter(({ id, state }) => id !== peers.self && state !== 'lost');
  if (others.length === 0) {
    yield* local.read(request, signal);
    return;
  }
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  const far = async function* (node: string): AsyncGenerator<LogLine, void, undefined> {
    try {
      const stream = await peers.open(node, 'apps.logs', request, { signal: until });
      for await (const line of decodeLines(stream)) yield line as LogLine;
    } catch (error) {
      if (!until.aborted) log.info('A node gives no logs', { node, reason: messageOf(error) });
    }
  };
  const sources = [local.read(request, until), ...others.map(({ id }) => far(id))];
  try {
    if (request.follow) yield* merged(sources.map((source) => source[Symbol.asyncIterator]()));
    else yield* newest(sources, request.tail);
  } finally {
    stop.abort(new Error('Nobody reads any more'));
  }
}

/** All of the past, by time, the newest `tail` of it. */
async function* newest(
  sources: readonly AsyncIterable<LogLine>[],
  tail: number,
): AsyncGenerator<LogLine, void, undefined> {
  const all = (await Promise.all(sources.map(collected))).flat();
  yield* all.toSorted((a, b) => a.at - b.at).slice(Math.max(0, all.length - tail));
}

async function collected(source: AsyncIterable<LogLine>): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of source) lines.push(line);
  return lines;
}

/** Whatever comes first. */
async function* merged(sources: readonly Lines[]): AsyncGenerator<LogLine, void, undefined> {
  const next = async (
    source: Lines,
  ): Promise<{ readonly source: Lines; readonly result: IteratorResult<LogLine, unknown> }> => ({
    source,
    result: await source.next(),
  });
  const waiting = new Map(sources.map((source) => [source, next(source)]));
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values());
    if (result.done === true) {
      waiting.delete(source);
      continue;
    }
    yield result.value;
    waiting.set(source, next(source));
  }
}
