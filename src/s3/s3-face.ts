/** The S3 face: an HTTP server that knows who asks, hands requests to their operations, and writes what comes of it. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isMolnError, messageOf } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { BucketInfo, FileStore } from '../files/files.ts';
import type { Access } from './access-log.ts';
import { authenticate, type Sender } from './authenticate.ts';
import { isBucketName } from './bucket-names.ts';
import type { Answer } from '../http/answer.ts';
import { QuietClients } from '../http/quiet-clients.ts';
import { Call, type CallParts, setting } from './call.ts';
import type { FindPerson } from './acl.ts';
import { corsAnswer, type CorsRule, CORS_VARY } from './cors.ts';
import { errorBody, S3Error } from './errors.ts';
import { type Incoming, nodeIncoming } from './incoming.ts';
import { QuickServer, type QuickTimes } from './quick-server.ts';
import { handlerOf } from './router.ts';
import { storeError } from './store-errors.ts';
import { bucketOfHost, parseTarget, type Target } from './uri.ts';
import { gatewayAnswer, gatewayBucket, gatewayClient } from './website-door.ts';
import { websiteAnswer, websiteBucket } from './website-answer.ts';

export interface S3FaceOptions {
  readonly store: FileStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Who an id or an address of mail is; without it every id is somebody. */
  readonly people?: FindPerson | undefined;
  /** Names below which buckets are hosts. */
  readonly domains?: readonly string[];
  /** Is told of each access to a bucket, after its answer. */
  readonly note?: (access: Access) => void;
  /** Only gateways come here, each request for the website of a bucket that they name. */
  readonly isBehindGateway?: boolean;
  readonly times?: QuickTimes;
}

/** Of a request on its way, for the log. */
interface Seen {
  call?: Call;
  code?: string;
}

const HEAD_BYTES_MAX = 32 * 1024;
const KEEP_ALIVE_MS = 65_000;
const TIMES: QuickTimes = { firstRequestMs: 10_000, headMs: 20_000, stallMs: 120_000 };
const DOMAINS = ['localhost'];
/** By node:http's code of what it could not read. */
const UNREAD: Readonly<Record<string, 'RequestHeaderSectionTooLarge' | 'RequestTimeout'>> = {
  HPE_HEADER_OVERFLOW: 'RequestHeaderSectionTooLarge',
  ERR_HTTP_REQUEST_TIMEOUT: 'RequestTimeout',
};
/** Until it is known who asks. */
const ANONYMOUS: Sender = {
  key: undefined,
  payload: { kind: 'plain', sha256: undefined },
  how: 'anonymous',
};

export class S3Face {
  readonly #options: S3FaceOptions;
  readonly #domains: readonly string[];
  readonly #people: FindPerson;

  constructor(options: S3FaceOptions) {
    this.#options = options;
    this.#domains = options.domains ?? DOMAINS;
    this.#people = options.people ?? ((id) => Promise.resolve({ id, name: id }));
  }

  /** A server that is not listening yet. */
  server(): Server {
    const times = this.#options.times ?? TIMES;
    const server = new QuickServer({
      ...times,
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: 0,
      maxHeaderSize: HEAD_BYTES_MAX,
      clock: this.#options.clock,
      serve: (incoming) => this.#serve(incoming),
    });
    const clients = new QuietClients(server, times.stallMs);
    // Whatever else is expected is passed over, as S3 does.
    for (const event of ['request', 'checkContinue', 'checkExpectation'])
      server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        response.on('error', () => undefined);
        clients.began(response);
        void this.#serve(nodeIncoming(request, response));
      });
    server.on('clientError', (error, socket) =>
      this.#unread(error, { socket, begun: clients.lastOf(socket) }),
    );
    return server;
  }

  /** What is no HTTP that Node reads: a field too long, a length that is none. */
  #unread(
    error: Error,
    { socket, begun }: { readonly socket: Duplex; readonly begun: ServerResponse | undefined },
  ): void {
    // What is behind an answer that has begun would be taken for a piece of it.
    const isAnswering = begun?.headersSent === true && !begun.writableFinished;
    if (!socket.writable || isAnswering || isGone(error)) {
      socket.destroy();
      return;
    }
    const said = new S3Error(UNREAD['code' in error ? String(error.code) : ''] ?? 'BadRequest');
    const body = errorBody(said, { resource: '', requestId: randomId(16).toUpperCase() });
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  async #serve(incoming: Incoming): Promise<void> {
    const id = randomId(16).toUpperCase();
    const startedAt = this.#options.clock.now();
    const seen: Seen = {};
    try {
      const answer = await this.#answer(incoming, { id, seen });
      const answeredAt = this.#options.clock.now();
      await incoming.write(answer);
      await this.#note({ seen, answer, startedAt, answeredAt });
    } catch (error) {
      this.#failed(incoming, error, id);
    }
  }

  async #note({
    seen,
    ...of
  }: Pick<Access, 'answer' | 'startedAt' | 'answeredAt'> & { readonly seen: Seen }): Promise<void> {
    const { code } = seen;
    const { note } = this.#options;
    const call = seen.call?.posted ?? seen.call;
    if (call === undefined || note === undefined) return;
    const endedAt = this.#options.clock.now();
    const bucket =
      call.seenBucket ?? (code === undefined ? undefined : await this.#refusedAt(call));
    if (bucket === undefined || setting(bucket, 'logging') === undefined) return;
    note({ call, bucket, code, endedAt, ...of });
  }

  /** The bucket of a request that was refused before anybody looked at one. */
  async #refusedAt({ bucketName, id }: Call): Promise<BucketInfo | undefined> {
    if (!isBucketName(bucketName)) return undefined;
    try {
      return await this.#options.store.bucket(bucketName);
    } catch (error) {
      this.#options.log.warn('A refused access is not logged', { id, error: messageOf(error) });
      return undefined;
    }
  }

  /** After the head has gone out nothing can be said any more: the client sees a connection that breaks off. */
  #failed(incoming: Incoming, error: unknown, id: string): void {
    if (!incoming.isGone() && !isGone(error)) {
      this.#options.log.error('An S3 answer broke off', { id, error: messageOf(error) });
    }
    incoming.cut();
  }

  async #answer(
    incoming: Incoming,
    { id, seen }: { readonly id: string; readonly seen: Seen },
  ): Promise<Answer> {
    const common: Record<string, string> = {
      'x-amz-request-id': id,
      'x-amz-id-2': id,
      server: 'Moln',
    };
    let resource = incoming.target;
    try {
      const target = parseTarget(incoming.target);
      resource = target.path;
      const answer = await opened(await this.#routed(incoming, { target, id, common, seen }));
      return { ...answer, headers: { ...common, ...answer.headers } };
    } catch (error) {
      const said = this.#said(error, id);
      seen.code = said.code;
      if (!incoming.isComplete() && incoming.headers.expect !== undefined)
        common['connection'] = 'close';
      return errorAnswer(said, { common, resource, id, method: incoming.method });
    }
  }

  #said(error: unknown, id: string): S3Error {
    if (error instanceof S3Error) return error;
    const known = isMolnError(error) ? storeError(error) : undefined;
    if (known !== undefined) return known;
    if (isGone(error)) return new S3Error('RequestTimeout');
    this.#options.log.error('An S3 request failed', {
      id,
      error: messageOf(error),
      ...(error instanceof Error ? { stack: error.stack } : {}),
    });
    return new S3Error('InternalError');
  }

  async #routed(
    incoming: Incoming,
    context: {
      readonly target: Target;
      readonly id: string;
      readonly common: Record<string, string>;
      readonly seen: Seen;
    },
  ): Promise<Answer> {
    const { target, id, common, seen } = context;
    const { method, headers, socket } = incoming;
    const { store, clock } = this.#options;
    const host = headers.host ?? '';
    const isBehindGateway = this.#options.isBehindGateway ?? false;
    const site = isBehindGateway ? gatewayBucket(headers) : websiteBucket(host);
    const hostBucket = site ?? bucketOfHost(host, this.#domains);
    const slash = hostBucket === undefined ? target.path.indexOf('/', 1) : 0;
    const bucketName = hostBucket ?? target.path.slice(1, slash < 0 ? undefined : slash);
    const key = slash < 0 ? '' : target.path.slice(slash + 1);
    Object.assign(common, await this.#cors(incoming, bucketName));
    if (method === 'OPTIONS') return this.#preflight(incoming, bucketName);
    const isForm =
      method === 'POST' &&
      key === '' &&
      /^multipart\/form-data/i.test(headers['content-type'] ?? '');
    const parts: CallParts = {
      store,
      clock,
      people: this.#people,
      id,
      method,
      headers,
      target,
      bucketName,
      key,
      sender: ANONYMOUS,
      source: incoming.body,
      clientAddress: (socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      isSecure: 'encrypted' in socket,
    };
    if (isBehindGateway) return gatewayAnswer({ ...parts, ...gatewayClient(headers) });
    if (site !== undefined) return websiteAnswer(parts);
    // Who is refused here has come to this bucket, too.
    seen.call = new Call(parts);
    const sender = isForm
      ? ANONYMOUS
      : await authenticate(
          { method, target, hostBucket, headers },
          (keyId) => store.accessKey(keyId),
          clock.now(),
        );
    const call = new Call({ ...parts, sender });
    seen.call = call;
    const answer = await handlerOf(call)(call);
    const bucket = call.seenBucket;
    if (call.offersToPay && bucket?.settings['requestPayment'] === 'Requester')
      common['x-amz-request-charged'] = 'requester';
    return answer;
  }

  async #cors(
    { method: asked, headers }: Incoming,
    bucketName: string,
  ): Promise<Readonly<Record<string, string>>> {
    const { origin } = headers;
    const { isBehindGateway = false } = this.#options;
    if (bucketName === '' || asked === 'OPTIONS') return {};
    if (origin === undefined && !isBehindGateway) return {};
    const rules = await this.#rules(bucketName);
    // A shared cache must not give this to those whom a rule allows.
    const unallowed = isBehindGateway && rules.length > 0 ? { vary: CORS_VARY } : {};
    if (origin === undefined) return unallowed;
    const method = headers['access-control-request-method'] ?? asked;
    return corsAnswer(rules, { origin, method }, false) ?? unallowed;
  }

  async #rules(bucketName: string): Promise<readonly CorsRule[]> {
    const bucket = await this.#options.store.bucket(bucketName);
    return (bucket === undefined ? undefined : setting<readonly CorsRule[]>(bucket, 'cors')) ?? [];
  }

  async #preflight({ headers: asked }: Incoming, bucketName: string): Promise<Answer> {
    const { origin } = asked;
    const method = asked['access-control-request-method'];
    if (origin === undefined || method === undefined) {
      throw new S3Error(
        'BadRequest',
        origin === undefined
          ? 'Insufficient information. Origin request header needed.'
          : 'Invalid Access-Control-Request-Method: null',
      );
    }
    const headers = (asked['access-control-request-headers'] ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    const rules = await this.#rules(bucketName);
    const answer = corsAnswer(rules, { origin, method, headers }, true);
    if (answer !== undefined) return { status: 200, headers: { ...answer } };
    throw new S3Error(
      'AccessForbidden',
      rules.length === 0
        ? 'CORSResponse: CORS is not enabled for this bucket.'
        : "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    );
  }
}

function errorAnswer(
  error: S3Error,
  where: {
    readonly common: Readonly<Record<string, string>>;
    readonly resource: string;
    readonly id: string;
    readonly method: string;
  },
): Answer {
  const headers = { ...where.common, 'content-type': 'application/xml', ...error.headers };
  if (where.method === 'HEAD' || error.status === 304) return { status: error.status, headers };
  return {
    status: error.status,
    headers,
    body: errorBody(error, { resource: where.resource, requestId: where.id }),
  };
}

/** The client went away. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** With the first piece read: what cannot be read at all is still answered with an error. */
async function opened(answer: Answer): Promise<Answer> {
  if (answer.stream === undefined) return answer;
  const pieces = answer.stream[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (first.done === true) return { status: answer.status, headers: answer.headers ?? {} };
  if (String(first.value.length) !== answer.headers?.['content-length']) {
    return { ...answer, stream: from(first.value, pieces) };
  }
  // The whole of it, in one piece; the source is let go of.
  await pieces.return?.();
  return { status: answer.status, headers: answer.headers, body: first.value };
}

/** `first`, then the rest. No generator: one that nobody has begun would not let go of its source. */
function from(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncIterableIterator<Uint8Array> {
  let ahead: Uint8Array | undefined = first;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (ahead === undefined) return await rest.next();
      const value = ahead;
      ahead = undefined;
      return { done: false, value };
    },
    async return() {
      await rest.return?.();
      return { done: true, value: undefined };
    },
  };
}
