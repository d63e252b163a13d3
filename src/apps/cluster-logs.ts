/**
 * The logs of an app from all nodes as one stream: what each node has, put together by time, and then what follows, also of
 * nodes that join or come back meanwhile.
 */
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Peers } from '../cluster/cluster.ts';
import { decodeLines } from '../net/net.ts';
import type { LogLine, LogReader, LogRequest, PlacedLine } from './log-reader.ts';
import { MergedLines } from './merged-lines.ts';

export interface ClusterLogsOptions {
  readonly local: LogReader;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Until a node that gives no logs is asked again. */
const ASK_AGAIN_MS = 1000;

/** A node that does not answer is left out, and named in the log; while the logs are followed it is asked again. */
export async function* clusterLogs(
  options: ClusterLogsOptions,
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const stop = new AbortController();
  const until = AbortSignal.any([signal, stop.signal]);
  try {
    const lines = request.follow
      ? followed(options, request, until)
      : newest(options, request, until);
    for await (const { at, instance, process, text } of lines) {
      yield { at, instance, process, text };
    }
  } finally {
    stop.abort(new Error('Nobody reads any more'));
  }
}

/** All of the past, by time, the newest `tail` of it. */
async function* newest(
  { local, peers, log }: ClusterLogsOptions,
  request: LogRequest,
  until: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const others = peers.all().filter(({ id, state }) => id !== peers.self && state !== 'lost');
  const far = async function* (node: string): AsyncGenerator<LogLine, void, undefined> {
    try {
      const stream = await peers.open(node, 'apps.logs', request, { signal: until });
      for await (const line of decodeLines(stream)) yield line as LogLine;
    } catch (error) {
      if (!until.aborted) log.info('A node gives no logs', { node, reason: messageOf(error) });
    }
  };
  const sources = [local.read(request, until), ...others.map(({ id }) => far(id))];
  const all = (await Promise.all(sources.map(collected))).flat();
  yield* all.toSorted((a, b) => a.at - b.at).slice(Math.max(0, all.length - request.tail));
}

async function collected(source: AsyncIterable<LogLine>): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of source) lines.push(line);
  return lines;
}

/** Whatever comes first, from every node that there is or will be. */
async function* followed(
  options: ClusterLogsOptions,
  request: LogRequest,
  until: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const { local, peers, clock } = options;
  const lines = new MergedLines<LogLine>();
  const since = clock.now();
  const known = new Set([peers.self]);
  const look = (isFirst: boolean): void => {
    for (const { id, state } of peers.all()) {
      if (known.has(id)) continue;
      known.add(id);
      const wasThere = isFirst && state !== 'lost';
      const left = (): void => void known.delete(id);
      lines.add(farLines({ ...options, node: id, wasThere, since, left }, request, until));
    }
  };
  lines.add(local.read(request, until));
  using _change = peers.onChange(() => look(false));
  look(true);
  yield* lines.read();
}

/** What one node has, from one connection to it after the other, until it is no member any more. */
async function* farLines(
  options: ClusterLogsOptions & {
    readonly node: string;
    /** When the request began, which was at `since`. */
    readonly wasThere: boolean;
    readonly since: number;
    readonly left: () => void;
  },
  request: LogRequest,
  until: AbortSignal,
): AsyncGenerator<LogLine, void, undefined> {
  const { peers, clock, log, node, since } = options;
  const ends: Record<string, number> = {};
  let isResumed = !options.wasThere;
  for (;;) {
    const peer = peers.get(node);
    if (peer === undefined) return options.left();
    const wanted = isResumed ? { ...request, resume: { ends, since } } : request;
    try {
      if (peer.state !== 'lost') {
        const stream = await peers.open(node, 'apps.logs', wanted, { signal: until });
        isResumed = true;
        for await (const line of decodeLines(stream)) {
          const placed = line as PlacedLine;
          ends[placed.instance] = placed.end;
          yield placed;
        }
      }
    } catch (error) {
      if (!until.aborted) log.info('A node gives no logs', { node, reason: messageOf(error) });
    }
    if (until.aborted) return;
    // It ends early when nobody reads any more.
    await clock.sleep(ASK_AGAIN_MS, until).catch(() => undefined);
    if (until.aborted) return;
  }
}
