/** dev only */
import { FileKit } from './file-kit.ts';
import { S3Face } from '../src/s3/s3.ts';
import { systemClock } from '../src/base/time.ts';
const key = (id: string, owner: string) => ({
  id,
  secret: `${id}secret`,
  owner,
  may: 'all' as const,
});
const kit = await FileKit.start({
  accessKeys: [key('MAIN', 'main'), key('ALT', 'alt'), key('TENANT', 'tenant')],
});
const log: any = new Proxy(
  {},
  {
    get:
      (_t, level) =>
      (...x: unknown[]) =>
        console.log(String(level), JSON.stringify(x)),
  },
);
const people = (id: string) =>
  Promise.resolve(
    ['main', 'alt', 'tenant'].includes(id.replace('@example.com', ''))
      ? { id: id.replace('@example.com', ''), name: `${id.replace('@example.com', '')} name` }
      : undefined,
  );
const face = new S3Face({
  store: kit.store,
  clock: systemClock,
  log,
  people,
  ...(process.env['DOMAINS'] ? { domains: process.env['DOMAINS'].split(',') } : {}),
});
const server = face.server();
server.listen(7430, '127.0.0.1', () => console.log('ready'));
try {
  const { WebDavFace } = await import('../src/webdav/webdav.ts' as string);
  const dav = new WebDavFace({
    store: kit.store,
    clock: systemClock,
    log,
    whoIs: async (_u: string, p: string) =>
      p === 'secret' ? { owner: 'main', may: 'all', readOnly: false } : undefined,
  });
  dav.server().listen(7431, '127.0.0.1', () => console.log('dav ready'));
} catch (e) {
  console.log('no dav', String(e).slice(0, 200));
}
process.on('SIGTERM', () => {
  void kit[Symbol.asyncDispose]().then(() => process.exit());
});
