/** Operations that bring releases live and look inside them: deploy, rollback, logs, run. */
import { object, optional, string } from '../../base/schema.ts';
import {
  COMMAND_WORDS_MAX,
  DOMAINS_PER_APP_MAX,
  LOG_TAIL_DEFAULT,
  LOG_TAIL_MAX,
  UPLOAD_IDLE_TIMEOUT_MS,
} from '../limits.ts';
import { MolnError } from '../../base/errors.ts';
import { defineOperation, type Operation } from '../operation.ts';
import { flagParam, integerParam, listParam, textParam } from '../query.ts';
import { logLineSchema, progressSchema, runOutputSchema } from '../schemas.ts';

export const releaseOperations: readonly Operation[] = [
  defineOperation({
    id: 'deployApp',
    method: 'POST',
    path: '/api/apps/{app}/deploy',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Deploy a folder',
    description:
      'Makes a release of the folder and brings it live; makes the app when there is none. The old ' +
      'release serves until the new one is healthy, and goes on when it is not.',
    query: {
      domain: listParam('A further host name of the app; added to those it has', {
        itemsMin: 0,
        itemsMax: DOMAINS_PER_APP_MAX,
      }),
    },
    stream: {
      contentType: 'application/x-tar',
      description: 'The folder as an uncompressed tar stream, paths relative to its root',
      idleTimeoutMs: UPLOAD_IDLE_TIMEOUT_MS,
    },
    answer: {
      kind: 'ndjson',
      item: progressSchema,
      whenClientLeaves: 'abort',
      lateFailure: 'progress',
    },
    handle(cloud, { path, query, stream, signal, caller }) {
      if (stream === undefined) {
        throw new MolnError('API_BODY_INVALID', 'There is no folder in the request', {
          hint: 'Send it as a tar stream, or use moln deploy DIR',
        });
      }
      const request = { app: path('app'), tar: stream, domains: query.domain, by: caller.name };
      return cloud.deploy(request, signal);
    },
  }),
  defineOperation({
    id: 'rollBackApp',
    method: 'POST',
    path: '/api/apps/{app}/rollback',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Bring an earlier release live',
    description: 'Without a release: the one that served before the current.',
    json: object({ release: optional(string({ lengthMax: 64 })) }),
    answer: {
      kind: 'ndjson',
      item: progressSchema,
      whenClientLeaves: 'finish',
      lateFailure: 'progress',
    },
    handle: (cloud, { path, body, caller }) =>
      cloud.rollback(path('app'), body.release, caller.name),
  }),
  defineOperation({
    id: 'readLogs',
    method: 'GET',
    path: '/api/apps/{app}/logs',
    scope: 'read',
    tag: 'apps',
    summary: 'What the instances write',
    description: 'The last lines, and with follow also those that come.',
    query: {
      tail: integerParam('Lines from the past', {
        min: 0,
        max: LOG_TAIL_MAX,
        fallback: LOG_TAIL_DEFAULT,
      }),
      follow: flagParam('Go on with new lines until the client leaves'),
      process: textParam('Only of this process type'),
      instance: textParam('Only of this instance'),
    },
    answer: {
      kind: 'ndjson',
      item: logLineSchema,
      whenClientLeaves: 'abort',
      lateFailure: 'error',
    },
    handle: (cloud, { path, query, signal }) => cloud.logs({ app: path('app'), ...query }, signal),
  }),
  defineOperation({
    id: 'runCommand',
    method: 'POST',
    path: '/api/apps/{app}/run',
    scope: 'deploy',
    tag: 'apps',
    summary: 'Run a command in the app',
    description:
      'In a fresh process with the release and settings of the app, or inside a running instance when ' +
      'one is named. Ends when the command ends; a client that leaves ends the command.',
    query: {
      command: listParam('One word of the command', { itemsMin: 1, itemsMax: COMMAND_WORDS_MAX }),
      instance: textParam('Id of a running instance to run inside of'),
    },
    stream: {
      contentType: 'application/octet-stream',
      description: 'Standard input of the command; may go on while output arrives',
      idleTimeoutMs: undefined,
    },
    answer: {
      kind: 'ndjson',
      item: runOutputSchema,
      whenClientLeaves: 'abort',
      lateFailure: 'error',
    },
    handle: (cloud, { path, query, stream, signal }) =>
      cloud.run(
        { app: path('app'), command: query.command, instance: query.instance, stdin: stream },
        signal,
      ),
  }),
];
