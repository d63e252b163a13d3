/** Door of `webdav`: the file store as a network folder. */
import { type FaceContext, type FaceMaker, listenAt } from '../files/files.ts';
import { sameSecret } from '../base/ids.ts';
import type { Caller } from './dav-call.ts';
import { WebDavFace } from './webdav-face.ts';

export { WebDavFace, type WebDavFaceOptions } from './webdav-face.ts';

export const webDavFace: FaceMaker = {
  name: 'webdav',
  async open(context) {
    const { store, clock, log, at } = context;
    await using stack = new AsyncDisposableStack();
    const whoIs = (user: string, password: string): Promise<Caller | undefined> =>
      callerOf(context, user, password);
    const server = new WebDavFace({ store, clock, log, whoIs }).server();
    stack.use(await listenAt(server, at));
    return stack.move();
  },
};

/** A token of the cluster as password, whatever the name; or an access key and its secret. */
async function callerOf(
  { store, keyOfToken }: FaceContext,
  user: string,
  password: string,
): Promise<Caller | undefined> {
  const byToken = await keyOfToken(password);
  if (byToken !== undefined) return byToken;
  const key = user === '' ? undefined : await store.accessKey(user);
  if (key === undefined || !sameSecret(password, key.secret)) return undefined;
  return { owner: key.owner, may: key.may, readOnly: false };
}
