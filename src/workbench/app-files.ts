/** Where the files of an app lie on this machine: in its folder, or where the variables `S3_…` say. */
import { join } from 'node:path';
import { type FileKeeper, FolderFiles, S3Files, s3PlaceOf } from '../web/web.ts';

export function appFiles(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
): FileKeeper {
  const place = s3PlaceOf(env);
  return place === undefined ? new FolderFiles(join(root, '.moln', 'files')) : new S3Files(place);
}
