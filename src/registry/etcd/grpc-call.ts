/**
 * One gRPC call over a connection. Our own, for where few calls are made a library's chains of asynchronous iterables cost
 * nearly twice the processor time (docs/benchmarks.md), and an idle node does little else.
 */
import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/time.ts';
import { type AnswerStream, type AnswerTaker, ERROR, Field } from '../../http2/http2.ts';
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
import type { Link } from './link.ts';

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where calls are made. */
export interface Caller {
  readonly clock: Clock;
  /** Throws `GrpcError` when there is none that is open: nothing was sent then. */
  link(): Link;
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

class Exchange implements AnswerTaker {
  readonly #link: Link;
  readonly #stream: AnswerStream;
  readonly #caller: Caller;
  readonly #hears: Hears;
  readonly #reader = new FrameReader();
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Disposable | undefined;
  #status: GrpcError | 'Ok' | undefined;
  /** Bytes that came while it was paused; undefined: it is not. */
  #held: number | undefined;
  #isOver = false;

  constructor(caller: Caller, method: DescMethod, options: CallOptions, hears: Hears) {
    const { timeoutMs, signal, headers } = options;
    this.#caller = caller;
    this.#hears = hears;
    this.#link = caller.link();
    const fields = Object.entries(headers ?? {}).map(([name, value]) => new Field(name, value));
    if (timeoutMs !== undefined) fields.push(new Field('grpc-timeout', `${timeoutMs}m`));
    this.#stream = this.#link.ask(pathOf(method), fields, this);
    caller.count(1);
    this.#signal = signal;
    signal?.addEventListener('abort', this.cancel, { once: true });
    if (timeoutMs !== undefined) {
      this.#timer = caller.clock.after(timeoutMs, () => this.#fail(late(timeoutMs)));
    }
    if (signal?.aborted === true) this.cancel();
  }

  readonly cancel = (): void => this.#fail(new GrpcError('Canceled', 'the call was given up'));

  say(message: Uint8Array, isLast: boolean): void {
    if (!this.#isOver) this.#link.data(this.#stream, frameOf(message), isLast);
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  /** The other side may send as much as the window has, and no more. */
  pause(): void {
    this.#held ??= 0;
  }

  resume(): void {
    const held = this.#held ?? 0;
    this.#held = undefined;
    this.#link.consumed(this.#stream, held);
  }

  // AnswerTaker ---------------------------------------------------------------------------------------------

  head(fields: readonly Field[], isWhole: boolean): void {
    this.#status = notGrpc(fields) ?? statusIn(fields);
    if (isWhole) this.#end();
  }

  data(bytes: Buffer, from: number, to: number): void {
    try {
      for (const message of this.#reader.push(bytes.subarray(from, to)))
        this.#hears.message(message);
    } catch (error) {
      this.#fail(asGrpc(error));
      return;
    }
    if (this.#held === undefined) this.#link.consumed(this.#stream, to - from);
    else this.#held += to - from;
  }

  ended(trailers: readonly Field[] | undefined): void {
    if (trailers !== undefined) this.#status ??= statusIn(trailers);
    this.#end();
  }

  closed(): void {
    this.#over(this.#outcome());
  }

  drained(): void {}

  sent(): void {}

  finished(): void {}

  #end(): void {
    this.#over(this.#outcome());
    // After the last word of the other side there is nothing more to say.
    this.#link.end(this.#stream);
  }

  #outcome(): GrpcError | undefined {
    if (this.#status instanceof GrpcError) return this.#status;
    if (this.#status === 'Ok') {
      const isWhole = this.#reader.isBetween;
      return isWhole ? undefined : new GrpcError('Internal', 'the last message was cut off');
    }
    const { isClosed, resetCode } = this.#stream;
    if (isClosed && resetCode === undefined) return new GrpcError('Unavailable', this.#link.why);
    return statusOfReset(resetCode ?? ERROR.none);
  }

  #fail(error: GrpcError): void {
    if (this.#isOver) return;
    this.#over(error);
    this.#link.reset(this.#stream, ERROR.cancel);
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
  const message = toBinary(method.input, create(method.input, request));
  return askBytes(caller, method, message, (bytes) => fromBinary(method.output, bytes), options);
}

/** The same for whoever has the message as bytes, and reads the answer himself. */
export function askBytes<T>(
  caller: Caller,
  method: DescMethodUnary,
  request: Uint8Array,
  read: (bytes: Uint8Array) => T,
  options: CallOptions,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let answer: { readonly read: T } | undefined;
    const exchange = new Exchange(caller, method, options, {
      message: (bytes) => (answer = { read: read(bytes) }),
      over: (error) => {
        if (error !== undefined) reject(error);
        else if (answer === undefined) reject(new GrpcError('Internal', 'no message came'));
        else resolve(answer.read);
      },
    });
    exchange.say(request, true);
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
      if (queue.length === QUEUE_MAX) exchange.pause();
      wake?.();
    },
    over: (error) => {
      end = { error };
      wake?.();
    },
  });
  return {
    say(message) {
      exchange.say(toBinary(method.input, create(method.input, message)), false);
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const message = queue.shift();
          if (message !== undefined) {
            yield message;
            if (queue.length === 0 && exchange.isPaused) exchange.resume();
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

const PATHS = new Map<DescMethod, Field>();

function pathOf(method: DescMethod): Field {
  const known = PATHS.get(method);
  if (known !== undefined) return known;
  const path = new Field(':path', `/${method.parent.typeName}/${method.name}`);
  PATHS.set(method, path);
  return path;
}

function asGrpc(error: unknown): GrpcError {
  return error instanceof GrpcError ? error : new GrpcError('Internal', messageOf(error));
}
