/**
 * Images of an app's files in the widths that its pages ask for. Made by sharp, which is the app's own package ("npm install sharp"); without it the
 * original is shown. Addresses are signed, so nobody else chooses widths; browsers and gateways keep what was made.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { MolnError, systemCode } from '../base/errors.ts';
import { sameSecret } from '../base/ids.ts';
import { encodeUri } from '../base/uri.ts';
import { files, harmless, keyIn, sealOf } from './files.ts';

export const IMAGES_PATH = '/_moln/images/';
const ORIGINAL_BYTES_MAX: number = 64 * 1024 ** 2;
const PIXELS_MAX = 100_000_000;
const QUALITY = 80;
const WIDTH_MAX = 8192;

/** What is used of sharp. */
interface Sharp {
  rotate(): Sharp;
  resize(size: { readonly width: number; readonly withoutEnlargement: boolean }): Sharp;
  webp(options: { readonly quality: number }): Sharp;
  toBuffer(): Promise<Buffer<ArrayBuffer>>;
}
type SharpPackage = (bytes: Uint8Array, options: { readonly limitInputPixels: number }) => Sharp;

/** The address of an image of the app's files, as wide as said: `<img src={imageUrl(post.photo, { width: 320 })} alt="" />`. */
export function imageUrl(
  file: { readonly key: string },
  { width }: { readonly width: number },
): string {
  if (!Number.isInteger(width) || width < 1 || width > WIDTH_MAX)
    throw new MolnError('WEB_IMAGE', `An image is 1 to ${WIDTH_MAX} wide, not ${width}`);
  return `${IMAGES_PATH}${encodeUri(file.key, true)}?width=${width}&seal=${sealOf(file.key, { width })}`;
}

/** The answer to such an address. Throws `WEB_NOT_FOUND`, or `WEB_IMAGE` for what is no image. */
export async function shownImage(url: URL): Promise<Response> {
  const key = keyIn(url.pathname, IMAGES_PATH);
  const width = Number(url.searchParams.get('width'));
  const isSealed = sameSecret(url.searchParams.get('seal') ?? '', sealOf(key, { width }));
  const original = isSealed ? await files.get(key) : undefined;
  if (original === undefined)
    throw new MolnError('WEB_NOT_FOUND', 'There is no image at this address');
  const sharp = appPackage('sharp') as SharpPackage | undefined;
  const bytes = Number(original.headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  const shown =
    sharp === undefined || bytes > ORIGINAL_BYTES_MAX
      ? original
      : harmless(await resized(sharp, await original.bytes(), width));
  shown.headers.set('cache-control', 'public, max-age=31536000, immutable');
  return shown;
}

/** Turned as its camera was held; never wider than it is. */
async function resized(sharp: SharpPackage, bytes: Uint8Array, width: number): Promise<Response> {
  try {
    const made = await sharp(bytes, { limitInputPixels: PIXELS_MAX })
      .rotate()
      .resize({ width, withoutEnlargement: true })
      .webp({ quality: QUALITY })
      .toBuffer();
    return new Response(made, { headers: { 'content-type': 'image/webp' } });
  } catch (error) {
    throw new MolnError('WEB_IMAGE', 'This file is no image that can be read', { cause: error });
  }
}

/** A package that the app has, or undefined. */
function appPackage(name: string): unknown {
  try {
    return createRequire(join(process.cwd(), 'package.json'))(name) as unknown;
  } catch (error) {
    if (systemCode(error) === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
