/** Operations on who may come in: tokens and login links. */
import { array, integer, object, optional, string } from '../../base/schema.ts';
import { TOKEN_TTL_MS_MAX } from '../limits.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { scopeSchema, tokenDetailSchema } from '../schemas.ts';

const tokenRequest = object({
  name: string({
    description: 'What it is for; shown in lists and deploy histories',
    pattern: /^[A-Za-z0-9][A-Za-z0-9._@ -]{0,62}$/,
    patternMeans: 'letters, digits, spaces and . _ @ -, at most 63 characters',
  }),
  scope: scopeSchema,
  ttlMs: optional(
    integer({ min: 1000, max: TOKEN_TTL_MS_MAX, description: 'Milliseconds until it expires' }),
  ),
});

export const accessOperations: readonly Operation[] = [
  defineOperation({
    id: 'listTokens',
    method: 'GET',
    path: '/api/tokens',
    scope: 'admin',
    tag: 'access',
    summary: 'All tokens, without their secrets',
    description: 'Names, scopes and when each was last used.',
    answer: { kind: 'json', status: 200, schema: array(tokenDetailSchema) },
    handle: (cloud) => cloud.listTokens(),
  }),
  defineOperation({
    id: 'createToken',
    method: 'POST',
    path: '/api/tokens',
    scope: 'admin',
    tag: 'access',
    summary: 'Make a token',
    description: 'The secret is in this answer and can never be seen again.',
    json: tokenRequest,
    answer: {
      kind: 'json',
      status: 201,
      schema: object({ token: string(), detail: tokenDetailSchema }),
    },
    handle: (cloud, { body }) =>
      cloud.createToken({ name: body.name, scope: body.scope, ttlMs: body.ttlMs }),
  }),
  defineOperation({
    id: 'revokeToken',
    method: 'DELETE',
    path: '/api/tokens/{id}',
    scope: 'admin',
    tag: 'access',
    summary: 'Revoke a token',
    description: 'It opens nothing from now on.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.revokeToken(path('id')),
  }),
  defineOperation({
    id: 'createLoginLink',
    method: 'POST',
    path: '/api/login-links',
    scope: 'admin',
    tag: 'access',
    summary: 'Make a one-time login link for the console',
    description: 'Opens the console in one browser, once, within 15 minutes.',
    answer: {
      kind: 'json',
      status: 201,
      schema: object({
        url: string(),
        expiresAt: integer({
          min: 0,
          max: Number.MAX_SAFE_INTEGER,
          description: 'Milliseconds since the epoch',
        }),
      }),
    },
    handle: (cloud) => cloud.createLoginLink(),
  }),
];
