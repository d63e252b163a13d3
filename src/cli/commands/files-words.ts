/** How places in buckets are written on the command line. */
import type { Context } from '../command.ts';
import { usageError } from '../errors.ts';
import type { FileInfo } from '../files-client.ts';

const PAGE = 1000;

/** `BUCKET` or `BUCKET/KEY`, with or without `s3://` before it. Throws `CLI_USAGE`. */
export function readPlace(text: string): { readonly bucket: string; readonly key: string } {
  const plain = text.replace(/^s3:\/\//, '');
  const at = plain.indexOf('/');
  const bucket = at < 0 ? plain : plain.slice(0, at);
  if (bucket === '') throw usageError(`"${text}" names no bucket`, 'Write it as BUCKET/KEY');
  return { bucket, key: at < 0 ? '' : plain.slice(at + 1) };
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
