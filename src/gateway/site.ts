/**
 * What a route wants around its target, made ready once. A request passes, in this order: addresses, rate, CORS, credentials,
 * body, edge module, rewrite; then the target answers, and the answer is shaped. Routes that want nothing of this have no site.
 */
import { HeadFields } from '../cache/cache.ts';
import { FIELD } from '../http/field-names.ts';
import { plainAddress } from '../http/forwarded.ts';
import type { RequestHead } from '../http/head.ts';
import { statusLine } from '../http/status.ts';
import type { RequestTarget } from '../http/target.ts';
import { AnswerShape } from './answer-shape.ts';
import { BasicAuth, nameOf } from './basic-auth.ts';
import { Compression, type CompressWish, forbidsChange } from './compression.ts';
import type { Connection } from './connection.ts';
import { Cors, CORS_FIELDS } from './cors.ts';
import type { EdgeAsk } from './edge/edge-message.ts';
import type { EdgeModule } from './edge/edge-module.ts';
import { askEdge, edgeAsk, settleEdge } from './edge/edge-request.ts';
import { type FieldRules, fieldRules } from './field-rules.ts';
import { type Decide, GatheredRequest, type GoOn, HeldRequest } from './held-request.ts';
import { Access } from './access.ts';
import { rateKeyOfClient, rateKeyOfField, type RateVerdict } from './rate-limit.ts';
import type { Dispatch } from './responder.ts';
import { Rewrite } from './rewrite.ts';
import type { Route } from './route-table.ts';
import { SharedRate } from './shared-rate.ts';
import type { EdgeConfig, SiteConfig } from './site-config.ts';

export class Site {
  readonly config: SiteConfig;
  readonly request: FieldRules | undefined;
  readonly response: FieldRules | undefined;
  readonly compression: Compression | undefined;
  readonly rate: SharedRate | undefined;
  readonly #rewrite: Rewrite | undefined;
  readonly #access: Access | undefined;
  readonly #cors: Cors | undefined;
  readonly #auth: BasicAuth | undefined;
  readonly #edge: EdgeConfig | undefined;
  #module: EdgeModule | undefined;
  /** By status, `404`, or class, `4xx`. */
  readonly #pages: ReadonlyMap<string, Buffer>;
  /** Of upstreams' answers, those in whose place such a page is sent. */
  readonly #replaced: ReadonlySet<string>;

  constructor(config: SiteConfig) {
    const { headers, rewrite, compress, errors, access, rate, cors, auth, edge } = config;
    this.config = config;
    this.request = fieldRules(headers?.request);
    this.response = fieldRules(headers?.response);
    this.compression = compress === undefined ? undefined : new Compression(compress);
    this.#rewrite = rewrite === undefined ? undefined : new Rewrite(rewrite);
    this.#access = access === undefined ? undefined : new Access(access);
    this.rate = rate === undefined ? undefined : new SharedRate(rate);
    this.#cors = cors === undefined ? undefined : new Cors(cors);
    this.#auth = auth === undefined ? undefined : new BasicAuth(auth);
    this.#edge = edge;
    this.#pages = new Map((errors ?? []).map(({ status, html }) => [status, Buffer.from(html)]));
    this.#replaced = new Set(config.errorsOfUpstreams);
  }

  /** The one before if it is about the same: it knows who has asked how often. */
  static of(config: SiteConfig | undefined, before: Site | undefined): Site | undefined {
    if (config === undefined) return undefined;
    const isSame = JSON.stringify(before?.config) === JSON.stringify(config);
    return isSame ? before : new Site(config);
  }

  /** The request in the plane's scratch objects; `answer` is called for what may pass. */
  receive(connection: Connection, head: RequestHead, route: Route, answer: Dispatch): void {
    const fields = new HeadFields(head);
    const shape = new AnswerShape(this, this.#wishOf(head));
    connection.shape = shape;
    if (!this.#letsIn(connection, shape, fields)) return;
    if (this.rate === undefined) {
      this.#admit(connection, head, route, answer);
      return;
    }
    const { plane, request } = connection;
    const { authority } = request;
    const key = this.#rateKey(this.rate, connection, fields);
    const place = {
      authority: authority === '' ? connection.localAuthority : authority,
      path: route.prefix === '' ? '/' : route.prefix,
    };
    const verdict = this.rate.take(key, plane, place);
    if (verdict !== undefined) {
      if (this.#isInTime(connection, verdict)) this.#admit(connection, head, route, answer);
      return;
    }
    const held = new HeldRequest(connection, head);
    const decided = (word: RateVerdict): void =>
      held.goOn((own) => {
        if (this.#isInTime(connection, word)) this.#admit(connection, own, route, answer);
        connection.passedOn();
      });
    this.rate.wait(key, { plane, place, decided });
  }

  /** What is asked of those who may come now. */
  #admit(connection: Connection, head: RequestHead, route: Route, answer: Dispatch): void {
    const { shape } = connection;
    const fields = new HeadFields(head);
    if (shape === undefined) return;
    if (this.#cors !== undefined && this.#isPreflight(connection, shape, fields)) return;
    if (this.#auth === undefined) {
      this.#enter(connection, head, route, answer);
      return;
    }
    const authorization = fields.get('authorization');
    const verdict = this.#auth.known(authorization);
    if (verdict === 'right') connection.request.user = nameOf(authorization);
    if (verdict === 'right') this.#enter(connection, head, route, answer);
    else if (verdict === 'wrong' || authorization === undefined) this.#challenge(connection);
    else {
      const held = new HeldRequest(connection, head);
      const goOn = (own: RequestHead): void => this.#enter(connection, own, route, answer);
      void this.#weigh(connection, held, { auth: this.#auth, authorization, goOn });
    }
  }

  #letsIn(connection: Connection, shape: AnswerShape, fields: HeadFields): boolean {
    if (this.#access !== undefined) {
      const client = this.#access.clientOf(connection.clientAddress, fields.get('x-forwarded-for'));
      if (this.#access.trusts(connection.clientAddress)) {
        shape.client = client;
        const scheme = fields.get('x-forwarded-proto')?.toLowerCase();
        shape.clientScheme = scheme === 'https' || scheme === 'http' ? scheme : undefined;
      }
      if (!this.#access.lets(client)) {
        connection.fail(403, 'The address of the client is not let in');
        return false;
      }
    }
    return true;
  }

  #rateKey({ buckets }: SharedRate, connection: Connection, fields: HeadFields): string {
    const { header } = buckets.config;
    const value = header === undefined ? undefined : fields.get(header);
    const { shape, clientAddress } = connection;
    return value === undefined
      ? rateKeyOfClient(shape?.client ?? plainAddress(clientAddress))
      : rateKeyOfField(value);
  }

  #isInTime(connection: Connection, verdict: RateVerdict): boolean {
    const { shape } = connection;
    if (shape !== undefined && this.rate !== undefined) {
      shape.lines += this.rate.buckets.lines(verdict);
    }
    if (verdict.allowed) return true;
    connection.fail(429, 'Too many requests', { retryAfterS: Math.ceil(verdict.waitMs / 1000) });
    return false;
  }

  /** Preflights carry no credentials, so they are answered before any are asked for. */
  #isPreflight(connection: Connection, shape: AnswerShape, fields: HeadFields): boolean {
    const cors = this.#cors;
    if (cors === undefined) return false;
    const origin = fields.get('origin');
    shape.lines += cors.lines(origin);
    shape.drop = CORS_FIELDS;
    const isPreflight =
      origin !== undefined &&
      connection.request.method === 'OPTIONS' &&
      fields.get('access-control-request-method') !== undefined;
    if (!isPreflight) return false;
    if (cors.allows(origin)) {
      const wanted = fields.get('access-control-request-headers');
      const lines = cors.preflightLines(wanted);
      connection.answerBodyless(204, `${statusLine(204)}\r\n${connection.plane.dateLine}${lines}`);
    } else {
      connection.fail(403, 'The origin is not let in');
    }
    return true;
  }

  async #weigh(
    connection: Connection,
    held: HeldRequest,
    on: { readonly auth: BasicAuth; readonly authorization: string; readonly goOn: GoOn },
  ): Promise<void> {
    let isRight: boolean | undefined;
    try {
      isRight = await on.auth.check(on.authorization);
    } catch (error) {
      connection.plane.log.error('A password could not be checked', { error });
      isRight = undefined;
    }
    held.goOn((head) => {
      if (isRight === true) connection.request.user = nameOf(on.authorization);
      if (isRight === true) on.goOn(head);
      else if (isRight === false) this.#challenge(connection);
      else connection.fail(503, 'Too many passwords to check', { retryAfterS: 1 });
      connection.passedOn();
    });
  }

  #challenge(connection: Connection): void {
    const { shape } = connection;
    if (shape !== undefined && this.#auth !== undefined) shape.lines += this.#auth.challenge;
    connection.fail(401, 'No valid credentials', { reason: 'This page asks who you are' });
  }

  /** What is left to do for a request that is let in. */
  #enter(connection: Connection, head: RequestHead, route: Route, answer: Dispatch): void {
    const { plane, body } = connection;
    const { bufferBytes = 0 } = this.config;
    const next = (own: RequestHead): void => this.#leave(connection, own, route, answer);
    if (this.#edge !== undefined) {
      const decide = this.#decideBy(connection, edgeAsk(connection, head), next);
      new GatheredRequest(connection, head, { bytesMax: bufferBytes, next, decide }).start();
      return;
    }
    const gathers =
      bufferBytes > 0 &&
      route.config.target.kind === 'upstreams' &&
      !body.done &&
      plane.requestFraming.length <= bufferBytes;
    if (!gathers) next(head);
    else new GatheredRequest(connection, head, { bytesMax: bufferBytes, next }).start();
  }

  #decideBy(connection: Connection, ask: Omit<EdgeAsk, 'id' | 'body'>, next: GoOn): Decide {
    const { edges } = connection.plane;
    return (body, goOn) => {
      this.#module ??= this.#edge === undefined ? undefined : edges.of(this.#edge);
      if (this.#module === undefined) return;
      void askEdge(this.#module, ask, body).then((outcome) =>
        goOn((head) => {
          if (settleEdge(connection, ask.fields, outcome)) next(head);
        }),
      );
    };
  }

  /** To the target, by the name that it has for it. */
  #leave(connection: Connection, head: RequestHead, route: Route, answer: Dispatch): void {
    const { shape, plane } = connection;
    if (shape !== undefined) {
      this.aim(shape, plane.target);
      if (this.#rewrite !== undefined) {
        shape.target = this.#rewrite.target(plane.target.target, plane.target.path);
        this.aim(shape, plane.target);
      }
    }
    answer(connection, head, route);
  }

  /** Also when the request is read anew after a wait. */
  aim({ target }: AnswerShape, requestTarget: RequestTarget): void {
    if (target !== undefined) requestTarget.replace(target);
  }

  /** For a request that was let in elsewhere. */
  aimAnew(requestTarget: RequestTarget): void {
    if (this.#rewrite === undefined) return;
    requestTarget.replace(this.#rewrite.target(requestTarget.target, requestTarget.path));
  }

  pageFor(status: number): Buffer | undefined {
    const [exact, ofClass] = statusWords(status);
    return this.#pages.get(exact) ?? this.#pages.get(ofClass);
  }

  /** What is sent in place of an upstream's answer. */
  pageInstead(status: number): Buffer | undefined {
    const { size } = this.#replaced;
    if (size === 0 || status < 400) return undefined;
    const isMeant = statusWords(status).some((word) => this.#replaced.has(word));
    return isMeant ? this.pageFor(status) : undefined;
  }

  #wishOf(head: RequestHead): CompressWish | undefined {
    if (this.compression === undefined) return undefined;
    const isAsIs = forbidsChange(head.joined(FIELD.cacheControl));
    return {
      acceptEncoding: isAsIs ? undefined : head.joined(FIELD.acceptEncoding),
      ifNoneMatch: head.joined(FIELD.ifNoneMatch),
    };
  }
}

/** `404`, `4xx`. */
function statusWords(status: number): readonly [exact: string, ofClass: string] {
  return [String(status), `${Math.floor(status / 100)}xx`];
}
