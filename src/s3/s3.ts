/** Door of `s3`: the file store as Amazon's S3. */
export { LifecycleWorker } from './lifecycle-worker.ts';
export { S3Face, type S3FaceOptions } from './s3-face.ts';
