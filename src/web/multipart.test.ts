import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readMultipart } from './multipart.ts';

const LINES = [
  '--b',
  'Content-Disposition: form-data; name="title"',
  '',
  'Hello',
  '--b',
  'Content-Disposition: form-data; name="photo"; filename="../../a.png"',
  'Content-Type: image/png',
  '',
  'bytes',
  '--b--',
  '',
];
const WHOLE = LINES.join('\r\n');

test('a form that breaks off anywhere, in pieces of any size, is refused and harms nothing', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'moln-multipart-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const read = async (text: string, pieceBytes: number) => {
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (at >= text.length) return controller.close();
        controller.enqueue(Buffer.from(text.slice(at, (at += pieceBytes))));
      },
    });
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    const how = { method: 'POST', headers, body, duplex: 'half' };
    const request = new Request('http://a.test', how);
    const options = { bytesMax: 1000, textBytesMax: 100, admit: () => undefined };
    return await readMultipart(request, { ...options, folder: () => folder });
  };
  for (const pieceBytes of [1, 7, 1000]) {
    const [title, photo] = await read(WHOLE, pieceBytes);
    assert.deepEqual(title, ['title', 'Hello']);
    const file = photo?.[1];
    assert.ok(file instanceof File);
    assert.deepEqual([file.name, await file.text()], ['a.png', 'bytes']);
    // Without the last line break it is whole.
    for (let length = 0; length < WHOLE.length - 4; length++) {
      await assert.rejects(read(WHOLE.slice(0, length), pieceBytes), { code: 'WEB_BAD_BODY' });
    }
  }
  await assert.rejects(read(WHOLE.replace('Hello', 'x'.repeat(101)), 7), /more than 100 B/);
  await assert.rejects(read(WHOLE.replace('bytes', 'x'.repeat(1001)), 7), /more than 1000 B/);
});
