/** Operations on apps that look and change: list, show, env, domains, scale, start, stop, remove. */
import {
  array,
  integer,
  object,
  optional,
  record,
  type Schema,
  string,
} from '../../base/schema.ts';
import { DOMAINS_PER_APP_MAX, INSTANCES_PER_PROCESS_MAX } from '../limits.ts';
import { defineOperation, type AnswerKind, type Operation } from '../operation.ts';
import { appDetailSchema, appSummarySchema, envSchema, progressSchema } from '../schemas.ts';

/** What is under way is not left half done because a client went away. */
const progressToTheEnd: AnswerKind = {
  kind: 'ndjson',
  item: progressSchema,
  whenClientLeaves: 'finish',
  lateFailure: 'progress',
};

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const ENV_NAME_MEANS = 'letters, digits and _, not starting with a digit';
/** Errors name the setting as its person knows it, not where it lies in the body. */
const settings: Schema<Readonly<Record<string, string>>> = (() => {
  const entries = record(string(), { key: ENV_NAME, keyMeans: ENV_NAME_MEANS });
  const plain = (value: unknown): boolean => typeof value === 'object' && value !== null;
  return { ...entries, decode: (value, path) => entries.decode(value, plain(value) ? '' : path) };
})();
const names = array(string({ pattern: ENV_NAME, patternMeans: ENV_NAME_MEANS }));

export const appOperations: readonly Operation[] = [
  defineOperation({
    id: 'listApps',
    method: 'GET',
    path: '/api/apps',
    scope: 'read',
    tag: 'apps',
    summary: 'All apps',
    description: 'Name, state, release, addresses and instances of each.',
    answer: { kind: 'json', status: 200, schema: array(appSummarySchema) },
    handle: (cloud) => cloud.listApps(),
  }),
  defineOperation({
    id: 'showApp',
    method: 'GET',
    path: '/api/apps/{app}',
    scope: 'read',
    tag: 'apps',
    summary: 'One app in full',
    description: 'Its instances, releases, deploy history, settings and names of secrets.',
    answer: { kind: 'json', status: 200, schema: appDetailSchema },
    handle: (cloud, { path }) => cloud.showApp(path('app')),
  }),
  defineOperation({
    id: 'removeApp',
    method: 'DELETE',
    path: '/api/apps/{app}',
    scope: 'admin',
    tag: 'apps',
    summary: 'Remove an app',
    description: 'Stops its instances and removes its releases, settings, secrets and logs.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.remove(path('app')),
  }),
  defineOperation({
    id: 'scaleApp',
    method: 'POST',
    path: '/api/apps/{app}/scale',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Set how many instances run',
    description: 'By process type; types that are not named keep their number.',
    json: object({ counts: record(integer({ min: 0, max: INSTANCES_PER_PROCESS_MAX })) }),
    answer: progressToTheEnd,
    handle: (cloud, { path, body }) => cloud.scale(path('app'), body.counts),
  }),
  defineOperation({
    id: 'restartApp',
    method: 'POST',
    path: '/api/apps/{app}/restart',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Restart the instances',
    description: 'One by one, each replaced before it is stopped: no request is lost.',
    answer: progressToTheEnd,
    handle: (cloud, { path }) => cloud.restart(path('app')),
  }),
  defineOperation({
    id: 'startApp',
    method: 'POST',
    path: '/api/apps/{app}/start',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Start a stopped app',
    description: 'With the release and the numbers it had.',
    answer: progressToTheEnd,
    handle: (cloud, { path }) => cloud.start(path('app')),
  }),
  defineOperation({
    id: 'stopApp',
    method: 'POST',
    path: '/api/apps/{app}/stop',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Stop an app',
    description: 'Ends its instances and keeps everything else.',
    answer: { kind: 'empty' },
    handle: (cloud, { path }) => cloud.stop(path('app')),
  }),
  defineOperation({
    id: 'showEnv',
    method: 'GET',
    path: '/api/apps/{app}/env',
    scope: 'read',
    tag: 'apps',
    summary: 'Settings of an app',
    description: 'Plain settings with their values; of secrets only the names.',
    answer: { kind: 'json', status: 200, schema: envSchema },
    async handle(cloud, { path }) {
      const { env, secretNames } = await cloud.showApp(path('app'));
      return { env, secretNames };
    },
  }),
  defineOperation({
    id: 'changeEnv',
    method: 'PATCH',
    path: '/api/apps/{app}/env',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Change settings and secrets',
    description: 'All at once; the instances restart one by one when something changed.',
    json: object({
      set: optional(settings),
      unset: optional(names),
      setSecrets: optional(settings),
      unsetSecrets: optional(names),
    }),
    answer: progressToTheEnd,
    handle: (cloud, { path, body }) => cloud.changeEnv(path('app'), body),
  }),
  defineOperation({
    id: 'setDomains',
    method: 'PUT',
    path: '/api/apps/{app}/domains',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Set the further host names of an app',
    description: 'Replaces the whole list; the name.localhost address stays.',
    json: object({
      domains: array(string({ lengthMax: 253 }), { itemsMax: DOMAINS_PER_APP_MAX }),
    }),
    answer: { kind: 'empty' },
    handle: (cloud, { path, body }) => cloud.setDomains(path('app'), body.domains),
  }),
];
