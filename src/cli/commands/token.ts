/** `moln token`: secrets with which scripts and other machines use the API. */
import { isoTime } from '../../base/time.ts';
import { parseDuration } from '../../base/units.ts';
import type { Scope } from '../../api/model.ts';
import type { CommandSpec } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';

const SCOPES: readonly Scope[] = ['admin', 'deploy', 'read'];

const CREATE: CommandSpec = {
  name: 'create',
  summary: 'Create a token; it is shown this once.',
  options: [
    { flags: '--name <NAME>', description: 'what it is for' },
    { flags: '--scope <SCOPE>', description: 'admin, deploy or read' },
    { flags: '--ttl <DURATION>', description: 'ends after this time, as 30d (default: never)' },
  ],
  examples: [['moln token create --name ci --scope deploy', 'for a build server']],
  run: async (context, input) => {
    const name = input.text('name');
    const scope = SCOPES.find((known) => known === input.text('scope'));
    if (name === undefined || name === '') {
      throw usageError('Option --name is missing', 'Say what the token is for, as --name ci');
    }
    if (scope === undefined) {
      const given = input.text('scope');
      throw usageError(
        given === undefined ? 'Option --scope is missing' : `Option --scope is "${given}"`,
        `Write one of: ${SCOPES.map((known) => `--scope ${known}`).join(', ')}`,
      );
    }
    const ttl = input.text('ttl');
    const ttlMs = ttl === undefined ? {} : { ttlMs: parseDuration(ttl, '--ttl') };
    const { token, detail } = await context.client().createToken({ name, scope, ...ttlMs });
    if (context.json) {
      context.words.json({ token, ...detail });
      return EXIT.ok;
    }
    context.words.line(token);
    context.words.note(`Token "${name}" may ${scope}. It is not shown again: keep it now`);
    return EXIT.ok;
  },
};

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the tokens, without their secrets.',
  run: async (context) => {
    const tokens = await context.client().tokens();
    if (context.json) {
      context.words.json(tokens);
      return EXIT.ok;
    }
    if (tokens.length === 0) {
      context.words.line('No tokens: make one with "moln token create --name N --scope deploy"');
      return EXIT.ok;
    }
    const time = (at: number | undefined): string => (at === undefined ? 'never' : isoTime(at));
    context.words.table(
      ['ID', 'NAME', 'SCOPE', 'CREATED', 'LAST USED', 'ENDS'],
      tokens.map((token) => [
        token.id,
        token.name,
        token.scope,
        time(token.createdAt),
        time(token.lastUsedAt),
        time(token.expiresAt),
      ]),
    );
    return EXIT.ok;
  },
};

const REVOKE: CommandSpec = {
  name: 'revoke',
  summary: 'End a token now.',
  arguments: [{ name: 'ID', description: 'as "moln token list" shows it', required: true }],
  run: async (context, input) => {
    const id = input.argument('ID') ?? '';
    await context.client().revokeToken(id);
    if (context.json) context.words.json({ revoked: id });
    else context.words.line(`Token ${id} is revoked`);
    return EXIT.ok;
  },
};

export const TOKEN: CommandSpec = {
  name: 'token',
  summary: 'Create, list and revoke API tokens.',
  examples: [
    ['moln token create --name ci --scope deploy', 'prints the secret once'],
    ['moln token list', ''],
    ['moln token revoke t1a2b3', ''],
  ],
  commands: [CREATE, LIST, REVOKE],
};
