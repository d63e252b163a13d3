/** From a request to its operation and back: host, router, caller, scope, query, body, answer, errors. */
import type { Readable } from 'node:stream';
import { isMolnError, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { requireScope, type Access } from './access.ts';
import { sendStream } from './answer-stream.ts';
import type { Caller, Cloud } from './cloud.ts';
import { DATABASE_PATH, type DatabaseDoor, FILES_PATH, type FilesDoor } from './database-door.ts';
import { answerOfError, hostUnknown, notFound } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { URL_CHARACTERS_MAX } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { defineOperation, type Operation } from './operation.ts';
import { OPERATIONS } from './operations/operations.ts';
import { answersTo, sessionCookie } from './origin.ts';
import type { Pages } from './pages.ts';
import { decodeQuery } from './query.ts';
import { apart, boundPauses, readJson, requireContentType } from './request-body.ts';
import { createRouter, type Match, type Router } from './router.ts';

export interface DispatcherOptions {
  readonly cloud: Cloud;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Logger;
  readonly version: string;
  readonly names: () => Iterable<string>;
  readonly pages: Pages | undefined;
  readonly databases: DatabaseDoor | undefined;
  readonly files: FilesDoor | undefined;
}

const ANYBODY: Caller = { name: 'anybody', scope: 'read' };
const OPERATION_PATH = /^\/(?:api(?:\/|$)|metrics$|healthz$)/;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #route: Router;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#route = createRouter(withDocument(OPERATIONS, options.version));
  }

  /** Never throws: whatever happens becomes an answer. The signal aborts when the client leaves. */
  async dispatch(exchange: Exchange, signal: AbortSignal): Promise<void> {
    try {
      this.#checkTarget(exchange);
      const { databases, files } = this.#options;
      if (databases !== undefined && DATABASE_PATH.test(exchange.path)) {
        const { request, response, local } = exchange;
        await databases.serve(request, response, { isLocal: local });
      } else if (files !== undefined && FILES_PATH.test(exchange.path)) {
        const { request, response } = exchange;
        const admin = await this.#adminOf(exchange);
        await files.serve(request, response, { isLocal: admin !== undefined, by: admin });
      } else if (OPERATION_PATH.test(exchange.path)) await this.#operate(exchange, signal);
      else if (this.#options.pages === undefined) throw notFound(exchange.path);
      else await this.#options.pages.answer(exchange);
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  /**
   * The name of whom the file store need not ask who it is: who comes over the unix socket, and the console's page, by its session. Tokens it
   * checks itself.
   */
  async #adminOf(exchange: Exchange): Promise<string | undefined> {
    const { access } = this.#options;
    const { local, method, request } = exchange;
    const { authorization, cookie } = request.headers;
    const isPage = authorization === undefined && sessionCookie(cookie) !== undefined;
    if (!local && !isPage) return undefined;
    const caller = await access.identify(exchange);
    requireScope(caller, 'admin');
    if (!local && method !== 'GET' && method !== 'HEAD') this.#auditFiles(exchange, caller.name);
    return caller.name;
  }

  /** Written when it is known how it ended. */
  #auditFiles({ method, path, response }: Exchange, by: string): void {
    response.once('close', () => {
      const { statusCode: status, writableFinished } = response;
      const fields = { audit: true, by, method, path, status };
      const { log } = this.#options;
      if (!writableFinished) log.info('A change of files broke off', fields);
      else if (status >= 400) log.info('A change of files was refused', fields);
      else log.info('Files are changed', fields);
    });
  }

  #checkTarget({ request, local }: Exchange): void {
    const target = request.url ?? '';
    if (target.length > URL_CHARACTERS_MAX) {
      throw new MolnError(
        'API_URL_TOO_LONG',
        `The address has ${target.length} characters, at most ${URL_CHARACTERS_MAX}`,
      );
    }
    if (!target.startsWith('/')) throw notFound(target);
    const { host } = request.headers;
    if (!local && !answersTo(host, this.#options.names())) throw hostUnknown(host ?? '');
  }

  async #operate(exchange: Exchange, signal: AbortSignal): Promise<void> {
    const { cloud, access, clock, log } = this.#options;
    const match = this.#route(exchange.method, exchange.path);
    const { operation } = match;
    let caller = ANYBODY;
    if (operation.scope !== 'public') {
      caller = await access.identify(exchange);
      requireScope(caller, operation.scope);
    }
    const query = decodeQuery(exchange.search, operation.query);
    if (operation.body.kind === 'stream' && exchange.hasBody) {
      requireContentType(exchange, operation.body.contentType);
    }
    if (exchange.request.headers.expect !== undefined) exchange.response.writeContinue();
    const input = {
      caller,
      query,
      signal,
      path: pathOf(match),
      body: operation.body.kind === 'stream' ? undefined : await readJson(exchange, clock),
      stream: this.#streamOf(exchange, operation),
    };
    if (operation.method !== 'GET') {
      log.info(operation.summary, { by: caller.name, ...Object.fromEntries(match.params) });
    }
    await this.#send(exchange, operation, operation.call(cloud, input), signal);
  }

  #streamOf(exchange: Exchange, { body }: Operation): Readable | undefined {
    if (body.kind !== 'stream' || !exchange.hasBody) return undefined;
    if (body.idleTimeoutMs !== undefined) {
      boundPauses(exchange.request, body.idleTimeoutMs, this.#options.clock);
    }
    return apart(exchange.request);
  }

  async #send(
    exchange: Exchange,
    { answer }: Operation,
    result: Promise<unknown> | AsyncIterable<unknown>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#options;
    if (answer.kind === 'ndjson') {
      const items = result as AsyncIterable<unknown>;
      await sendStream(exchange, items, { kind: answer, clock, log, signal });
      return;
    }
    const value = await (result as Promise<unknown>);
    switch (answer.kind) {
      case 'json':
        exchange.sendJson(answer.status, value);
        break;
      case 'document':
        exchange.sendJson(200, value);
        break;
      case 'text':
        exchange.send(200, answer.contentType, String(value));
        break;
      case 'empty':
        exchange.sendEmpty(204);
        break;
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { response } = exchange;
    if (response.destroyed) {
      this.#options.log.debug('Client left before its answer', { error });
      return;
    }
    const { status, body } = answerOfError(error, this.#options.log);
    if (response.headersSent) {
      // Half an answer is out: only cutting the connection tells the client that it is not whole.
      response.destroy();
      return;
    }
    exchange.sendJson(status, { error: body }, headersOf(status, error));
  }
}

/** What a status needs beside its body. RFC 9110 §11.6.1, §15.5.6; RFC 6585 §4. */
function headersOf(status: number, error: unknown): Readonly<Record<string, string>> {
  if (status === 401) return { 'www-authenticate': 'Bearer realm="moln"' };
  if (status === 429) return { 'retry-after': '30' };
  if (isMolnError(error, 'API_METHOD_NOT_ALLOWED')) {
    const allowed = error.details?.['allowed'];
    return { allow: Array.isArray(allowed) ? allowed.join(', ') : '' };
  }
  return {};
}

function pathOf({ params, operation }: Match): (name: string) => string {
  return (name) => {
    const value = params.get(name);
    if (value === undefined) throw new Error(`Path ${operation.path} has no {${name}}`);
    return value;
  };
}

/** The table and the operation that describes it, itself included. */
export function withDocument(table: readonly Operation[], version: string): readonly Operation[] {
  const operations: Operation[] = [
    ...table,
    defineOperation({
      id: 'getOpenApi',
      method: 'GET',
      path: '/api/openapi.json',
      scope: 'read',
      tag: 'node',
      summary: 'This document',
      description: 'OpenAPI 3.1.',
      answer: { kind: 'document' },
      handle: () => Promise.resolve(document),
    }),
  ];
  const document = openApiDocument(operations, version);
  return operations;
}
