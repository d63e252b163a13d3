/** The OpenAPI 3.1 document, made from the table of operations. */
import type { JsonSchema } from '../base/schema.ts';
import type { AnswerKind, Operation } from './operation.ts';
import { SESSION_COOKIE } from './origin.ts';
import { errorAnswerSchema, namedShapes } from './schemas.ts';

const NDJSON_MEANS =
  'One JSON value per line. Empty lines are heartbeats. A failure after the first item is the last line.';

/** A JSON document; `version` is Moln's. */
export function openApiDocument(
  operations: readonly Operation[],
  version: string,
): Readonly<Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    const path = (paths[operation.path] ??= {});
    path[operation.method.toLowerCase()] = describeOperation(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Moln',
      version,
      summary: 'The API of a Moln node',
      description:
        'Any node answers. Times are milliseconds since the epoch, sizes bytes. Scopes: admin includes ' +
        'deploy, deploy includes read. Over the unix socket of the data folder everything is allowed.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This node' }],
    tags: [
      { name: 'node', description: 'The node and the cluster' },
      { name: 'apps', description: 'Apps, their releases and instances' },
      { name: 'databases', description: 'Databases and what runs in them' },
      { name: 'files', description: 'The state of the file store' },
      { name: 'gateway', description: 'Routes and listeners beside those of apps' },
      { name: 'access', description: 'Tokens and login links' },
    ],
    paths,
    components: {
      schemas: Object.fromEntries([...namedShapes].map(([name, shape]) => [name, open(shape)])),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'moln token create' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: SESSION_COOKIE,
          description: 'Set by a one-time login link; changes also need a same-origin request',
        },
      },
    },
  };
}

function describeOperation(operation: Operation): Readonly<Record<string, unknown>> {
  const { scope } = operation;
  const needs = scope === 'public' ? 'Needs no token.' : `Needs scope \`${scope}\`.`;
  const body = requestBody(operation);
  const security = [{ token: [scope] }, { session: [scope] }];
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description: `${operation.description} ${needs}`,
    security: scope === 'public' ? [] : security,
    parameters: [...pathParameters(operation.path), ...queryParameters(operation)],
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { ...success(operation.answer), ...failures(operation) },
  };
}

function pathParameters(path: string): readonly unknown[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    description: name === 'app' ? 'Name of the app' : `The ${name}`,
    schema: { type: 'string' },
  }));
}

function queryParameters({ query }: Operation): readonly unknown[] {
  return Object.entries(query).map(([name, param]) => ({
    name,
    in: 'query',
    required: param.required,
    description: param.description,
    schema: param.json,
    // A list is its name repeated: ?domain=a&domain=b
    ...(param.json['type'] === 'array' ? { style: 'form', explode: true } : {}),
  }));
}

function requestBody({ body, bodySchema }: Operation): unknown {
  if (body.kind === 'json') {
    return { required: true, content: { 'application/json': { schema: bodySchema } } };
  }
  if (body.kind === 'none') return undefined;
  return {
    description: body.description,
    required: body.idleTimeoutMs !== undefined,
    content: { [body.contentType]: {} },
  };
}

function success(answer: AnswerKind): Readonly<Record<string, unknown>> {
  switch (answer.kind) {
    case 'json': {
      const content = { 'application/json': { schema: open(answer.schema.json) } };
      return { [answer.status]: { description: 'The answer', content } };
    }
    case 'document':
      return {
        200: { description: 'The document', content: { 'application/json': { schema: {} } } },
      };
    case 'text': {
      const [type = ''] = answer.contentType.split(';', 1);
      return { 200: { description: 'Text', content: { [type]: { schema: { type: 'string' } } } } };
    }
    case 'ndjson': {
      const content = { 'application/x-ndjson': { schema: open(answer.item.json) } };
      return { 200: { description: NDJSON_MEANS, content } };
    }
    case 'empty':
      return { 204: { description: 'Done' } };
  }
}

function failures({ scope, path, body }: Operation): Readonly<Record<string, unknown>> {
  const content = { 'application/json': { schema: errorAnswerSchema.json } };
  const say = (description: string): unknown => ({ description, content });
  return {
    400: say('A key, parameter or name is not valid'),
    ...(scope === 'public'
      ? {}
      : {
          401: say('No token or session, or not a valid one'),
          403: say('The scope does not suffice, or another site made the request'),
          429: say('Too many wrong secrets from this address'),
        }),
    ...(path.includes('{') ? { 404: say('There is none of that name'), 409: say('Busy') } : {}),
    ...(body.kind === 'none' ? {} : { 413: say('Too large'), 415: say('Not the right type') }),
    default: say('Any other failure'),
  };
}

/** Answers may grow: a client must not refuse keys that it does not know yet. */
function open(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => key !== 'additionalProperties' || value !== false)
      .map(([key, value]) => [key, openValue(value)]),
  );
}

function openValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(openValue);
  return typeof value === 'object' && value !== null ? open(value as JsonSchema) : value;
}
