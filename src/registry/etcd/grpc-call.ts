/**
 * One gRPC call over an HTTP/2 session. Our own, for where few calls are made a library's chains of asynchronous iterables cost
 * nearly twice the processor time (docs/benchmarks.md), and an idle node does little else.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/time.ts';
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from './etcd-pb.ts';
import { frameOf, FrameReader, GrpcError, notGrpc, statusIn, statusOfReset } from './grpc-wire.ts';

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where calls are made. */
export interface Caller {
  readonly clock: Clock;
  /** Throws `GrpcError` when there is no session: nothing was sent then. */
  session(): ClientHttp2Session;
  /** Something came: the other side lives. */
  heard(): void;
  /** How many calls are under way has changed by this. */
  count(by: 1 | -1): void;
}

/** A call that goes both ways for as long as both like. */
export interface Talk<I extends DescMessage, O extends DescMessage> extends AsyncIterable<
  MessageShape<O>
> {
  say(message: MessageInitShape<I>): void;
}

/** Beyond this the other side waits until messages have been taken. */
const QUEUE_MAX = 64;

interface Hears {
  message(bytes: Uint8Array): void;
  /** Once. Without an error the status is "Ok". */
  over(error: GrpcError | undefined): void;
}

class Exchange {
  readonly stream: ClientHttp2Stream;
  readonly #caller: Caller;
  readonly #session: ClientHttp2Session;
  readonly #hears: Hears;
  readonly #reader = new FrameReader();
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Disposable | undefined;
  #status: GrpcError | 'Ok' | undefined;
  #broken: Error | undefined;
  #isOver = false;

  constructor(caller: Caller, method: DescMethod, options: CallOptions, hears: Hears) {
    const { timeoutMs, signal, headers } = options;
    this.#caller = caller;
    this.#hears = hears;
    this.#session = caller.session();
    this.stream = begin(this.#session, {
      ...headers,
      ':method': 'POST',
      ':path': `/${method.parent.typeName}/${method.name}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(timeoutMs === undefined ? {} : { 'grpc-timeout': `${timeoutMs}m` }),
    });
    caller.count(1);
    this.#listen();
    this.#signal = signal;
    signal?.addEventListener('abort', this.cancel, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = caller.clock.after(timeoutMs, () => this.#fail(late(timeoutMs)));
    }
    if (signal?.aborted === true) this.cancel();
  }

  readonly cancel = (): void => this.#fail(new GrpcError('Canceled', 'the call was given up'));

  #listen(): void {
    const { stream } = this;
    stream.on('response', (headers) => {
      this.#caller.heard();
      this.#status = notGrpc(headers) ?? statusIn(headers);
    });
    stream.on('trailers', (headers) => {
      this.#status ??= statusIn(headers);
    });
    stream.on('data', (chunk: Buffer) => {
      this.#caller.heard();
      try {
        for (const message of this.#reader.push(chunk)) this.#hears.message(message);
      } catch (error) {
        this.#fail(asGrpc(error));
      }
    });
    stream.on('error', (error) => (this.#broken = error));
    stream.on('end', () => {
      if (this.#status !== undefined) this.#end();
    });
    stream.on('close', () => this.#end());
  }

  #end(): void {
    this.#over(this.#outcome());
    // After the last word of the other side there is nothing more to say.
    if (!this.stream.writableEnded) this.stream.end();
  }

  #outcome(): GrpcError | undefined {
    if (this.#status instanceof GrpcError) return this.#status;
    if (this.#status === 'Ok') {
      const isWhole = this.#reader.isBetween;
      return isWhole ? undefined : new GrpcError('Internal', 'the last message was cut off');
    }
    if (this.#session.destroyed) {
      return new GrpcError('Unavailable', this.#broken?.message ?? 'the connection has ended');
    }
    return statusOfReset(this.stream.rstCode ?? constants.NGHTTP2_NO_ERROR);
  }

  #fail(error: GrpcError): void {
    if (this.#isOver) return;
    this.stream.close(constants.NGHTTP2_CANCEL);
    this.#over(error);
  }

  #over(error: GrpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#signal?.removeEventListener('abort', this.cancel);
    this.#caller.count(-1);
    this.#hears.over(error);
  }
}

/** Rejects with a `GrpcError`. */
export function askOnce<I extends DescMessage, O extends DescMessage>(
  caller: Caller,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: CallOptions = {},
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    let answer: MessageShape<O> | undefined;
    const { stream } = new Exchange(caller, method, options, {
      message: (bytes) => (answer = fromBinary(method.output, bytes)),
      over: (error) => {
        if (error !== undefined) reject(error);
        else if (answer === undefined) reject(new GrpcError('Internal', 'no message came'));
        else resolve(answer);
      },
    });
    stream.end(frameOf(toBinary(method.input, create(method.input, request))));
  });
}

/** What fails is thrown to whoever iterates; leaving the loop ends the call. */
export function talk<I extends DescMessage, O extends DescMessage>(
  caller: Caller,
  method: DescMethodBiDiStreaming<I, O>,
  options: CallOptions = {},
): Talk<I, O> {
  const queue: MessageShape<O>[] = [];
  let end: { readonly error: GrpcError | undefined } | undefined;
  let wake: (() => void) | undefined;
  const exchange = new Exchange(caller, method, options, {
    message: (bytes) => {
      queue.push(fromBinary(method.output, bytes));
      if (queue.length === QUEUE_MAX) exchange.stream.pause();
      wake?.();
    },
    over: (error) => {
      end = { error };
      wake?.();
    },
  });
  const { stream } = exchange;
  return {
    say(message) {
      if (stream.writableEnded || stream.destroyed) return;
      stream.write(frameOf(toBinary(method.input, create(method.input, message))));
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const message = queue.shift();
          if (message !== undefined) {
            yield message;
            if (queue.length === 0 && stream.isPaused()) stream.resume();
          } else if (end !== undefined) {
            if (end.error !== undefined) throw end.error;
            return;
          } else {
            await new Promise<void>((resolve) => (wake = resolve));
          }
        }
      } finally {
        exchange.cancel();
      }
    },
  };
}

/** That no answer came in time. */
export function late(timeoutMs: number): GrpcError {
  return new GrpcError('DeadlineExceeded', `no answer within ${timeoutMs} ms`);
}

function begin(session: ClientHttp2Session, headers: OutgoingHttpHeaders): ClientHttp2Stream {
  try {
    return session.request(headers);
  } catch (error) {
    // It is about to end, or has no number left for another stream.
    throw new GrpcError('Unavailable', messageOf(error));
  }
}

function asGrpc(error: unknown): GrpcError {
  return error instanceof GrpcError ? error : new GrpcError('Internal', messageOf(error));
}
