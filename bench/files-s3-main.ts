/** The file process of `files-s3.ts`: the S3 face over two folders and a database process. Ends when its parent lets go of it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { useDiskThreads } from '../src/base/disk-threads.ts';
import { silentLogger } from '../src/base/log.ts';
import { systemClock } from '../src/base/time.ts';
import { proveHandles } from '../src/net/net.ts';
import { S3Face } from '../src/s3/s3.ts';
import { FileKit } from '../testing/file-kit.ts';

useDiskThreads(process.env);
const [id = '', secret = '', bucket = ''] = process.argv.slice(2);
await using kit = await FileKit.start({
  places: 2,
  accessKeys: [{ id, secret, owner: 'bench', may: 'all' }],
});
await proveHandles();
const { store } = kit;
await store.createBucket(bucket, { owner: 'bench' });
const server = new S3Face({ store, clock: systemClock, log: silentLogger }).server();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
const record = JSON.parse(readFileSync(join(kit.folder, 'run', 'databases.json'), 'utf8')) as {
  readonly process: { readonly pid: number };
};
process.send?.({
  port: typeof address === 'object' ? address?.port : undefined,
  databasePid: record.process.pid,
});
await once(process, 'disconnect');
server.close();
server.closeAllConnections();
