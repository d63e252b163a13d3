/** Images of a deployed app in the widths that its pages ask for: as they are without sharp, smaller with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import { freePorts } from '../../testing/free-ports.ts';
import { runMoln } from '../../testing/moln.ts';
import { REGISTRY_SETTINGS, registryAway } from '../../testing/npm-registry.ts';
import { step } from '../../testing/step.ts';
import { TestNode } from '../../testing/test-node.ts';
import { until } from '../../testing/until.ts';
import { Visitor } from '../../testing/visitor.ts';

const SIDE = 200;
const WIDTH = 40;
const SHARP = '0.35.5';

interface Shown {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly cached: string;
  readonly bytes: Buffer;
}

/** A square in one colour (PNG, 3rd edition, §5 and §11.2). */
function png(side: number): Buffer<ArrayBuffer> {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const named = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const lines = Buffer.alloc(side * (1 + 3 * side));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', new Uint8Array()),
  ]);
}

test('images are shown as wide as pages ask for', async (t) => {
  const away = await registryAway();
  // Its own ports: the usual ones may be another node's, and then apps have no place for files.
  const [s3 = 0, webdav = 0] = await freePorts('127.0.0.1', 2);
  const args = ['--s3-port', String(s3), '--webdav-port', String(webdav)];
  await using node = await TestNode.start(t, { args, env: REGISTRY_SETTINGS });
  const folder = mkdtempSync(join(tmpdir(), 'moln-web-images-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = { ...REGISTRY_SETTINGS, PATH: process.env['PATH'] ?? '', HOME: folder };
  let cwd = folder;
  const typed = async (line: string): Promise<void> => {
    const options = { env: { ...env, MOLN_DATA: node.dataFolder }, cwd };
    const { code, stdout, stderr } = await runMoln(line.split(' ').slice(1), options);
    assert.equal(code, 0, `${line}\n${stdout}${stderr}`);
  };
  const visitor = new Visitor((path, options) => node.get('gallery', path, options));
  /** The image on that page. */
  const shown = async (page: string): Promise<Shown> => {
    const path = /<img src="([^"]+)"/.exec(page)?.[1] ?? '';
    const asked = get({
      host: node.address,
      port: node.ports.http,
      path: path.replaceAll('&amp;', '&'),
      headers: { host: `gallery.localhost:${node.ports.http}` },
    });
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const { statusCode: status, headers } = answer;
    const { 'content-type': type, 'cache-control': cached = '' } = headers;
    return { status, type, cached, bytes: await buffer(answer) };
  };
  const picture = new File([png(SIDE)], 'a.png', { type: 'image/png' });
  let page = '';

  await step(t, 'without sharp the original is shown', async () => {
    await typed('moln new gallery');
    cwd = join(folder, 'gallery');
    await typed('moln generate scaffold photo title:string image:file');
    const path = join(cwd, 'app/views/photos.tsx');
    const view = readFileSync(path, 'utf8')
      .replace(
        '<dl>',
        `<img src={imageUrl(photo.image, { width: ${WIDTH} })} alt="" />\n      <dl>`,
      )
      .replace('Inputs', 'imageUrl, Inputs');
    assert.match(view, /<img src/);
    writeFileSync(path, view);
    await typed('moln deploy');
    await typed('moln app gallery env S3_BUCKET=gallery-files');
    await until('the store takes it', async () => {
      page = await visitor.submit('/photos/new', { title: 'One', image: picture });
      return page.includes('<img');
    });
    const { status, type, bytes } = await shown(page);
    assert.deepEqual([status, type], [200, 'image/png']);
    assert.deepEqual(bytes, png(SIDE));
  });

  await t.test('with sharp it is smaller', { skip: away !== undefined && away }, async () => {
    const path = join(cwd, 'package.json');
    const about = JSON.parse(readFileSync(path, 'utf8')) as Record<string, object>;
    about['dependencies'] = { ...about['dependencies'], sharp: SHARP };
    writeFileSync(path, JSON.stringify(about));
    await typed('moln deploy');
    page = await visitor.submit('/photos/new', { title: 'Two', image: picture });
    const { status, type, cached, bytes } = await shown(page);
    assert.deepEqual([status, type], [200, 'image/webp']);
    assert.match(cached, /immutable/);
    // Of a lossy one, behind the marks of file and frame (RFC 9649 §2.4, RFC 6386 §9.1).
    assert.equal(bytes.toString('latin1', 8, 16), 'WEBPVP8 ');
    assert.deepEqual(
      [bytes.readUInt16LE(26) & 0x3fff, bytes.readUInt16LE(28) & 0x3fff],
      [WIDTH, WIDTH],
    );
    const none = new File(['no image'], 'b.png', { type: 'image/png' });
    page = await visitor.submit('/photos/new', { title: 'Three', image: none });
    const refused = await shown(page);
    assert.equal(refused.status, 422);
    assert.match(refused.bytes.toString(), /no image that can be read/);
  });
});
