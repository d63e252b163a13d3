/**
 * Commands on another node, both ends of the wire: `apps.run`, whose bytes are the standard input one way and a line for
 * each piece of output the other way, back-pressure of HTTP/2 in both. A caller that goes ends the command; a stream that
 * ends without `exit` says that the other node went away. Which node it is to be is for `commands.ts`.
 */
import type { Duplex, Readable } from 'node:stream';
import { type ErrorBody, isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { array, boolean, object, optional, string } from '../base/schema.ts';
import type { NodeMethods, PeerNode, Peers } from '../cluster/cluster.ts';
import { decodeLines, encodeLine } from '../net/net.ts';
import type { RunOutput } from './command-stream.ts';
import { APP_NAME, APP_NAME_MEANS } from './model.ts';
import type { RunRequest } from './one-off.ts';
import { commandLost, commandsBusy, nodeAway } from './run-errors.ts';
import { FAR_COMMANDS_MAX } from './run-limits.ts';

const METHOD = 'apps.run';

type FarItem = RunOutput | { readonly kind: 'failed'; readonly error: ErrorBody };

/** A command that can run here and has not begun. */
export type ReadyCommand = (
  stdin: Readable | undefined,
  signal: AbortSignal,
) => AsyncIterable<RunOutput>;

export type CommandWish = Omit<RunRequest, 'stdin'>;

const wishSchema = object({
  app: string({ pattern: APP_NAME, patternMeans: APP_NAME_MEANS }),
  command: array(string()),
  instance: optional(string()),
  hasStdin: boolean(),
});

/** Throws `APPS_NODE_AWAY` when nothing has begun, `APPS_COMMAND_LOST` when it may have, and what the other node throws. */
export async function* runFar(
  { peers, log }: { readonly peers: Peers; readonly log: Logger },
  node: PeerNode,
  { stdin, ...wish }: RunRequest,
  signal: AbortSignal,
): AsyncGenerator<RunOutput, void, undefined> {
  using present = whilePresent(peers, node.id, signal);
  signal.throwIfAborted();
  if (present.signal.aborted) throw nodeAway(node.name);
  const params = { ...wish, hasStdin: stdin !== undefined };
  const stream = await opened(peers, node, params, present.signal).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  let reason = 'it ended without an exit';
  try {
    if (stdin === undefined) stream.end();
    else feed(stream, stdin);
    for await (const item of itemsOf(stream, (error) => (reason = messageOf(error)))) {
      if (item.kind === 'failed') throw MolnError.from(item.error);
      yield item;
      if (item.kind === 'exit') return;
    }
  } finally {
    stdin?.unpipe(stream);
    stream.destroy();
  }
  signal.throwIfAborted();
  log.info('A command lost its node', { app: wish.app, node: node.name, reason });
  throw commandLost(node.name);
}

/** What this node answers to `runFar` of others. `prepare` refuses before anything has begun. */
export function farCommands(options: {
  readonly prepare: (wish: CommandWish) => Promise<ReadyCommand>;
  readonly peers: Peers;
  readonly log: Logger;
}): NodeMethods['streams'] {
  const { prepare, peers, log } = options;
  const underWay = new Map<string, number>();
  const count = (node: string, change: number): number => {
    const now = (underWay.get(node) ?? 0) + change;
    if (now === 0) underWay.delete(node);
    else underWay.set(node, now);
    return now;
  };
  return {
    [METHOD]: async (params, { peer, signal }) => {
      const { hasStdin, ...wish } = wishSchema.decode(params, '');
      const run = await prepare({ ...wish, instance: wish.instance });
      if ((underWay.get(peer.id) ?? 0) >= FAR_COMMANDS_MAX) throw commandsBusy(FAR_COMMANDS_MAX);
      return async (stream) => {
        count(peer.id, 1);
        using present = whilePresent(peers, peer.id, signal);
        if (!hasStdin) stream.resume();
        try {
          const output = run(hasStdin ? stream : undefined, present.signal);
          // To its end also when nobody listens any more: it has a while to stop in order.
          for await (const item of output) await send(stream, item);
        } catch (error) {
          await send(stream, { kind: 'failed', error: failureOf(error, log) });
        } finally {
          count(peer.id, -1);
        }
      };
    },
  };
}

/** The connection to a machine that vanished says nothing for long; presence knows sooner. */
function whilePresent(
  peers: Peers,
  node: string,
  signal: AbortSignal,
): Disposable & { readonly signal: AbortSignal } {
  const gone = new AbortController();
  const look = (): void => {
    const peer = peers.get(node);
    if (peer === undefined || peer.state === 'lost') gone.abort(new Error('The node is lost'));
  };
  look();
  const watch = peers.onChange(look);
  return {
    signal: AbortSignal.any([signal, gone.signal]),
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

async function opened(
  peers: Peers,
  { id, name }: PeerNode,
  params: unknown,
  signal: AbortSignal,
): Promise<Duplex> {
  try {
    return await peers.open(id, METHOD, params, { signal });
  } catch (error) {
    if (isMolnError(error, 'NET_RPC_UNREACHABLE')) throw nodeAway(name, error);
    // These leave open whether it has begun.
    if (signal.aborted || isMolnError(error, 'NET_RPC_BROKEN')) throw commandLost(name, error);
    if (isMolnError(error, 'NET_RPC_DEADLINE')) throw commandLost(name, error);
    throw error;
  }
}

async function* itemsOf(
  stream: Duplex,
  broke: (error: unknown) => void,
): AsyncGenerator<FarItem, void, undefined> {
  try {
    for await (const line of decodeLines(stream)) yield line as FarItem;
  } catch (error) {
    // No more items: that there was no exit says it all.
    broke(error);
  }
}

function feed(stream: Duplex, stdin: Readable): void {
  stdin.once('error', () => stream.end());
  stdin.pipe(stream);
}

async function send(stream: Duplex, item: FarItem): Promise<void> {
  if (stream.destroyed || stream.write(encodeLine(item))) return;
  await drainOf(stream);
}

/** Resolves when the stream takes more, or nothing any more. */
export function drainOf(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
    if (stream.closed) done();
  });
}

/** Only expected failures are for other nodes. */
function failureOf(error: unknown, log: Logger): ErrorBody {
  if (isMolnError(error)) return error.toJSON();
  log.error('A command of another node failed', { error });
  return new MolnError('APPS_FAILED', `The node could not run it: ${messageOf(error)}`).toJSON();
}
