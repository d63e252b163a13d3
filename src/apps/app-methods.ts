/** What other nodes may ask of this node's apps. */
import { pipeline } from 'node:stream/promises';
import { isMolnError, messageOf, MolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { boolean, object, type Schema, string } from '../base/schema.ts';
import type { NodeMethods } from '../cluster/cluster.ts';
import { encodeLine } from '../net/net.ts';
import type { Commands } from './commands.ts';
import { drainOf } from './far-command.ts';
import type { LogReader, LogRequest } from './log-reader.ts';
import type { NodeRollout, Preparation } from './node-rollout.ts';
import type { ReleaseCopier } from './release-copy.ts';

const APP = /^[a-z][a-z0-9-]{0,39}$/;
const appName: Schema<string> = string({ pattern: APP, patternMeans: 'the name of an app' });
const appSchema = object({ app: appName });
const finishSchema = object({ app: appName, force: boolean() });
const releaseSchema = object({
  app: appName,
  id: string({ pattern: /^[0-9a-f]{12}$/, patternMeans: 'the id of a release' }),
});

export function appMethods(parts: {
  readonly local: NodeRollout;
  readonly copier: ReleaseCopier;
  readonly logs: LogReader;
  readonly commands: Commands;
  readonly log: Logger;
}): NodeMethods {
  const { local, copier, logs, commands, log } = parts;
  const silent = { step: () => {} };
  return {
    methods: {
      'apps.prepare': async (params, { signal, peer }) => {
        const wanted = params as Preparation;
        appName.decode(wanted.app.name, 'app.name');
        const report = { ...silent, output: () => {}, signal, decided: () => {} };
        await expected(log, () => local.prepare(wanted, report, peer.id));
        return {};
      },
      'apps.abandon': async (params, { peer }) => {
        await local.abandon(appSchema.decode(params, '').app, peer.id);
        return {};
      },
      'apps.finish': async (params) => {
        const { app, force } = finishSchema.decode(params, '');
        await local.finish(app, { force, report: silent });
        return {};
      },
      'apps.forget': async (params) => {
        await local.forget(appSchema.decode(params, '').app);
        return {};
      },
    },
    streams: {
      ...commands.streams(),
      'apps.release': async (params) => {
        const { app, id } = releaseSchema.decode(params, '');
        const tar = await copier.pack(app, id);
        return (stream) => {
          stream.resume();
          return pipeline(tar, stream);
        };
      },
      'apps.logs': (params, { signal }) => {
        const request = params as LogRequest;
        appName.decode(request.app, 'app');
        return Promise.resolve(async (stream) => {
          stream.resume();
          for await (const line of logs.read(request, signal)) {
            if (!stream.write(encodeLine(line))) await drainOf(stream);
          }
          stream.end();
        });
      },
    },
  };
}

/** Errors of apps are told to the coordinator, also those that are nobody's fault here. */
async function expected(log: Logger, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (isMolnError(error)) throw error;
    log.error('A node could not prepare a change', { error });
    throw new MolnError('APPS_FAILED', `The node could not prepare it: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
