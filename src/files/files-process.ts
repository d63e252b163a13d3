/** The file process from its arguments to its end; the entry is `files-main.ts`. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ensureFolder, writeFileAtomic } from '../base/disk.ts';
import { messageOf } from '../base/errors.ts';
import { openLogFile } from '../base/log-file.ts';
import { createLogger, type Logger } from '../base/log.ts';
import { processId } from '../base/process-id.ts';
import { systemClock } from '../base/time.ts';
import { BlobServer } from '../blobs/blobs.ts';
import { listenUnix, proveHandles, takeNameLock } from '../net/net.ts';
import { CONTROL, type FilesConfig, type FilesState } from './control.ts';
import type { FaceMaker } from './faces.ts';
import { FilesHost } from './files-host.ts';
import { readJson, sendError, sendJson } from './http-words.ts';
import { HEAD_BYTES_MAX, START_AGAIN_MS, STOP_TIMEOUT_MS } from './limits.ts';
import { type FilesFolders, type FilesPaths, filesPaths } from './paths.ts';

/** Resolves when everything is closed. `exit` ends the process at once. */
export async function runFiles(
  folders: FilesFolders,
  options: {
    readonly code: string;
    readonly faces: readonly FaceMaker[];
    readonly exit: () => void;
  },
): Promise<void> {
  const paths = filesPaths(folders);
  const clock = systemClock;
  const logger = openLogger(paths.log);
  // A terminal sends these to the whole group; the agent alone orders the end.
  process.on('SIGINT', () => logger.debug('SIGINT is left to the agent'));
  process.on('SIGHUP', () => logger.debug('SIGHUP is left to the agent'));
  const stopped = Promise.withResolvers<void>();
  process.on('SIGTERM', () => stopped.resolve());
  await ensureFolder(folders.folder);
  await using stack = new AsyncDisposableStack();
  let lock: AsyncDisposable | undefined;
  while ((lock = await takeNameLock(`files:${folders.folder}`)) === undefined) {
    await clock.sleep(START_AGAIN_MS);
  }
  stack.use(lock);
  const host = stack.use(new FilesHost({ clock, log: logger, faces: options.faces }));
  // Before there are connections: one that other nodes keep would go on through its stream.
  if (!(await proveHandles()))
    logger.warn('Sockets of this Node are not as expected: files work, and cost more');
  const self = processId(process.pid);
  if (self === undefined) throw new Error('This process is not to be found');
  const record = { format: 1, process: self, code: options.code };
  await writeFileAtomic(paths.record, `${JSON.stringify(record)}\n`);
  const own = new ProcessDoor(host, logger);
  stack.use(own);
  await own.open(paths);
  logger.info('The file process runs', { pid: process.pid });
  await stopped.promise;
  logger.info('The file process ends');
  // What is under way then was not acknowledged.
  clock.after(STOP_TIMEOUT_MS, options.exit);
}

/** Its private socket, for the agent and for what the API hands on, and the one that other nodes come in by. */
class ProcessDoor implements Disposable {
  readonly #host: FilesHost;
  readonly #log: Logger;
  readonly #servers: Server[] = [];

  constructor(host: FilesHost, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  async open({ socket, peerSocket }: FilesPaths): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
      request.url?.startsWith('/control/') === true
        ? this.#control(request, response)
        : this.#host.answer(continuedWhenRead(request, response), response);
    const own = createServer({
      requestTimeout: 0,
      keepAliveTimeout: 60_000,
      maxHeaderSize: HEAD_BYTES_MAX,
    });
    await listenUnix(this.#answering(own, answer), socket);
    const peers = new BlobServer({
      put: (asked) => this.#host.putOfPeer(asked),
      clock: systemClock,
      log: this.#log,
    });
    const answerPeer = (request: IncomingMessage, response: ServerResponse): Promise<void> =>
      this.#host.answerPeer(request, response);
    await listenUnix(this.#answering(peers, answerPeer), peerSocket);
  }

  [Symbol.dispose](): void {
    for (const server of this.#servers) {
      server.close();
      server.closeIdleConnections();
    }
  }

  #answering(
    server: Server,
    answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  ): Server {
    const take = (request: IncomingMessage, response: ServerResponse): void => {
      response.on('error', () => undefined);
      answer(request, response).catch((error: unknown) => {
        this.#log.debug('A request failed', { url: request.url, why: messageOf(error) });
        sendError(request, response, error);
      });
    };
    server.on('request', take);
    // Whoever reads the body sends the 100.
    server.on('checkContinue', take);
    this.#servers.push(server);
    return server;
  }

  async #control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith(CONTROL.objects) === true)
      return await this.#host.answerAgent(request, response);
    switch (request.url) {
      case CONTROL.watch:
        response.writeHead(200).flushHeaders();
        return;
      case CONTROL.config:
        this.#host.configure((await readJson(request)) as FilesConfig);
        return sendJson(response, 200, {});
      case CONTROL.storage:
        return sendJson(response, 200, await this.#host.storage());
      case CONTROL.troubles:
        return sendJson(response, 200, this.#host.troubles());
      case CONTROL.state: {
        const state: FilesState = {
          pid: process.pid,
          memoryBytes: process.memoryUsage.rss(),
          faces: this.#host.faces(),
          why: this.#host.why,
        };
        return sendJson(response, 200, state);
      }
      default:
        return sendJson(response, 200, { pid: process.pid });
    }
  }
}

/** What is refused before anybody reads it is not sent (RFC 9110 §10.1.1). */
function continuedWhenRead(request: IncomingMessage, response: ServerResponse): IncomingMessage {
  if (request.headers.expect === undefined) return request;
  const begin = (event: string | symbol): void => {
    if (event !== 'readable' && event !== 'data') return;
    request.off('newListener', begin);
    if (!response.headersSent) response.writeContinue();
  };
  return request.on('newListener', begin);
}

function openLogger(path: string): Logger {
  return createLogger({
    part: 'files',
    now: () => systemClock.now(),
    sinks: [
      openLogFile({
        path,
        onRefused: (error) => process.stderr.write(`Cannot write the log: ${messageOf(error)}\n`),
      }),
    ],
  });
}
