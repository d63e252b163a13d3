/** How places in buckets are written on the command line. */
import { usageError } from '../errors.ts';

/** `BUCKET` or `BUCKET/KEY`, with or without `s3://` before it. Throws `CLI_USAGE`. */
export function readPlace(text: string): { readonly bucket: string; readonly key: string } {
  const plain = text.replace(/^s3:\/\//, '');
  const at = plain.indexOf('/');
  const bucket = at < 0 ? plain : plain.slice(0, at);
  if (bucket === '') throw usageError(`"${text}" names no bucket`, 'Write it as BUCKET/KEY');
  return { bucket, key: at < 0 ? '' : plain.slice(at + 1) };
}
