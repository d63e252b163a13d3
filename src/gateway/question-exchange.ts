/**
 * Answers a question of another gateway process, as `CachedExchange` answers a client: from the store of the key's owner, or by
 * asking for it. What would be of use to the asker alone is left to himself.
 */
import type { Candidates, Decision, Stored } from '../cache/cache.ts';
import type { RequestHead } from '../http/head.ts';
import { statusLine } from '../http/status.ts';
import { CachedExchange } from './cached-exchange.ts';
import type { CacheRoom } from './cache-room.ts';
import type { Connection } from './connection.ts';
import type { HeadChange } from './forward-head.ts';
import type { Tier } from './key-owner.ts';
import { type Question, QUESTION_FIELD, type Refusal, refusalLine } from './question.ts';
import type { Route } from './route-table.ts';
import { type Asker, markOf } from './shared-forward.ts';

const NAMES = { region: 'Moln-Region', cluster: 'Moln-Owner' } as const;
/** RFC 9110 15.5.20. */
const MISDIRECTED = 421;
const TIMED_OUT = 504;

export class QuestionExchange extends CachedExchange {
  question: Question;
  override readonly passesOn = true;

  constructor(connection: Connection, room: CacheRoom, route: Route, question: Question) {
    super(connection, room, route);
    this.question = question;
  }

  protected override get asked(): Tier {
    return this.question.tier;
  }

  protected override get name(): string {
    return NAMES[this.question.tier];
  }

  protected override get client(): Asker {
    const { client, scheme } = this.question;
    return { address: client, scheme };
  }

  /** Texts that are ready say the name that clients know. */
  protected override answerReady(): boolean {
    return false;
  }

  protected override prepare(): void {}

  protected override enter(
    head: RequestHead,
    route: Route,
    on: { readonly decision: Decision<Stored>; readonly candidates: Candidates<Stored> },
  ): void {
    const { room, request } = this;
    if (room.cache.flights.isAlone(markOf(request), room.nowMs())) this.refuse('unshared');
    else super.enter(head, route, on);
  }

  protected override changeFor(decision: Decision<Stored>, route: Route): HeadChange {
    const change = super.changeFor(decision, route);
    return { ...change, drop: [...change.drop, QUESTION_FIELD] };
  }

  protected override goAround(): void {
    this.refuse('alone');
  }

  protected override fails(status: number, error: string): void {
    if (this.connection.request.answering) this.connection.fail(status, error);
    else this.refuse(status === TIMED_OUT ? 'late' : 'failed');
  }

  protected override readAgain(held: RequestHead): void {
    super.readAgain(held);
    const { target } = this.connection.plane;
    this.route?.site?.aimAnew(target);
  }

  private refuse(refusal: Refusal): void {
    this.over();
    refuseQuestion(this.connection, refusal);
  }
}

export function refuseQuestion(connection: Connection, refusal: Refusal): void {
  const head = `${statusLine(MISDIRECTED)}\r\n${refusalLine(refusal)}Content-Length: 0\r\n`;
  connection.answerBodyless(MISDIRECTED, head);
}
