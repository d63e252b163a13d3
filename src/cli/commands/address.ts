/** `moln address`: addresses of the LAN that one node after the other holds. */
import type { AddressRow } from '../../api/api.ts';
import { formatDuration } from '../../base/time.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';

const ADDRESS_ARGUMENT = {
  name: 'ADDRESS',
  description: 'a free address of the LAN, as in 192.168.1.50 or 192.168.1.50/24',
  required: true,
} as const;

const ADD: CommandSpec = {
  name: 'add',
  summary: 'Add an address; one node holds it, and another takes it when that one is lost.',
  arguments: [ADDRESS_ARGUMENT],
  options: [
    {
      flags: '--interface <NAME>',
      description: 'the network card, on every node (default: the one in that network)',
    },
    { flags: '--nodes <NAMES>', description: 'who may hold it, as in a,b (default: any node)' },
  ],
  examples: [
    ['moln address add 192.168.1.50/24', ''],
    ['moln address add 192.168.1.50 --interface eth1 --nodes a,b', ''],
    ['moln address add fd00:1::50', 'IPv6'],
  ],
  run: async (context, input) => {
    const row = await context.client().addAddress({
      address: input.argument('ADDRESS') ?? '',
      interface: input.text('interface'),
      nodes: (input.text('nodes') ?? '').split(',').filter(Boolean),
    });
    if (context.json) context.words.json(row);
    else {
      context.words.line(`${row.address}: ${row.sentence}`);
      if (row.holder !== undefined) noteUnable(context, row);
    }
    return EXIT.ok;
  },
};

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the addresses: who holds each and why, and which nodes cannot.',
  examples: [['moln address list', '']],
  run: async (context) => {
    const rows = await context.client().addresses();
    if (context.json) context.words.json(rows);
    else printRows(context, rows);
    return EXIT.ok;
  },
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Remove an address; done when no node holds it any more.',
  arguments: [ADDRESS_ARGUMENT],
  examples: [['moln address remove 192.168.1.50', '']],
  run: async (context, input) => {
    const address = input.argument('ADDRESS') ?? '';
    await context.client().removeAddress(address);
    if (context.json) context.words.json({});
    else context.words.line(`${address} was removed`);
    return EXIT.ok;
  },
};

export const ADDRESS: CommandSpec = {
  name: 'address',
  summary: 'Virtual addresses of a LAN: clients find a gateway there whichever node is lost.',
  examples: [
    ['moln address add 192.168.1.50/24', ''],
    ['moln address list', ''],
  ],
  commands: [ADD, LIST, REMOVE],
};

function printRows(context: Context, rows: readonly AddressRow[]): void {
  const { words, clock } = context;
  if (rows.length === 0) {
    words.line('No virtual addresses: add one with "moln address add 192.168.1.50/24"');
    return;
  }
  words.table(
    ['ADDRESS', 'HELD BY', 'FOR', 'MAY BE HELD BY', 'WHY'],
    rows.map(({ address, nodes, holder, sentence }) => [
      address,
      holder?.node ?? '-',
      holder === undefined ? '-' : formatDuration(Math.max(0, clock.now() - holder.since)),
      nodes.length === 0 ? 'any node' : nodes.join(' '),
      holder?.why ?? sentence,
    ]),
  );
  for (const row of rows) if (row.holder !== undefined) noteUnable(context, row);
}

function noteUnable({ words }: Context, { address, unable }: AddressRow): void {
  for (const { node, why } of unable) words.note(`${node} cannot hold ${address} now: ${why}`);
}
