/**
 * A process that reads stripes' files for the database: what may take long and cannot be stopped otherwise than by ending it, and
 * views that stay as they are while the file goes on. One request at a time; it ends with its parent.
 */
import { statSync } from 'node:fs';
import { systemClock } from '../base/time.ts';
import type { Applied } from './applied.ts';
import { failureBody, viewEnded } from './errors.ts';
import { Reader } from './reader.ts';
import type { ReaderReply, ReaderRequest, ShutView } from './reader-process.ts';
import type { StatementResult, StripeDigest } from './statement.ts';

const FILES_KEPT = 16;
/** Connections that no view uses now: a new one costs more than most views. */
const RESTING_KEPT = 32;
/** For files that are gone. */
const LOOK_EVERY_MS = 5000;

interface OpenFile {
  readonly path: string;
  /** A copy that is built anew is another file under the same name. */
  readonly ino: number;
  readonly reader: Reader;
}

const views = new Map<number, OpenFile>();
const resting: OpenFile[] = [];
const readers = new Map<string, OpenFile>();

process.on('message', (request: ReaderRequest | ShutView) => {
  if (request.kind === 'shut') shutView(request.view);
  else void handle(request);
});
process.on('disconnect', () => process.exit());
systemClock.every(LOOK_EVERY_MS, closeGone);
process.send?.({ isReady: true } satisfies ReaderReply);

async function handle(request: ReaderRequest): Promise<void> {
  let reply: ReaderReply;
  try {
    reply = { value: await answer(request) };
  } catch (error) {
    reply = { failure: failureBody(error) };
  }
  process.send?.(reply);
}

/** By a connection of its own: this may take long, and files that are gone are closed meanwhile. */
async function digest(path: string): Promise<StripeDigest> {
  using reader = newReader(path);
  return await reader.digest(tellBegun);
}

/** It has left the process when this is done, whatever the process does then. */
async function tellBegun(begun: unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const reply: ReaderReply = { begun };
    process.send?.(reply, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

async function answer(request: ReaderRequest): Promise<unknown> {
  switch (request.kind) {
    case 'query': {
      const reader = readerOf(request.path);
      reader.requireSchema(request.planned);
      return reader.query(request.statement, request.readMs);
    }
    case 'digest':
      return await digest(request.path);
    case 'copy':
      return copy(request.path, request.to);
    case 'open':
      return await openView(request);
    case 'look':
      return viewOf(request.view).reader.query(request.statement, request.readMs);
  }
}

function copy(path: string, to: string): Applied {
  readerOf(path).copyTo(to);
  const made = newReader(to);
  try {
    return made.applied();
  } finally {
    made[Symbol.dispose]();
  }
}

/** What it is as of, or what was read at once. */
async function openView({
  first,
  path,
  view,
}: Extract<ReaderRequest, { kind: 'open' }>): Promise<Applied | StatementResult> {
  const { ino } = statSync(path);
  const at = resting.findLastIndex((one) => one.path === path && one.ino === ino);
  const rested = at < 0 ? undefined : resting.splice(at, 1)[0];
  const file = rested ?? { path, ino, reader: newReader(path) };
  const applied = held(file);
  views.set(view, file);
  if (first === undefined) return applied;
  await tellBegun(applied);
  // It may have been shut meanwhile.
  return viewOf(view).reader.query(first.statement, first.readMs);
}

/** Of one that cannot be held nothing stays open: nobody will shut it. */
function held({ reader }: OpenFile): Applied {
  try {
    return reader.hold();
  } catch (error) {
    reader[Symbol.dispose]();
    throw error;
  }
}

function shutView(view: number): void {
  const file = viewOf(view);
  views.delete(view);
  file.reader.letGo();
  resting.push(file);
  if (resting.length > RESTING_KEPT) resting.shift()?.reader[Symbol.dispose]();
}

/** A database that was dropped, or a copy that is built anew, gets its room on the disk back when nobody has the file open. */
function closeGone(): void {
  const isGone = ({ path, ino }: OpenFile): boolean =>
    statSync(path, { throwIfNoEntry: false })?.ino !== ino;
  for (const file of resting.filter(isGone)) {
    resting.splice(resting.indexOf(file), 1);
    file.reader[Symbol.dispose]();
  }
  for (const file of [...readers.values()].filter(isGone)) {
    readers.delete(file.path);
    file.reader[Symbol.dispose]();
  }
}

function viewOf(view: number): OpenFile {
  const file = views.get(view);
  if (file === undefined) throw viewEnded('it is not known here');
  return file;
}

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
  const reader = newReader(path);
  readers.set(path, { path, ino, reader });
  return reader;
}

function newReader(path: string): Reader {
  return new Reader(path, () => systemClock.monotonicMs());
}
