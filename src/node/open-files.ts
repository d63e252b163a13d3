/** One step of a node's start: the files of the cluster, what their process has to know of it, and what apps get of both. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Accounts } from '../accounts/accounts.ts';
import type { AppServices } from '../apps/apps.ts';
import type { Databases } from '../databases/databases.ts';
import { Files } from '../files/files.ts';
import type { ListenChoice } from './listen-choice.ts';
import type { NodeCluster } from './node-cluster.ts';
import type { Base } from './node-parts.ts';

const FACES: string = fileURLToPath(new URL('./files-faces.ts', import.meta.url));
/** Of `src`: what `files-faces.ts` loads. */
const FACE_FOLDERS: readonly string[] = ['s3', 'webdav', 'xml'];

export async function openFiles(
  { options, folder, registry, nodeRegistry, identity, clock, log }: Base,
  given: {
    readonly cluster: NodeCluster;
    readonly accounts: Accounts;
    readonly databases: Databases;
    readonly choice: ListenChoice;
    readonly onSilence: (isSilent: boolean) => void;
  },
  stack: AsyncDisposableStack,
): Promise<Files> {
  const { cluster, accounts, databases, choice, onSilence } = given;
  const own = { runFolder: folder.run, logFolder: folder.logs };
  const files = stack.use(
    new Files({
      folders: { folder: join(folder.path, 'files'), ...own },
      databaseFolders: { folder: folder.databases, ...own },
      ownStorage: join(folder.path, 'files', 'main'),
      registry,
      sealer: identity.sealer,
      accounts,
      peers: cluster.peers,
      databases,
      access: () =>
        nodeRegistry.place === undefined
          ? undefined
          : {
              clusterId: identity.cluster.id,
              cert: identity.certificate.certificatePem,
              key: identity.certificate.keyPem,
              authority: identity.trustedPem,
            },
      address: choice.api.address,
      ports: { s3: options.s3Port, webdav: options.webdavPort },
      faces: FACES,
      faceFolders: FACE_FOLDERS,
      onSilence,
      clock,
      log: log.for('files'),
    }),
  );
  await files.start();
  stack.use(identity.onRenewed(() => files.changed()));
  stack.use(nodeRegistry.onPlace(() => files.changed()));
  return files;
}

/** What an app gets of other parts: its database and its bucket in its environment, and folders of buckets to mount. */
export function appServices(databases: Databases, files: Files): AppServices {
  return {
    environmentOf: async (app, settings) => ({
      ...(await databases.environmentOf(app, settings)),
      ...(await files.environmentOf(app, settings)),
    }),
    folderOf: (app, place) => files.folderOf(app, place),
  };
}
