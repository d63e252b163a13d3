/** `moln route`: what the gateways of all nodes answer, beside the hosts of apps. */
import type { RouteDetail } from '../../api/api.ts';
import { isoTime } from '../../base/time.ts';
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
  summary: 'List the routes, and what is wrong with them.',
  examples: [['moln route list', '']],
  run: async (context) => {
    const routes = await context.client().records('route');
    if (context.json) context.words.json(routes);
    else printRoutes(context, routes);
    return EXIT.ok;
  },
};

const SHOW: CommandSpec = {
  name: 'show',
  summary: 'Show a route as it was written; hashes of passwords are not shown.',
  arguments: [NAME],
  examples: [['moln route show shop > shop.yml', 'to change it and set it again with --file']],
  run: async (context, input) => {
    const route = await context.client().record('route', input.argument('NAME') ?? '');
    if (context.json) {
      context.words.json(route);
      return EXIT.ok;
    }
    printWritten(context, route.written);
    context.words.note(
      `Changed ${isoTime(route.changedAt)} by ${route.by}, ${route.requests} requests`,
    );
    for (const trouble of route.troubles) context.words.note(trouble);
    return EXIT.ok;
  },
};

const SET: CommandSpec = {
  name: 'set',
  summary: 'Add a route or change it, at all gateways and without a lost request.',
  arguments: [NAME, SETTINGS],
  options: [FILE],
  examples: [
    ['moln route set shop host=shop.example.org upstreams=http://10.0.0.2:9000', ''],
    ['moln route set shop cache=true compress=true', 'the rest stays as it is'],
    [
      'moln route set blog host=www.example.org app=blog rate.requests=100 rate.per=1s',
      'more about a host of an app',
    ],
    ["moln route set old host=old.example.org redirect.to='https://example.org$uri'", ''],
    ['moln route set shop --file shop.yml', 'as in the file and not otherwise'],
  ],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const wanted = await wantedRecord(context, input, 'route');
    const answer = await context.client().setRecord('route', name, wanted);
    return printAnswer(context, answer, `Route "${name}" is in use`);
  },
};

const CHECK: CommandSpec = {
  name: 'check',
  summary: 'Check a route as "set" would, and change nothing.',
  arguments: [NAME, SETTINGS],
  options: [FILE],
  examples: [['moln route check shop --file shop.yml', '']],
  run: (context, input) => checkRecord(context, input, 'route'),
};

const REMOVE: CommandSpec = {
  name: 'remove',
  summary: 'Remove a route; requests under way are answered.',
  arguments: [NAME],
  examples: [['moln route remove shop', '']],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const answer = await context.client().removeRecord('route', name);
    return printAnswer(context, answer, `Route "${name}" was removed`);
  },
};

export const ROUTE: CommandSpec = {
  name: 'route',
  summary: 'Lead hosts and paths to servers, apps or redirects, with all that a gateway can.',
  examples: [
    ['moln route set shop host=shop.example.org upstreams=http://10.0.0.2:9000', ''],
    ['moln route list', ''],
  ],
  commands: [LIST, SHOW, SET, CHECK, REMOVE],
};

function printRoutes({ words }: Context, routes: readonly RouteDetail[]): void {
  if (routes.length === 0) {
    words.line('No routes beside those of apps: add one with "moln route set NAME host=HOST …"');
    return;
  }
  words.table(
    ['ROUTE', 'HOST', 'PATH', 'TO', 'CACHE', 'REQUESTS'],
    routes.map(({ name, hosts, path, target, leadsTo, isCached, requests }) => [
      name,
      hosts.join(' '),
      path,
      target === 'upstreams' ? leadsTo : `${target} ${leadsTo}`,
      isCached ? 'yes' : '-',
      String(requests),
    ]),
  );
  for (const { name, troubles } of routes) {
    for (const trouble of troubles) words.note(`Route "${name}": ${trouble}`);
  }
}
