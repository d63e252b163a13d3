/**
 * Answers from folders: what the method, conditions, ranges and codings of a request ask for. Small files leave
 * memory as one prepared write; for all others a `StaticRequest` asks the disk first.
 */
import { close, constants, fstat, open } from 'node:fs';
import { promisify } from 'node:util';
import { randomId } from '../base/ids.ts';
import { chooseEncoding } from '../http/accept-encoding.ts';
import { evaluatePreconditions, type Preconditions } from '../http/conditional.ts';
import { FIELD, fieldSet } from '../http/field-names.ts';
import type { RequestHead } from '../http/head.ts';
import {
  contentRange,
  multipartRanges,
  parseRange,
  unsatisfiedRange,
  type ByteRange,
} from '../http/range.ts';
import { statusLine } from '../http/status.ts';
import type { Connection } from './connection.ts';
import { PAGE_POLICY } from './error-page.ts';
import { FileSender, type FilePiece } from './file-sender.ts';
import { folderPage } from './folder-page.ts';
import { SMALL_BYTES_MAX } from './outbox.ts';
import type { Plane } from './plane.ts';
import type { Responder } from './responder.ts';
import {
  SMALL_FILE_BYTES_MAX,
  StaticCache,
  type FileVersion,
  type StaticFile,
} from './static-cache.ts';
import { StaticFolder, type Found, type StaticTarget } from './static-folder.ts';

const CONDITIONS = fieldSet(
  FIELD.ifMatch,
  FIELD.ifNoneMatch,
  FIELD.ifModifiedSince,
  FIELD.ifUnmodifiedSince,
  FIELD.ifRange,
  FIELD.range,
);

/** Accept-Encoding values whose choice is remembered; the map is emptied when it is full. */
const CHOICES_MAX = 256;
/** Folders with remembered paths; the map is emptied when it is full. */
const FOLDERS_MAX = 1024;

/** In every answer: a browser asks again each time (304 is cheap), and never guesses a type. */
const COMMON_LINES = 'Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n';

const openFile = promisify(open);
const statFile = promisify(fstat);
const closeFile = promisify(close);

/** Where a route's files are. */
interface StaticPlace {
  readonly target: StaticTarget;
  readonly prefix: string;
}

/** What an answer depends on, kept while the disk is asked. */
interface Wishes {
  readonly acceptEncoding: string | undefined;
  readonly conditions: Preconditions | undefined;
  readonly range: string | undefined;
}

export class StaticFiles implements AsyncDisposable {
  private readonly plane: Plane;
  private readonly cache = new StaticCache();
  private readonly byTarget = new WeakMap<StaticTarget, StaticFolder>();
  /** Outlives configs: the same folder keeps what is known about it. */
  private readonly folders = new Map<string, StaticFolder>();
  private readonly choices = new Map<string, string>();
  private readonly running = new Set<Promise<void>>();

  constructor(plane: Plane) {
    this.plane = plane;
  }

  /**
   * Answers the request in the plane's scratch objects, at once or after a look at the disk. `place.prefix` is the
   * route's path without a final slash; what follows it in the request's path is looked up below the root.
   */
  answer(connection: Connection, head: RequestHead, place: StaticPlace): void {
    const { method } = connection.request;
    if (method !== 'GET' && method !== 'HEAD') {
      connection.answerBodyless(
        405,
        `${statusLine(405)}\r\n${this.plane.dateLine}Allow: GET, HEAD\r\nContent-Length: 0\r\n`,
      );
      return;
    }
    const folder = this.folder(place.target);
    const { path: whole, target: full } = this.plane.target;
    const path = place.prefix === '' ? whole : whole.slice(place.prefix.length);
    const file = folder.fresh(path, this.plane.coarseMs);
    if (file !== undefined && (head.seen & CONDITIONS) === 0 && method === 'GET') {
      const version = this.choose(file, head.joined(FIELD.acceptEncoding));
      if (version.body !== undefined && connection.plain) {
        this.answerWhole(connection, version);
        return;
      }
    }
    const request = new StaticRequest(this, connection, wishesOf(head));
    connection.answerBy(request);
    this.track(request.run(folder, path, `${whole}/${full.slice(whole.length)}`));
  }

  /** Lets looks at the disk that are under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.running);
  }

  /** The version for an Accept-Encoding; the plain one too when the client takes none (RFC 9110 12.5.3). */
  choose(file: StaticFile, accepts: string | undefined): FileVersion {
    if (accepts === undefined || file.coded.length === 0) return file.plain;
    const available = file.coded.map((one) => one.coding ?? '');
    const key = `${available.join()} ${accepts}`;
    let coding = this.choices.get(key);
    if (coding === undefined) {
      coding = chooseEncoding(accepts, available) ?? 'identity';
      if (this.choices.size >= CHOICES_MAX) this.choices.clear();
      this.choices.set(key, coding);
    }
    return file.coded.find((one) => one.coding === coding) ?? file.plain;
  }

  private folder(target: StaticTarget): StaticFolder {
    const known = this.byTarget.get(target);
    if (known !== undefined) return known;
    const key = JSON.stringify(target);
    const folder = this.folders.get(key) ?? new StaticFolder(target, this.cache);
    if (this.folders.size >= FOLDERS_MAX) this.folders.clear();
    this.folders.set(key, folder);
    this.byTarget.set(target, folder);
    return folder;
  }

  private answerWhole(connection: Connection, version: FileVersion): void {
    const { plane } = this;
    const { second } = plane;
    let { whole } = version;
    if (version.size > SMALL_FILE_BYTES_MAX && version.body !== undefined) {
      const head = answerHead(plane, version, 200, version.size);
      connection.answerBuffers(200, head, [version.body]);
      return;
    }
    if (whole?.second !== second) {
      const body = version.body ?? Buffer.alloc(0);
      const head = `${answerHead(plane, version, 200, version.size)}\r\n`;
      const bytes = Buffer.concat([Buffer.from(head, 'latin1'), body]);
      const answer = bytes.length <= SMALL_BYTES_MAX ? bytes.toString('latin1') : bytes;
      whole = { second, answer };
      version.whole = whole;
    }
    connection.answerPrepared(200, whole.answer);
  }

  private track(work: Promise<void>): void {
    const tracked = work.finally(() => this.running.delete(tracked));
    this.running.add(tracked);
  }
}

function wishesOf(head: RequestHead): Wishes {
  const range = head.joined(FIELD.range);
  return {
    acceptEncoding: head.joined(FIELD.acceptEncoding),
    range,
    conditions:
      (head.seen & CONDITIONS) === 0
        ? undefined
        : {
            ifMatch: head.joined(FIELD.ifMatch),
            ifNoneMatch: head.joined(FIELD.ifNoneMatch),
            ifModifiedSince: head.value(FIELD.ifModifiedSince),
            ifUnmodifiedSince: head.value(FIELD.ifUnmodifiedSince),
            ifRange: head.value(FIELD.ifRange),
            range: range !== undefined,
          },
  };
}

/** Status line and fields of an answer about a version; `length` is of what is sent. */
function answerHead(plane: Plane, version: FileVersion, status: number, length: number): string {
  return (
    `${statusLine(status)}\r\n${plane.dateLine}${version.lines}${COMMON_LINES}` +
    `Accept-Ranges: bytes\r\nContent-Length: ${length}\r\n`
  );
}

/** One request that could not be answered from memory at once. */
class StaticRequest implements Responder {
  private readonly files: StaticFiles;
  private readonly connection: Connection;
  private readonly wishes: Wishes;
  private gone = false;

  constructor(files: StaticFiles, connection: Connection, wishes: Wishes) {
    this.files = files;
    this.connection = connection;
    this.wishes = wishes;
  }

  /** `withSlash`: where the same request leads with a slash behind its path. */
  async run(folder: StaticFolder, path: string, withSlash: string): Promise<void> {
    const { connection } = this;
    try {
      const found = await folder.find(path, connection.plane.coarseMs);
      if (this.gone) return;
      await this.answer(found, withSlash);
    } catch (error) {
      connection.plane.log.error('A file could not be read', { path, error });
      if (!this.gone) connection.fail(500, 'A file could not be read');
    }
  }

  private async answer(found: Found, withSlash: string): Promise<void> {
    const { connection, wishes } = this;
    if (found.kind === 'none') connection.fail(404, 'No such file');
    else if (found.kind === 'slash') {
      connection.answerBodyless(
        301,
        `${statusLine(301)}\r\n${connection.plane.dateLine}Location: ${withSlash}\r\n` +
          'Content-Length: 0\r\n',
      );
    } else if (found.kind === 'folder') {
      await this.list(found.real, withSlash);
    } else {
      const version = this.files.choose(found.file, wishes.acceptEncoding);
      if (found.status === 404) await this.send(version, 404, undefined);
      else await this.weigh(version);
    }
  }

  /** `withSlash`: the path with one slash more than was asked for, and the query. */
  private async list(real: string, withSlash: string): Promise<void> {
    const { connection } = this;
    const query = withSlash.indexOf('?');
    const path = withSlash.slice(0, query < 0 ? -1 : query - 1);
    const page = await folderPage(real, path, query < 0 ? '' : withSlash.slice(query + 1));
    if (this.gone) return;
    const body = Buffer.from(page);
    const head =
      `${statusLine(200)}\r\n${connection.plane.dateLine}${COMMON_LINES}` +
      `Content-Type: text/html; charset=utf-8\r\n${PAGE_POLICY}\r\nContent-Length: ${body.length}\r\n`;
    if (connection.request.method === 'HEAD') connection.answerBodyless(200, head);
    else connection.answerBuffers(200, head, [body]);
  }

  /** Conditions first, then ranges (RFC 9110 13.2.2, 14.2). */
  private async weigh(version: FileVersion): Promise<void> {
    const { connection, wishes } = this;
    const verdict =
      wishes.conditions === undefined
        ? 'perform'
        : evaluatePreconditions(connection.request.method, wishes.conditions, version);
    if (verdict === 'precondition-failed') {
      connection.fail(412, 'A condition of the request does not hold');
      return;
    }
    if (verdict === 'not-modified') {
      connection.answerBodyless(
        304,
        `${statusLine(304)}\r\n${connection.plane.dateLine}${version.lines}${COMMON_LINES}`,
      );
      return;
    }
    const useRange = verdict === 'perform' && connection.request.method === 'GET';
    const range = useRange ? wishes.range : undefined;
    const ranges = range === undefined ? undefined : parseRange(range, version.size);
    if (ranges?.kind === 'unsatisfiable') {
      connection.answerBodyless(
        416,
        `${statusLine(416)}\r\n${connection.plane.dateLine}` +
          `Content-Range: ${unsatisfiedRange(version.size)}\r\nContent-Length: 0\r\n`,
      );
      return;
    }
    await this.send(version, 200, ranges?.kind === 'ranges' ? ranges.ranges : undefined);
  }

  private async send(
    version: FileVersion,
    status: number,
    ranges: readonly ByteRange[] | undefined,
  ): Promise<void> {
    const { connection } = this;
    const reply = compose(connection.plane, version, status, ranges);
    if (connection.request.method === 'HEAD') {
      connection.answerBodyless(reply.status, reply.head);
      return;
    }
    if (version.body !== undefined) {
      connection.answerBuffers(reply.status, reply.head, fromMemory(version.body, reply.pieces));
      return;
    }
    const fd = await this.open(version);
    if (fd === undefined) {
      if (!this.gone) connection.fail(503, 'The file changed just now', { retryAfterS: 1 });
      return;
    }
    connection.beginAnswer(reply.status, reply.head);
    new FileSender(connection, fd, reply.pieces).start();
  }

  /** The very file that the head speaks of, or undefined when it has been replaced meanwhile. */
  private async open(version: FileVersion): Promise<number | undefined> {
    const fd = await openFile(version.path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const seen = await statFile(fd);
    const same =
      seen.ino === version.inode && seen.size === version.size && seen.mtimeMs === version.mtimeMs;
    if (same && !this.gone) return fd;
    await closeFile(fd);
    return undefined;
  }

  /** A body that came with a GET waits until the answer is out. */
  readonly holdsBody = true;
  requestBytes(): void {}
  requestEnded(): void {}
  flush(): void {}
  clientDrained(): void {}
  clientEnded(): void {}
  clientClosed(): void {
    this.gone = true;
  }
  sweep(): void {}
}

interface Reply {
  readonly status: number;
  readonly head: string;
  readonly pieces: readonly FilePiece[];
}

/** Head and pieces of a 200 (or 404) or 206. */
function compose(
  plane: Plane,
  version: FileVersion,
  status: number,
  ranges: readonly ByteRange[] | undefined,
): Reply {
  const { size } = version;
  const [first] = ranges ?? [];
  if (ranges === undefined || first === undefined) {
    const whole = size === 0 ? undefined : { first: 0, last: size - 1 };
    return {
      status,
      head: answerHead(plane, version, status, size),
      pieces: [{ before: undefined, range: whole }],
    };
  }
  if (ranges.length === 1) {
    const head = answerHead(plane, version, 206, first.last - first.first + 1);
    return {
      status: 206,
      head: `${head}Content-Range: ${contentRange(first, size)}\r\n`,
      pieces: [{ before: undefined, range: first }],
    };
  }
  const type = /^Content-Type: (.*)\r\n/m.exec(version.lines)?.[1] ?? '';
  const parts = multipartRanges({
    ranges,
    length: size,
    contentType: type,
    boundary: randomId(24),
  });
  const lines = version.lines.replace(
    `Content-Type: ${type}\r\n`,
    `Content-Type: ${parts.contentType}\r\n`,
  );
  return {
    status: 206,
    head: answerHead(plane, { ...version, lines }, 206, parts.contentLength),
    pieces: [
      ...parts.parts.map(({ head, range }) => ({ before: head, range })),
      { before: parts.tail, range: undefined },
    ],
  };
}

function fromMemory(body: Buffer, pieces: readonly FilePiece[]): Buffer[] {
  return pieces.flatMap(({ before, range }) => [
    ...(before === undefined ? [] : [before]),
    ...(range === undefined ? [] : [body.subarray(range.first, range.last + 1)]),
  ]);
}
