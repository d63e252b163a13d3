/**
 * A connection to the API over which statements come, as nearly all do: whole requests for `/db/NAME/…/pipeline`. Their bytes go to the database process as they are, over a
 * connection of its own, and the answers come back; who asks is checked there. The first request that is anything else goes to the API's own server, and the
 * connection with it.
 */
import { connect, type Socket } from 'node:net';
import { FIELD } from '../http/field-names.ts';
import { BODY, ResponseFraming } from '../http/framing.ts';
import { ResponseHead } from '../http/head.ts';
import { isHttpError } from '../http/http-error.ts';
import { RESPONSE_HEAD_LIMITS } from '../http/limits.ts';
import { WholeRequest } from '../http/whole-request.ts';
import { QUICK_REQUEST_BYTES_MAX } from '../hrana/hrana.ts';
import { DirectWriter, RequestConnection, takeReads } from '../net/net.ts';
import { AWAY_BODY, LOST_BODY } from './errors.ts';
import { isQuickTarget } from './quick-target.ts';

export interface ApiConnectionOptions {
  readonly socket: Socket;
  /** Of the database process, where whoever comes shows a token. */
  readonly process: string;
  /** Whether this node answers to a Host field. */
  readonly isMeant: (host: string | undefined) => boolean;
  /** Takes the socket over; what was read of it is put back. Whoever does so lets it go on. */
  readonly handOver: (socket: Socket) => void;
  /** It is not this one's any more: closed, or handed over. */
  readonly onGone: () => void;
}

const wholeRequest = new WholeRequest(QUICK_REQUEST_BYTES_MAX);

export class ApiConnection {
  readonly #options: ApiConnectionOptions;
  readonly #connection: RequestConnection<WholeRequest>;
  #process: ProcessConnection | undefined;
  #quietSweeps = 0;
  readonly #onDrain = (): void => {
    this.#quietSweeps = 0;
    this.#process?.resume();
  };

  constructor(options: ApiConnectionOptions) {
    this.#options = options;
    const { socket } = options;
    this.#connection = new RequestConnection({
      socket,
      request: wholeRequest,
      take: (request, bytes) => this.#take(request, bytes),
      handOver: options.handOver,
      onGone: () => {
        socket.off('drain', this.#onDrain);
        this.#letGo();
        options.onGone();
      },
    });
  }

  start(): void {
    this.#options.socket.on('drain', this.#onDrain);
    this.#connection.start();
  }

  /**
   * To be called at equal times: what was quiet meanwhile is let go of, first the process, then the client. Who is slow with a request goes to the API's own
   * server, which has times for that; who does not take an answer is cut.
   */
  sweep(): void {
    const isStalled = this.#connection.writer.blocked;
    if (this.#connection.isBusy && !isStalled) return;
    if (this.#connection.isWaiting) {
      this.#connection.handOver();
      return;
    }
    this.#quietSweeps++;
    if (this.#quietSweeps > 1) {
      if (isStalled) this.#options.socket.destroy();
      this.#letGo();
    }
    if (this.#quietSweeps > QUIET_SWEEPS_MAX) this.#connection.end();
  }

  /** Now, or when its request is answered. */
  end(): void {
    this.#connection.end();
  }

  /** False when it is for the API's own server. */
  #take(request: WholeRequest, bytes: Buffer): boolean {
    const { head, end } = request;
    if (!isQuickTarget(head.target) || !this.#options.isMeant(head.value(FIELD.host))) return false;
    this.#quietSweeps = 0;
    this.#process ??= this.#connect();
    this.#process.ask(Buffer.from(bytes.subarray(0, end)));
    return true;
  }

  #connect(): ProcessConnection {
    const client = this.#connection;
    const connection: ProcessConnection = new ProcessConnection(this.#options.process, {
      onBytes: (buffer, size) => {
        client.writer.write(Buffer.from(buffer.subarray(0, size)), () => undefined);
        if (client.writer.blocked) connection.pause();
      },
      onAnswered: () => {
        this.#quietSweeps = 0;
        client.answered();
      },
      onLost: (when) => {
        // One that was let go of says nothing of the request that went over the next.
        if (this.#process !== connection) return;
        this.#process = undefined;
        if (client.isOver || !client.isBusy) return;
        if (when === 'answering') this.#options.socket.destroy();
        else {
          client.writer.write(when === 'connecting' ? AWAY : LOST, () => undefined);
          this.#options.socket.destroySoon();
        }
      },
    });
    return connection;
  }

  #letGo(): void {
    this.#process?.close();
    this.#process = undefined;
  }
}

const AWAY: Buffer = refusal('503 Service Unavailable', 'retry-after: 1\r\n', AWAY_BODY);
const LOST: Buffer = refusal('502 Bad Gateway', '', LOST_BODY);
/** With sweeps every 30 s a client may pause for as long as the database process tells it. */
const QUIET_SWEEPS_MAX = 3;

interface ProcessEvents {
  /** Of an answer; valid during the call. */
  readonly onBytes: (buffer: Buffer, size: number) => void;
  /** An answer is out as a whole. */
  readonly onAnswered: () => void;
  /** `connecting`: nothing has got there; `answering`: a part of an answer is out. */
  readonly onLost: (when: 'connecting' | 'connected' | 'answering') => void;
}

function refusal(status: string, fields: string, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${fields}connection: close\r\n\r\n${body}`,
  );
}

const NOTHING: Buffer = Buffer.alloc(0);

/** To the database process, for one client: one request at a time. */
class ProcessConnection {
  readonly #socket: Socket;
  readonly #writer: DirectWriter;
  readonly #events: ProcessEvents;
  readonly #head = new ResponseHead(RESPONSE_HEAD_LIMITS);
  readonly #framing = new ResponseFraming();
  /** Of a head that is not all there. */
  #held = NOTHING;
  /** Of the answer's body; undefined while its head is awaited. */
  #left: number | undefined;
  #hasConnected = false;

  constructor(path: string, events: ProcessEvents) {
    this.#events = events;
    this.#socket = connect({ path });
    this.#writer = new DirectWriter(this.#socket);
    // "close" follows.
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      if (this.#left !== undefined) events.onLost('answering');
      else events.onLost(this.#hasConnected ? 'connected' : 'connecting');
    });
    this.#socket.once('connect', () => {
      this.#hasConnected = true;
      takeReads(this.#socket, (buffer, size) => this.#take(buffer, size));
    });
  }

  ask(bytes: Buffer): void {
    this.#writer.write(bytes, () => undefined);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Whatever is under way there is stopped. */
  close(): void {
    this.#socket.destroy();
  }

  #take(buffer: Buffer, size: number): void {
    if (this.#left === undefined) {
      const bytes =
        this.#held.length === 0
          ? buffer.subarray(0, size)
          : Buffer.concat([this.#held, buffer.subarray(0, size)]);
      this.#held = NOTHING;
      if (!this.#isHead(bytes)) return;
      this.#pass(bytes, bytes.length);
    } else this.#pass(buffer, size);
  }

  /** The process answers with a length, always; anything else is not it. */
  #isHead(bytes: Buffer): boolean {
    this.#head.reset(0);
    try {
      if (!this.#head.scan(bytes, bytes.length)) {
        this.#held = Buffer.from(bytes);
        return false;
      }
      this.#framing.read(this.#head, false);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      this.#socket.destroy();
      return false;
    }
    if (this.#framing.kind === BODY.length) {
      this.#left = this.#head.end + this.#framing.length;
      return true;
    }
    this.#socket.destroy();
    return false;
  }

  #pass(buffer: Buffer, size: number): void {
    this.#left = (this.#left ?? 0) - size;
    this.#events.onBytes(buffer, size);
    if (this.#left > 0) return;
    this.#left = undefined;
    this.#events.onAnswered();
  }
}
