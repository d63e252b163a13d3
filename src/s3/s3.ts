/** Door of `s3`: the file store as Amazon's S3. */
import { WorkerRunner } from '../base/worker.ts';
import type { FaceMaker } from '../files/files.ts';
import { bindTcp } from '../net/net.ts';
import { LifecycleWorker } from './lifecycle-worker.ts';
import { S3Face } from './s3-face.ts';

export { LifecycleWorker } from './lifecycle-worker.ts';
export { S3Face, type S3FaceOptions } from './s3-face.ts';

export const s3Face: FaceMaker = {
  name: 's3',
  async open({ store, clock, log, address, port, people }) {
    await using stack = new AsyncDisposableStack();
    const server = new S3Face({ store, clock, log, people }).server();
    await bindTcp(server, { address, port });
    stack.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    const workers = stack.use(new WorkerRunner({ clock, log }));
    workers.add(new LifecycleWorker({ store, clock, log }));
    return stack.move();
  },
};
