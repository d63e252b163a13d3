/** Door of `s3`: the file store as Amazon's S3. */
import { WorkerRunner } from '../base/worker.ts';
import { type FaceMaker, listenAt } from '../files/files.ts';
import { proveHandles } from '../net/net.ts';
import type { Access } from './access-log.ts';
import { AccessLogWorker } from './access-log-worker.ts';
import { LifecycleWorker } from './lifecycle-worker.ts';
import { S3Face } from './s3-face.ts';

export { LifecycleWorker } from './lifecycle-worker.ts';
export { S3Face, type S3FaceOptions } from './s3-face.ts';

export const s3Face: FaceMaker = {
  name: 's3',
  async open({ store, clock, log, at, people }) {
    await using stack = new AsyncDisposableStack();
    if (!(await proveHandles()))
      log.warn('Sockets of this Node are not as expected: S3 works, and costs more');
    const logs = new AccessLogWorker({ store, clock, log });
    // At the end, when nobody asks any more.
    stack.defer(() => logs.finish());
    const note = (access: Access): void => logs.note(access);
    stack.use(await listenAt(new S3Face({ store, clock, log, people, note }).server(), at));
    const workers = stack.use(new WorkerRunner({ clock, log }));
    workers.add(new LifecycleWorker({ store, clock, log }));
    workers.add(logs);
    return stack.move();
  },
};

/** Websites of buckets, for the gateways of this machine: they say which bucket a request is for. */
export const websiteFace: FaceMaker = {
  name: 'website',
  async open({ store, clock, log, at }) {
    await using stack = new AsyncDisposableStack();
    stack.use(
      await listenAt(new S3Face({ store, clock, log, isBehindGateway: true }).server(), at),
    );
    return stack.move();
  },
};
