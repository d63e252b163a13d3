/** Answers one HTTP request of a PHP app: a file from the disk, or a script through FastCGI, streaming both ways. */
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { END_OF_STDIN, RecordReader, beginRequest, readCgiHead, stdinRecords } from './fastcgi.ts';
import { phpParams } from './php-params.ts';
import { phpTarget } from './php-paths.ts';
import type { PhpFolders, PhpTarget } from './php-paths.ts';
import { Turns } from './turns.ts';

/** A body without a length is collected first, since CGI has to say how long it is. */
const UNSIZED_BODY_BYTES_MAX: number = 16 * 1024 * 1024;

const TYPES: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

export interface PhpHandlerOptions {
  readonly folders: PhpFolders;
  /** Where php-cgi listens. */
  readonly phpSocket: string;
  /** Scripts at the same time: one a php-cgi child. */
  readonly children: number;
  /** What scripts write to stderr. */
  readonly onError: (text: string) => void;
}

export class PhpHandler {
  readonly #options: PhpHandlerOptions;
  readonly #turns: Turns;

  constructor(options: PhpHandlerOptions) {
    this.#options = options;
    this.#turns = new Turns(options.children);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const target = phpTarget(path, this.#options.folders);
    if (target.kind === 'script') await this.#runScript(request, response, target);
    else if (target.kind === 'file') await sendFile(request, response, target);
    else if (target.kind === 'redirect') {
      const query = (request.url ?? '').slice(path.length);
      response
        .writeHead(301, { location: `${target.location}${query}`, 'content-length': 0 })
        .end();
    } else refuse(response, target.status, target.status === 404 ? 'Not found' : 'Bad path');
  }

  async #runScript(
    request: IncomingMessage,
    response: ServerResponse,
    script: Extract<PhpTarget, { readonly kind: 'script' }>,
  ): Promise<void> {
    const length = request.headers['content-length'];
    const unsized = length === undefined && request.headers['transfer-encoding'] !== undefined;
    const collected = unsized ? await collect(request) : undefined;
    if (unsized && collected === undefined) {
      response.setHeader('connection', 'close');
      refuse(response, 413, 'The body is too large to be sent without its length');
      return;
    }
    const params = phpParams({
      request,
      script,
      root: this.#options.folders.root,
      contentLength: collected?.length ?? Number(length ?? 0),
    });
    using turn = await this.#turns.next();
    if (turn === undefined) {
      refuse(response, 503, 'Too many requests wait for PHP');
      return;
    }
    if (response.destroyed) return;
    await this.#exchange(request, response, beginRequest(params), collected);
  }

  async #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    begin: Buffer,
    collected: Buffer | undefined,
  ): Promise<void> {
    const socket = connect({ path: this.#options.phpSocket });
    response.once('close', () => socket.destroy());
    socket.write(begin);
    const sending = sendBody(socket, collected === undefined ? request : [collected]);
    // When PHP answers before it has read everything, the writing side fails and the answer counts.
    const sent = sending.catch((error: unknown) => error);
    try {
      await receiveAnswer(socket, response, this.#options.onError);
    } catch (error) {
      if (response.destroyed) return;
      this.#options.onError(`moln: PHP did not answer: ${String(error)}\n`);
      if (response.headersSent) response.destroy();
      else refuse(response, 502, 'PHP did not answer; the log says why');
    } finally {
      socket.destroy();
      await sent;
    }
  }
}

async function sendBody(socket: Socket, body: AsyncIterable<unknown> | Buffer[]): Promise<void> {
  for await (const chunk of body) {
    if (socket.destroyed) return;
    const data = stdinRecords(chunk as Buffer);
    if (data.length > 0) await new Promise<void>((resolve) => socket.write(data, () => resolve()));
  }
  if (!socket.destroyed) socket.write(END_OF_STDIN);
}

async function receiveAnswer(
  socket: Socket,
  response: ServerResponse,
  onError: (text: string) => void,
): Promise<void> {
  const reader = new RecordReader();
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    for (const record of reader.push(chunk as Buffer)) {
      if (record.kind === 'end') {
        if (!response.headersSent) throw new Error('it ended without an answer');
        response.end();
        return;
      }
      if (record.kind === 'stderr') onError(record.content.toString('utf8'));
      else if (response.headersSent) await write(response, record.content);
      else {
        pending = Buffer.concat([pending, record.content]);
        const found = readCgiHead(pending);
        if (found === undefined) continue;
        response.writeHead(found.head.status, rawHeaders(found.head.headers));
        await write(response, pending.subarray(found.bodyAt));
      }
    }
  }
  throw new Error('its connection ended early');
}

/** The connection is ours to manage; PHP says nothing about it. */
function rawHeaders(headers: readonly (readonly [string, string])[]): string[] {
  return headers
    .filter(([name]) => !/^(?:connection|transfer-encoding|keep-alive|upgrade)$/i.test(name))
    .flat();
}

/** Waits until the client has room for more, or is gone. */
async function write(response: ServerResponse, data: Buffer): Promise<void> {
  if (data.length === 0 || response.destroyed || response.write(data)) return;
  await new Promise<void>((resolve) => {
    response.once('drain', resolve);
    response.once('close', resolve);
  });
}

/** Undefined when it is too large. */
async function collect(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > UNSIZED_BODY_BYTES_MAX) return undefined;
    parts.push(chunk as Buffer);
  }
  return Buffer.concat(parts);
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  target: Extract<PhpTarget, { readonly kind: 'file' }>,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    refuse(response, 405, 'A file can only be read');
    return;
  }
  const etag = `"${target.size.toString(16)}-${Math.floor(target.mtimeMs).toString(16)}"`;
  if (request.headers['if-none-match']?.split(',').some((each) => each.trim() === etag) === true) {
    response.writeHead(304, { etag }).end();
    return;
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(target.file).toLowerCase()] ?? 'application/octet-stream',
    'content-length': target.size,
    'x-content-type-options': 'nosniff',
    etag,
  });
  if (request.method === 'HEAD' || target.size === 0) {
    response.end();
    return;
  }
  await pipeline(createReadStream(target.file, { end: target.size - 1 }), response);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  const body = `${message}\n`;
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
