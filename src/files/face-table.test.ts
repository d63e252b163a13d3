/** Faces whose ports are taken, with real sockets: nobody is led to them until they are free. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '../base/log.ts';
import { bindTcp } from '../net/net.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { until } from '../../testing/until.ts';
import { FaceTable } from './face-table.ts';
import type { FaceContext, FaceMaker } from './faces.ts';
import { FACE_AGAIN_MS } from './limits.ts';

const ADDRESS = '127.0.0.1';

function faceOf(name: FaceMaker['name']): FaceMaker {
  return {
    name,
    async open({ at }) {
      const server = createServer();
      assert.ok('port' in at);
      await bindTcp(server, at);
      return { [Symbol.asyncDispose]: async () => void (await once(server.close(), 'close')) };
    },
  };
}

test('a face whose port is taken is told of, named to nobody, and listens when the port is free', async () => {
  const stranger = createServer();
  await bindTcp(stranger, { address: ADDRESS, port: 0 });
  const { port } = stranger.address() as AddressInfo;
  const clock = new ManualClock();
  await using faces = new FaceTable({
    makers: [faceOf('s3'), faceOf('webdav')],
    contextOf: (face) =>
      face === 's3' ? ({ at: { address: ADDRESS, port } } as FaceContext) : undefined,
    clock,
    log: silentLogger,
  });
  await faces.open();
  assert.deepEqual(faces.listening(), {});
  assert.match(
    faces.warnings().join(),
    new RegExp(`^Files are not served over S3 here: Port ${port} .*is taken.*--s3-port PORT`),
  );
  await once(stranger.close(), 'close');
  await until('the face listens', () => {
    clock.advance(FACE_AGAIN_MS);
    return faces.warnings().length === 0;
  });
  assert.deepEqual(faces.listening(), { s3: `http://${ADDRESS}:${port}` });
});
