/**
 * What one operation of the API is: a row of the table from which router, checks and OpenAPI document are
 * made. `defineOperation` ties the shapes of a row to the types that its handler sees.
 */
import type { Readable } from 'node:stream';
import { object, type JsonSchema, type Schema } from '../base/schema.ts';
import type { Caller, Cloud } from './cloud.ts';
import type { Scope } from './model.ts';
import type { QueryParams, QueryValues } from './query.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What comes in beside path and query. */
export type BodyKind =
  | { readonly kind: 'none' }
  | { readonly kind: 'json' }
  /** Taken as it comes; `idleTimeoutMs` bounds pauses, undefined allows any. */
  | {
      readonly kind: 'stream';
      readonly contentType: string;
      readonly description: string;
      readonly idleTimeoutMs: number | undefined;
    };

export type AnswerKind =
  | { readonly kind: 'json'; readonly status: 200 | 201; readonly schema: Schema<unknown> }
  | { readonly kind: 'empty' }
  | { readonly kind: 'text'; readonly contentType: string }
  /** A document that is not described further. */
  | { readonly kind: 'document' }
  | {
      readonly kind: 'ndjson';
      readonly item: Schema<unknown>;
      /** Whether a client that leaves stops the work (its signal is aborted), or it goes on to its end. */
      readonly whenClientLeaves: 'abort' | 'finish';
      /** `progress`: a late failure is a `failed` item; otherwise a line `{ "error": … }`. */
      readonly lateFailure: 'progress' | 'error';
    };

export interface Input<Query, Body> {
  readonly caller: Caller;
  /** Decoded path parameters; `path('app')` of a path without `{app}` is a bug. */
  readonly path: (name: string) => string;
  readonly query: Query;
  readonly body: Body;
  /** The request's body when its kind is `stream` and the client sends one. */
  readonly stream: Readable | undefined;
  /** Aborted when the client left or the server closes. */
  readonly signal: AbortSignal;
}

export interface OperationSpec<Params extends QueryParams, Body> {
  /** `operationId` of the document. */
  readonly id: string;
  readonly method: Method;
  /** `/api/apps/{app}/env`. */
  readonly path: string;
  readonly scope: Scope | 'public';
  readonly tag: 'node' | 'apps' | 'databases' | 'files' | 'gateway' | 'access';
  /** A few words; the first ones of the description say more. */
  readonly summary: string;
  readonly description: string;
  readonly query?: Params;
  readonly json?: Schema<Body>;
  readonly stream?: Omit<Extract<BodyKind, { kind: 'stream' }>, 'kind'>;
  readonly answer: AnswerKind;
  /** Of an `ndjson` answer: the items; otherwise a promise of the answer. */
  readonly handle: (
    cloud: Cloud,
    input: Input<QueryValues<Params>, Body>,
  ) => Promise<unknown> | AsyncIterable<unknown>;
}

/** A row with its types forgotten: what the server works with. */
export interface Operation {
  readonly id: string;
  readonly method: Method;
  readonly path: string;
  readonly scope: Scope | 'public';
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly query: QueryParams;
  readonly body: BodyKind;
  readonly bodySchema: JsonSchema | undefined;
  readonly answer: AnswerKind;
  /** Checks query and JSON body, then calls the handler. Throws `CONFIG_INVALID` before anything happens. */
  readonly call: (
    cloud: Cloud,
    input: Input<Readonly<Record<string, unknown>>, unknown>,
  ) => Promise<unknown> | AsyncIterable<unknown>;
}

export function defineOperation<
  Params extends QueryParams = Record<never, never>,
  Body = undefined,
>(spec: OperationSpec<Params, Body>): Operation {
  const { json, stream } = spec;
  return {
    id: spec.id,
    method: spec.method,
    path: spec.path,
    scope: spec.scope,
    tag: spec.tag,
    summary: spec.summary,
    description: spec.description,
    query: spec.query ?? {},
    body: bodyKind(json, stream),
    bodySchema: json?.json,
    answer: spec.answer,
    call: (cloud, input) =>
      spec.handle(cloud, {
        ...input,
        // The router decoded the query with this row's own parameters.
        query: input.query as QueryValues<Params>,
        body: (json ?? bodyless(stream)).decode(input.body, '') as Body,
      }),
  };
}

/** What an operation without a JSON body takes: nothing, or `{}`. */
const NOTHING: Schema<unknown> = object({});
const STREAMED: Schema<unknown> = { decode: () => undefined, json: {} };

function bodyless(stream: unknown): Schema<unknown> {
  return stream === undefined ? NOTHING : STREAMED;
}

function bodyKind(
  json: Schema<unknown> | undefined,
  stream: OperationSpec<QueryParams, unknown>['stream'],
): BodyKind {
  if (stream !== undefined) return { kind: 'stream', ...stream };
  return { kind: json === undefined ? 'none' : 'json' };
}
