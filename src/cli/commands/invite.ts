/** `moln invite`: the line that a second machine joins with. */
import type { InviteRole } from '../../api/model.ts';
import { formatDuration } from '../../base/time.ts';
import { parseDuration } from '../../base/units.ts';
import type { CommandSpec } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import { count } from '../words.ts';
import { wholeNumber } from '../up.ts';

const ROLES: readonly InviteRole[] = ['worker', 'manager'];
const USES_MAX = 1000;

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the invites, without their secrets.',
  run: async (context) => {
    const invites = await context.client().invites();
    if (context.json) {
      context.words.json(invites);
      return EXIT.ok;
    }
    if (invites.length === 0) {
      context.words.line('No invites: make one with "moln invite"');
      return EXIT.ok;
    }
    const nowMs = context.clock.now();
    context.words.table(
      ['ID', 'ROLE', 'REGION', 'LEFT', 'GOOD FOR'],
      invites.map(({ id, role, region, uses, usesLeft, expiresAt }) => [
        id,
        role,
        region ?? '',
        `${usesLeft} of ${uses}`,
        expiresAt > nowMs ? formatDuration(expiresAt - nowMs) : 'expired',
      ]),
    );
    return EXIT.ok;
  },
};

const REVOKE: CommandSpec = {
  name: 'revoke',
  summary: 'End an invite now.',
  arguments: [{ name: 'ID', description: 'as "moln invite list" shows it', required: true }],
  run: async (context, input) => {
    const id = input.argument('ID') ?? '';
    await context.client().revokeInvite(id);
    if (context.json) context.words.json({ revoked: id });
    else context.words.line(`Invite ${id} is revoked`);
    return EXIT.ok;
  },
};

export const INVITE: CommandSpec = {
  name: 'invite',
  summary: 'Print the line that another machine joins with.',
  options: [
    { flags: '--region <NAME>', description: 'where the joining machine stands' },
    { flags: '--role <ROLE>', description: 'worker or manager (default: worker)' },
    { flags: '--ttl <DURATION>', description: 'good for this time (default: 1h)' },
    { flags: '--uses <N>', description: 'good for so many machines (default: 1)' },
  ],
  examples: [
    ['moln invite', 'one line, for one machine, good for an hour'],
    ['moln invite --region east --uses 3', 'for three machines in the east'],
    ['moln invite list', ''],
  ],
  commands: [LIST, REVOKE],
  run: async (context, input) => {
    const role = input.text('role');
    const known = ROLES.find((one) => one === role);
    if (role !== undefined && known === undefined) {
      throw usageError(`Option --role is "${role}"`, 'Write --role worker or --role manager');
    }
    const region = input.text('region');
    const ttl = input.text('ttl');
    const uses = wholeNumber(input.text('uses'), '--uses', 1, USES_MAX);
    const { invite, detail } = await context.client().createInvite({
      ...(known === undefined ? {} : { role: known }),
      ...(region === undefined ? {} : { region }),
      ...(ttl === undefined ? {} : { ttlMs: parseDuration(ttl, '--ttl') }),
      ...(uses === undefined ? {} : { uses }),
    });
    if (context.json) {
      context.words.json({ invite, ...detail });
      return EXIT.ok;
    }
    context.words.line(`moln join ${invite}`);
    const left = formatDuration(detail.expiresAt - context.clock.now());
    const machines = count(detail.uses, 'machine');
    context.words.note(`Paste it on the other machine. It is good for ${machines} and ${left}`);
    return EXIT.ok;
  },
};
