/** `moln listener`: ports of the gateways of all nodes, beside those that each has by itself. */
import type { ListenerDetail } from '../../api/api.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import {
  checkRecord,
  FILE,
  NAME,
  printAnswer,
  printWritten,
  SETTINGS,
  wantedRecord,
} from './record-words.ts';

const LIST: CommandSpec = {
  name: 'list',
  summary: 'List the listeners, and where one is not open.',
  examples: [['moln listener list', '']],
  run: async (context) => {
    const listeners = await context.client().records('listener');
    if (context.json) context.words.json(listeners);
    else printListeners(context, listeners);
    return EXIT.ok;
  },
};

const SHOW: CommandSpec = {
  name: 'show',
  summary: 'Show a listener as it was written, and where it is not open.',
  arguments: [NAME],
  examples: [['moln listener show imap', '']],
  run: async (context, input) => {
    const listener = await context.client().record('listener', input.argument('NAME') ?? '');
    if (context.json) {
      context.words.json(listener);
      return EXIT.ok;
    }
    printWritten(context, listener.written);
    for (const { node, message } of listener.troubles) {
      context.words.note(`Not open on ${node}: ${message}`);
    }
    return EXIT.ok;
  },
};

const SET: CommandSpec = {
  name: 'set',
  summary: 'Open a port at all gateways: for TCP or UDP, or one more for HTTP.',
  arguments: [NAME, SETTINGS],
  options: [FILE],
  examples: [
    [
      'moln listener set imap port=993 protocol=tcp upstreams=[tcp://10.0.0.2:993,tcp://10.0.0.3:993]',
      '',
    ],
    ['moln listener set imap balance=least health={}', 'the rest stays as it is'],
    ['moln listener set alt port=8081', 'one more port for HTTP'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const wanted = await wantedRecord(context, input, 'listener');
    const answer = await context.client().setRecord('listener', name, wanted);
    return printAnswer(context, answer, `Listener "${name}" is set`);
  },
};

const CHECK: CommandSpec = {
  name: 'check',
  summary: 'Check a listener as "set" would, and change nothing.',
  arguments: [NAME, SETTINGS],
  options: [FILE],
  examples: [['moln listener check imap port=993 protocol=tcp upstreams=tcp://10.0.0.2:993', '']],
  run: (context, input) => checkRecord(context, input, 'listener'),
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Close the port at all gateways; connections that are open go on.',
  arguments: [NAME],
  examples: [['moln listener remove imap', '']],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const answer = await context.client().removeRecord('listener', name);
    return printAnswer(context, answer, `Listener "${name}" was removed`);
  },
};

export const LISTENER: CommandSpec = {
  name: 'listener',
  summary: 'Open further ports at the gateways of all nodes.',
  examples: [
    ['moln listener set imap port=993 protocol=tcp upstreams=tcp://10.0.0.2:993', ''],
    ['moln listener list', ''],
  ],
  commands: [LIST, SHOW, SET, CHECK, REMOVE],
};

function printListeners({ words }: Context, listeners: readonly ListenerDetail[]): void {
  if (listeners.length === 0) {
    words.line(
      'No listeners beside those of each node: add one with "moln listener set NAME port=PORT …"',
    );
    return;
  }
  words.table(
    ['LISTENER', 'PROTOCOL', 'ADDRESS', 'PORT', 'TO', 'NOT OPEN ON'],
    listeners.map(({ name, protocol, address, port, leadsTo, troubles }) => [
      name,
      protocol,
      address,
      String(port),
      leadsTo,
      troubles.length === 0 ? '-' : troubles.map(({ node }) => node).join(' '),
    ]),
  );
  for (const { name, troubles } of listeners) {
    for (const { node, message } of troubles)
      words.note(`Listener "${name}" on ${node}: ${message}`);
  }
}
