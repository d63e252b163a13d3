/**
 * Where other gateway processes ask this one about keys that it owns, and tell it of rate limits: a unix socket, which processes of other nodes reach over the
 * door of this node. Clients cannot: on their ports what makes a question is a field like any other.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { HeadFields } from '../cache/cache.ts';
import type { RequestHead } from '../http/head.ts';
import { statusLine } from '../http/status.ts';
import type { CacheRoom } from './cache-room.ts';
import { forwardedLines } from './client-fragment.ts';
import { ClientRequest } from './client-request.ts';
import type { ClientSocket } from './client-socket.ts';
import { Connection } from './connection.ts';
import type { Plane } from './plane.ts';
import type { ObeyedPurges } from './purge-orders.ts';
import {
  KEY_FIELD,
  type Question,
  QUESTION_FIELD,
  readQuestion,
  REMOVE_METHOD,
} from './question.ts';
import { QuestionExchange, refuseQuestion } from './question-exchange.ts';
import { answersLine, RATE_FIELD, RATE_METHOD, readReports } from './rate-question.ts';
import type { ConnectionOwner } from './responder.ts';
import type { Route } from './route-table.ts';
import { viaLine } from './via.ts';

/** For connections that the kernel keeps until this process has time. */
const BACKLOG = 1024;
/** Says that the question is taken; the answer may be long in coming. */
const ACCEPTED = 'HTTP/1.1 102 Processing\r\n\r\n';

export interface QuestionDoorOptions {
  readonly plane: Plane;
  readonly room: () => CacheRoom | undefined;
  readonly purges: ObeyedPurges;
}

export class QuestionDoor {
  readonly #options: QuestionDoorOptions;
  readonly #connections = new Set<QuestionConnection>();
  #server: Server | undefined;

  constructor(options: QuestionDoorOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#server !== undefined;
  }

  /** Connections of other processes, idle ones too. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Takes the place of whoever had the path before. Throws what the system says. */
  async open(path: string): Promise<void> {
    await rm(path, { force: true });
    const options = { allowHalfOpen: true, pauseOnConnect: true };
    const server = createServer(options, (socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path, backlog: BACKLOG }, resolve);
    });
    server.on('error', (error) => {
      this.#options.plane.log.warn('The socket for questions about the cache failed', { error });
    });
    this.#server = server;
    await chmod(path, 0o600);
  }

  /** No new connections; questions under way are answered. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
    for (const connection of this.#connections) connection.drain();
  }

  sweep(horizonMs: number): void {
    for (const connection of this.#connections) connection.sweep(horizonMs);
  }

  /** Breaks what is left. */
  destroy(): void {
    this.stop();
    for (const connection of this.#connections) connection.socket.destroy();
  }

  #accept(socket: Socket): void {
    const owner = new QuestionOwner(this.#options.plane, {
      answer: (head, route) => this.#answer(head, route, connection),
      closed: () => this.#connections.delete(connection),
    });
    const connection: QuestionConnection = new QuestionConnection(socket, owner);
    this.#connections.add(connection);
    connection.start();
  }

  #answer(head: RequestHead, route: Route, connection: QuestionConnection): void {
    const { plane, purges } = this.#options;
    const room = this.#options.room();
    const fields = new HeadFields(head);
    const question = readQuestion(fields.get(QUESTION_FIELD));
    if (connection.request.method === REMOVE_METHOD) {
      const key = fields.get(KEY_FIELD);
      if (key !== undefined) room?.cache.remove([key]);
      connection.answerBodyless(204, `${statusLine(204)}\r\n`);
      return;
    }
    if (connection.request.method === RATE_METHOD) {
      this.#settleRate(fields.get(RATE_FIELD), route, connection);
      return;
    }
    const isKnown =
      question !== undefined &&
      room !== undefined &&
      route.config.cache !== undefined &&
      room.settingsFor(route).space === question.space;
    // What the asker has purged may still be here.
    if (!isKnown || !purges.covers(question.purges)) {
      refuseQuestion(connection, 'alone');
      return;
    }
    connection.ask(question);
    route.site?.aimAnew(plane.target);
    connection.out.text(ACCEPTED);
    connection.exchangeFor(room, route, question).begin(head, route);
  }

  #settleRate(said: string | undefined, route: Route, connection: QuestionConnection): void {
    const reports = readReports(said);
    const rate = route.site?.rate;
    if (reports === undefined || rate === undefined) {
      refuseQuestion(connection, 'alone');
      return;
    }
    const nowMs = this.#options.plane.clock.monotonicMs();
    const answers = new Map(
      [...reports].map(([name, report]) => [name, rate.buckets.charge(name, report, nowMs)]),
    );
    connection.answerBodyless(204, `${statusLine(204)}\r\n${answersLine(answers)}`);
  }
}

/** Finished questions are no requests of clients: whoever asked counts and logs those. */
class QuietRequest extends ClientRequest {
  override record(): void {
    this.target = '';
    this.accept = undefined;
  }
}

/** What a connection of another gateway process belongs to: as if it were a listener for each question anew. */
class QuestionOwner implements ConnectionOwner {
  readonly plane: Plane;
  readonly answerLines = '';
  /** Of the question under way. */
  protocol: 'http' | 'https' = 'http';
  readonly dispatch: ConnectionOwner['dispatch'];
  readonly #closed: () => void;

  constructor(
    plane: Plane,
    on: {
      readonly answer: (head: RequestHead, route: Route) => void;
      readonly closed: () => void;
    },
  ) {
    this.plane = plane;
    this.dispatch = (_connection, head, route) => on.answer(head, route);
    this.#closed = on.closed;
  }

  clientAddress(_socket: ClientSocket): string {
    return '';
  }

  closed(): void {
    this.#closed();
  }
}

class QuestionConnection extends Connection {
  override readonly request: ClientRequest = new QuietRequest();
  readonly #asker: QuestionOwner;
  #exchange: QuestionExchange | undefined;

  constructor(socket: Socket, asker: QuestionOwner) {
    super(socket, asker);
    this.#asker = asker;
  }

  ask(question: Question): void {
    const { authority } = this.request;
    this.#asker.protocol = question.scheme;
    this.fragmentAuthority = authority;
    const about = { clientAddress: question.client, protocol: question.scheme, host: authority };
    this.fragment = `${viaLine(this.request)}${forwardedLines(about)}`;
  }

  exchangeFor(room: CacheRoom, route: Route, question: Question): QuestionExchange {
    if (this.#exchange?.room !== room) {
      this.#exchange = new QuestionExchange(this, room, route, question);
    }
    this.#exchange.question = question;
    return this.#exchange;
  }
}
