/** Where the file process listens and writes; apart from the process, for its agent knows them too. */
import { join } from 'node:path';

export interface FilesFolders {
  readonly folder: string;
  readonly runFolder: string;
  readonly logFolder: string;
}

export interface FilesPaths {
  readonly socket: string;
  readonly peerSocket: string;
  readonly record: string;
  readonly log: string;
  readonly output: string;
}

export function filesPaths({ runFolder, logFolder }: FilesFolders): FilesPaths {
  return {
    socket: join(runFolder, 'files.sock'),
    peerSocket: join(runFolder, 'files.peers'),
    record: join(runFolder, 'files.json'),
    log: join(logFolder, 'files.jsonl'),
    output: join(logFolder, 'files.out'),
  };
}

/** Where buckets are websites for the gateways of this machine, once its file process serves. */
export function websiteSocket(runFolder: string): string {
  return join(runFolder, 'files.websites');
}
