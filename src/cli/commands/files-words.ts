/** How places in buckets are written on the command line. */
import { isMolnError } from '../../base/errors.ts';
import type { Context } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import type { Bucket, FileInfo } from '../files-client.ts';
import { type FilePlace, getFile } from '../files-transfer.ts';
import { printable } from '../words.ts';

const PAGE = 1000;

/** `BUCKET` or `BUCKET/KEY`, with or without `s3://` before it. Throws `CLI_USAGE`. */
export function readPlace(text: string): { readonly bucket: string; readonly key: string } {
  const plain = text.replace(/^s3:\/\//, '');
  const at = plain.indexOf('/');
  const bucket = at < 0 ? plain : plain.slice(0, at);
  if (bucket === '') throw usageError(`"${text}" names no bucket`, 'Write it as BUCKET/KEY');
  return { bucket, key: at < 0 ? '' : plain.slice(at + 1) };
}

/** The same, of a file. Throws `CLI_USAGE`. */
export function readFilePlace(text: string): { readonly bucket: string; readonly key: string } {
  const place = readPlace(text);
  if (place.key !== '') return place;
  throw usageError(
    `"${text}" names a bucket, not a file`,
    `Write it as BUCKET/KEY; see what is there with "moln files ls ${place.bucket}"`,
  );
}

/** Says what the policy asks for and no storage can have now. */
export function noteLacks(
  { words }: Context,
  { policyLacks = [] }: Pick<Bucket, 'policyLacks'>,
): void {
  if (policyLacks.length === 0) return;
  words.note(`No storage is there now for: ${policyLacks.join(', ')} (see "moln storage list")`);
}

/** What a bucket has and a folder here cannot: says which, and how the command ends. */
export function endWith({ words }: Context, leftOut: readonly string[]): number {
  for (const key of leftOut)
    words.note(`Left out, for it cannot be a file here: ${printable(key)}`);
  return leftOut.length === 0 ? EXIT.ok : EXIT.failed;
}

/** For `--json`. */
export function ifAny(leftOut: readonly string[]): { readonly leftOut?: readonly string[] } {
  return leftOut.length === 0 ? {} : { leftOut };
}

/** Gets it, or notes it among those that are left out. */
export async function getUnlessTaken(
  context: Context,
  from: FilePlace,
  { path, leftOut }: { readonly path: string; readonly leftOut: string[] },
): Promise<boolean> {
  try {
    await getFile(context, from, path);
    return true;
  } catch (error) {
    if (!isMolnError(error, 'CLI_PATH_TAKEN')) throw error;
    leftOut.push(from.key);
    return false;
  }
}

/** All that is in a bucket below a prefix, or in one folder of it. */
export async function* pages(
  context: Context,
  bucket: string,
  { prefix, isDeep }: { readonly prefix: string; readonly isDeep: boolean },
): AsyncGenerator<{ readonly objects: readonly FileInfo[]; readonly prefixes: readonly string[] }> {
  for (let after: string | undefined; ;) {
    const page = await context
      .client()
      .files()
      .list(bucket, {
        prefix,
        limit: String(PAGE),
        ...(isDeep ? {} : { delimiter: '/' }),
        ...(after === undefined ? {} : { after }),
      });
    yield page;
    if (page.next === undefined) return;
    after = page.next.key;
  }
}

export async function* objectsBelow(
  context: Context,
  bucket: string,
  prefix: string,
): AsyncGenerator<FileInfo> {
  for await (const page of pages(context, bucket, { prefix, isDeep: true })) yield* page.objects;
}
