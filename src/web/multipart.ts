/**
 * Reads forms with files (RFC 7578) as they come: text into memory, files into a folder that is given, never whole in memory.
 * The only file that knows the parser.
 */
import { createWriteStream, openAsBlob } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { isMolnError, MolnError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { formatBytes } from '../base/units.ts';

const FIELDS_MAX = 1000;
const FILES_MAX = 50;
const PART_HEADERS_MAX = 20;

export interface MultipartOptions {
  /** Of the whole body. */
  readonly bytesMax: number;
  /** Of all that is no file. */
  readonly textBytesMax: number;
  /** Asked before the first file is kept, with the fields that came before it; throws when the visitor may send none. */
  readonly admit: (fields: ReadonlyMap<string, string>) => void;
  /** Where files lie until the request is answered. */
  readonly folder: () => string;
}

/** In the order in which they came. Files are `File`s whose bytes lie on disk. Throws `WEB_BODY_TOO_LARGE` or `WEB_BAD_BODY`. */
export async function readMultipart(
  request: Request,
  options: MultipartOptions,
): Promise<readonly (readonly [name: string, value: string | File])[]> {
  const parts: Promise<readonly [string, string | File]>[] = [];
  const files: BusboyFileStream[] = [];
  const texts = new Map<string, string>();
  let textBytes = 0;
  let isAdmitted = false;
  const parser = parserOf(request);
  /** Ends the reading with this error. */
  const guarded = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      parser.destroy(error as Error);
    }
  };
  parser.on('field', (name, value, _nameCut, isCut) =>
    guarded(() => {
      textBytes += Buffer.byteLength(name) + Buffer.byteLength(value);
      if (isCut || textBytes > options.textBytesMax) throw tooLarge(options.textBytesMax);
      texts.set(name, value);
      parts.push(Promise.resolve([name, value]));
    }),
  );
  parser.on('file', (name, stream, fileName, _encoding, type) =>
    guarded(() => {
      // What a form sends for a field in which nothing was chosen.
      if (fileName === undefined || fileName === '') return void stream.resume();
      if (!isAdmitted) options.admit(texts);
      isAdmitted = true;
      files.push(stream);
      const part = keep(stream, options).then(
        (bytes) => [name, new File([bytes], fileName, { type })] as const,
      );
      // It is awaited below, unless the whole fails first.
      part.catch(() => undefined);
      parts.push(part);
    }),
  );
  for (const event of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const)
    parser.on(event, () => void parser.destroy(badBody(undefined)));
  try {
    await pipeline(Readable.from(limited(request, options.bytesMax)), parser);
  } catch (error) {
    // The parser leaves a file open whose end it has not seen.
    for (const file of files) file.destroy();
    await Promise.allSettled(parts);
    throw isMolnError(error) ? error : badBody(error);
  }
  return await Promise.all(parts);
}

function parserOf(request: Request) {
  try {
    return new Busboy({
      headers: { 'content-type': request.headers.get('content-type') ?? '' },
      limits: { fields: FIELDS_MAX, files: FILES_MAX, headerPairs: PART_HEADERS_MAX },
    });
  } catch (error) {
    // No boundary.
    throw badBody(error);
  }
}

async function keep(stream: BusboyFileStream, { folder }: MultipartOptions): Promise<Blob> {
  // At once: the stream may break, and somebody must listen.
  const path = join(folder(), randomId());
  await pipeline(stream, createWriteStream(path, { flags: 'wx' }));
  return await openAsBlob(path);
}

async function* limited(request: Request, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    yield chunk;
  }
}

function tooLarge(bytesMax: number): MolnError {
  return new MolnError('WEB_BODY_TOO_LARGE', `The request has more than ${formatBytes(bytesMax)}`);
}

function badBody(cause: unknown): MolnError {
  return new MolnError('WEB_BAD_BODY', 'The form that was sent cannot be read', { cause });
}
