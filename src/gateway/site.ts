/**
 * What a route wants around its target, made ready once. A request passes, in this order: addresses, rate, CORS, credentials,
 * rewrite, body; then the target answers, and the answer is shaped. Routes that want nothing of this have no site.
 */
import { FIELD } from '../http/field-names.ts';
import type { RequestHead } from '../http/head.ts';
import type { RequestTarget } from '../http/target.ts';
import { AnswerShape } from './answer-shape.ts';
import { Compression, type CompressWish } from './compression.ts';
import type { Connection } from './connection.ts';
import { type FieldRules, fieldRules } from './field-rules.ts';
import type { Dispatch } from './responder.ts';
import { Rewrite } from './rewrite.ts';
import type { Route } from './route-table.ts';
import type { SiteConfig } from './site-config.ts';

export class Site {
  readonly config: SiteConfig;
  readonly request: FieldRules | undefined;
  readonly response: FieldRules | undefined;
  readonly compression: Compression | undefined;
  readonly #rewrite: Rewrite | undefined;
  /** By status, `404`, or class, `4xx`. */
  readonly #pages: ReadonlyMap<string, Buffer>;

  constructor(config: SiteConfig) {
    const { headers, rewrite, compress, errors } = config;
    this.config = config;
    this.request = fieldRules(headers?.request);
    this.response = fieldRules(headers?.response);
    this.compression = compress === undefined ? undefined : new Compression(compress);
    this.#rewrite = rewrite === undefined ? undefined : new Rewrite(rewrite);
    this.#pages = new Map((errors ?? []).map(({ status, html }) => [status, Buffer.from(html)]));
  }

  /** The one before if it is about the same: it knows who has asked how often. */
  static of(config: SiteConfig | undefined, before: Site | undefined): Site | undefined {
    if (config === undefined) return undefined;
    const isSame = JSON.stringify(before?.config) === JSON.stringify(config);
    return isSame ? before : new Site(config);
  }

  /** The request in the plane's scratch objects; `answer` is called for what may pass. */
  receive(connection: Connection, head: RequestHead, route: Route, answer: Dispatch): void {
    const shape = new AnswerShape(this, this.#wishOf(head));
    connection.shape = shape;
    if (this.#rewrite !== undefined) {
      const { target, path } = connection.plane.target;
      shape.target = this.#rewrite.target(target, path);
      this.aim(shape, connection.plane.target);
    }
    answer(connection, head, route);
  }

  /** Also when the request is read anew after a wait. */
  aim({ target }: AnswerShape, requestTarget: RequestTarget): void {
    if (target !== undefined) requestTarget.replace(target);
  }

  pageFor(status: number): Buffer | undefined {
    return this.#pages.get(String(status)) ?? this.#pages.get(`${Math.floor(status / 100)}xx`);
  }

  #wishOf(head: RequestHead): CompressWish | undefined {
    if (this.compression === undefined) return undefined;
    return {
      acceptEncoding: head.joined(FIELD.acceptEncoding),
      ifNoneMatch: head.joined(FIELD.ifNoneMatch),
    };
  }
}
