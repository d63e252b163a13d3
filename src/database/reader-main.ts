/**
 * A process that reads stripes' files for the database: what may take long and cannot be stopped otherwise than by ending it. One
 * request at a time; it ends with its parent.
 */
import { statSync } from 'node:fs';
import { systemClock } from '../base/time.ts';
import { failureBody } from './errors.ts';
import { Reader } from './reader.ts';
import type { ReaderReply, ReaderRequest } from './reader-pool.ts';

const FILES_KEPT = 16;
const readers = new Map<string, { readonly reader: Reader; readonly ino: number }>();

process.on('message', (request: ReaderRequest) => {
  let reply: ReaderReply;
  try {
    reply = { value: answer(request) };
  } catch (error) {
    reply = { failure: failureBody(error) };
  }
  process.send?.(reply);
});
process.on('disconnect', () => process.exit());

function answer(request: ReaderRequest): unknown {
  const reader = readerOf(request.path);
  if (request.kind === 'query') {
    reader.requireSchema(request.planned);
    return reader.query(request.statement, request.readMs);
  }
  if (request.kind === 'digest') return reader.digest();
  reader.copyTo(request.to);
  const copy = new Reader(request.to, () => systemClock.monotonicMs());
  try {
    return copy.applied();
  } finally {
    copy[Symbol.dispose]();
  }
}

/** A copy that is built anew is another file under the same name. */
function readerOf(path: string): Reader {
  const { ino } = statSync(path);
  const known = readers.get(path);
  if (known?.ino === ino) return known.reader;
  known?.reader[Symbol.dispose]();
  readers.delete(path);
  for (const [oldest, { reader }] of readers) {
    if (readers.size < FILES_KEPT) break;
    reader[Symbol.dispose]();
    readers.delete(oldest);
  }
  const reader = new Reader(path, () => systemClock.monotonicMs());
  readers.set(path, { reader, ino });
  return reader;
}
