/** How a rented storage is reached. */
import type { Clock } from '../base/time.ts';
import { RENTED_ANSWER_MS, RENTED_REQUESTS } from './limits.ts';
import type { RentedAddress } from './rented-address.ts';
import type { RentedFolder } from './rented-folder.ts';
import { S3Folder } from './s3-folder.ts';
import { usualKeysFile } from './s3-keys.ts';
import { SftpSession, sshCommand } from './sftp-session.ts';

export interface RentedMeans {
  /** What speaks SFTP; default: `ssh`. */
  readonly command?: readonly string[];
  /** Where the keys of a bucket are; default: `~/.aws/credentials`. */
  readonly keysFile?: string;
  readonly clock: Clock;
}

/** Nothing may be asked before it is `greeted`. */
export function reach(address: RentedAddress, means: RentedMeans): RentedFolder {
  const { command = sshCommand(address), keysFile = usualKeysFile(), clock } = means;
  const how = { answerMs: RENTED_ANSWER_MS, atOnce: RENTED_REQUESTS, clock };
  return address.scheme === 'sftp'
    ? SftpSession.start({ command, ...how })
    : new S3Folder({ address, keysFile, ...how });
}
