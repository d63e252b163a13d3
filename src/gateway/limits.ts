/** Defaults of the gateway's limits, and those that are not configurable. Each says what happens beyond it. */
import type { GatewayLimits, RouteLimits } from './config.ts';

const SECOND = 1000;
const KIB = 1024;
const GIB = 1024 ** 3;

/** Per route; a route's own `limits` replace single values. */
export const DEFAULT_ROUTE_LIMITS: RouteLimits = {
  /** An upstream is on this machine or in the same network; 503 and the next upstream beyond it. */
  connectTimeoutMs: 5 * SECOND,
  /** Slow reports are common, endless ones are bugs; 504 beyond it. */
  responseTimeoutMs: 60 * SECOND,
  /** Longer than the pings that WebSocket and event-stream libraries send; the connection is cut beyond it. */
  idleTimeoutMs: 300 * SECOND,
  /** Bodies are streamed, so this protects the app and its disk, not the gateway; 413 beyond it. */
  requestBodyBytesMax: 16 * GIB,
};

/** Per listener. */
export const DEFAULT_GATEWAY_LIMITS: GatewayLimits = {
  /** Request line and fields together; 431 beyond it. Cookies of big sites reach 16 KiB. */
  requestHeadBytesMax: 32 * KIB,
  /** 431 beyond it. */
  requestHeadersMax: 128,
  /** 414 beyond it. RFC 9110 section 4.1 asks for at least 8000. */
  targetBytesMax: 8 * KIB,
  /** Slowloris; 408 beyond it. */
  requestHeadTimeoutMs: 15 * SECOND,
  /** Slow body; 408 beyond it. */
  requestBodyIdleTimeoutMs: 30 * SECOND,
  /** Longer than the minute that browsers keep their side; closed without an answer beyond it. */
  keepAliveTimeoutMs: 75 * SECOND,
  /** Per process; a further connection is closed at once. About 4 KiB of memory each when idle. */
  connectionsMax: 20_000,
};

/** A route's own values over the defaults. */
export function routeLimits(own: Partial<RouteLimits> | undefined): RouteLimits {
  return own === undefined ? DEFAULT_ROUTE_LIMITS : { ...DEFAULT_ROUTE_LIMITS, ...own };
}

/** For the first request of a connection that was accepted just before its listener closed. */
export const LEAVING_FRESH_MS = 1000;
/** For the next request of a kept connection to a process that leaves: it is answered with `Connection: close`. */
export const LEAVING_KEPT_MS: number = 5 * SECOND;
/** For upgraded connections to a process that was replaced; they are cut then. */
export const REPLACED_DRAIN_MS: number = 3600 * SECOND;
/** A body that nobody wants is read and thrown away up to this size; beyond it the connection closes. */
export const DISCARD_BYTES_MAX: number = 64 * KIB;

/** Routes in one config; the table is built anew on each change. */
export const ROUTES_MAX = 10_000;
export const HOSTS_PER_ROUTE_MAX = 1000;
export const UPSTREAMS_PER_ROUTE_MAX = 1000;
/** Of one that says none. */
export const DEFAULT_UPSTREAM_WEIGHT = 1;
/** As HAProxy has it. */
export const UPSTREAM_WEIGHT_MAX = 256;
export const LISTENERS_MAX = 64;
/** Open at once; an order has one. */
export const CHALLENGES_MAX = 1000;
/** RFC 8555 8.3. */
export const HTTP_CHALLENGES_PATH = '/.well-known/acme-challenge/';
/** What Node asks for: name, HMAC key and AES key of 16 bytes each. */
export const TICKET_KEY_BYTES = 48;
export const TICKET_KEYS_MAX = 8;
export const CERTIFICATES_PER_LISTENER_MAX = 1000;
/** Characters of a route's path; bounds the work of one match. */
export const PATH_CHARACTERS_MAX = 1024;
/** `sun_path` of unix(7) without its final zero. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** Less is not worth its bookkeeping. */
export const CACHE_MEMORY_BYTES_MIN: number = 1024 * KIB;
export const CACHE_DISK_BYTES_MIN: number = 64 * 1024 * KIB;

/** Of one request on its way to an upstream. */
export const ASKING = {
  /** One that must not be sent twice goes only to connections that were in use this lately. */
  unsafeRestedMsMax: 1000,
  /** Interim answers before the final one. */
  interimsMax: 16,
  /** Upstreams that die with it, before it is given up. */
  retriesMax: 3,
  /** Of a request's body, until there is an answer, to be sent again when an upstream over HTTP/2 has not dealt with it. */
  heldBytesMax: 65_536,
  /** Before connecting again to an upstream whose backlog is full; the connect time-out bounds it all. */
  backlogPauseMs: 10,
} as const;

/** Times that a request may come through gateways like this one; more are a circle (RFC 9110 7.6.3). */
export const PASSES_MAX = 16;

/** Of the port for gateways of other nodes. Who goes beyond one of them loses the connection. */
export const NODE_DOOR = {
  /** Per process, handshakes included. */
  connectionsMax: 20_000,
  /** Under way at once; the oldest is cut for a new one, since a real node needs milliseconds and a stranger all the time there is. */
  handshakesMax: 512,
  handshakeTimeoutMs: 10_000,
  /** From the end of the handshake to the name of an instance. */
  nameTimeoutMs: 5_000,
  nameBytesMax: 200,
  /** The instance is on this machine; the other gateway is told that it was not reached. */
  connectTimeoutMs: 5_000,
  /** Before an instance whose backlog is full is tried again. */
  backlogPauseMs: 10,
  /** From a refusal to the other side's end. */
  refusedLingerMs: 2_000,
  /** Quiet for so long: the kernel asks whether the other machine is still there. */
  keepAliveDelayMs: 60_000,
} as const;

/**
 * A kept-alive connection to an instance on another node takes no new request after it. A gateway there that drains cannot say so
 * in what it leads through untouched: this is how long it has to wait for the last one.
 */
export const NODE_REUSE_MS: number = 5 * SECOND;

/**
 * Handshakes under way from one process to one other node; what wants one more waits. Half a second of a slow processor's time, and
 * still some hundred connections a second to a node that is 100 ms away.
 */
export const NODE_CONNECTING_MAX = 64;

/** Of questions between gateway processes about keys that one of them owns. Beyond one of the first four the origin is asked instead. */
export const SHARING = {
  /** The other process is on this machine, or one round trip away. */
  connectTimeoutMs: 500,
  /** From the question to the word that it is being answered, which comes at once. */
  acceptTimeoutMs: 1000,
  /** Without a byte after that word: the process is asked whether it still turns, and has as long to say so. */
  silentMs: 2000,
  /** Under way from one process to one other. */
  questionsMax: 4000,
  /** Who did not take a question is asked no other for so long; then one may try. */
  awayMs: 2000,
  /** A copy of what another process owns is kept for so long, fresh or not. */
  hotMs: 10_000,
  /** Of the memory of a process's cache, beside it: for such copies. */
  hotShare: 0.125,
  /** A purge that others may not have heard of yet. */
  purgeRecentMs: 30_000,
  /** More of these in that time: nobody is asked. */
  purgesRecentMax: 16,
  /** Of these, remembered. */
  purgesKnownMax: 1000,
  /** Processes of one machine, and nodes. */
  slotsMax: 1024,
  nodesMax: 10_000,
} as const;

/** Of what gateway processes tell each other of rate limits. */
export const RATE = {
  /** Between two messages to the same process, unless a request waits for its word. */
  pauseMs: 20,
  /** For such a request; then it is decided by what this process knows. */
  holdMs: 250,
  /** Beyond it the other process is passed over for a moment, and the next best keeps its buckets. */
  answerTimeoutMs: 1000,
  /** Requests that wait for one process; a further one is decided by what is known. */
  waitingMax: 1000,
} as const;

/** Of `endpoint-load-metrics` on an answer; a longer one is not read. */
export const LOAD_REPORT_CHARACTERS_MAX: number = KIB;
/** What an answer stated fades to nothing within. */
export const STATED_LOAD_MS: number = 10 * SECOND;

/** Of one connection to an upstream. */
export const H2_UPSTREAM = {
  /** Requests under way over one connection; more make another one. What the upstream takes may be less. */
  streamsMax: 100,
  /** Fields of an answer; beyond it the stream is reset. */
  headersMax: 200,
  /** Of a body, which the upstream may send before it was used. */
  streamWindowBytes: 262_144,
  /** On its way over all streams: Node counts what came as used, so that a slow reader holds up nobody else. */
  connectionWindowBytes: 1_048_576,
  /** Without a request. */
  idleMs: 60_000,
  /** In all: so that a name that has moved to other addresses is asked for these. */
  ageMs: 3_600_000,
  /** From a PING, sent when a request was given up without an answer, to the end of a connection that says nothing. */
  pongMs: 5000,
} as const;

/** Of one HTTP/2 connection of a client. Beyond those that count, it ends with ENHANCE_YOUR_CALM. */
export const H2 = {
  /** Requests under way; a further one is refused, and may be sent again. */
  streamsMax: 128,
  /** Times the limits of a head, which are answered with 431: what a head may take before the answer is a reset of its stream. */
  headRoom: 2,
  /** Counts begin anew after it. */
  windowMs: 10_000,
  /** Requests that the client took back, or that were malformed, in a window: "rapid reset", CVE-2023-44487. */
  resetsMax: 400,
  /** PING, SETTINGS and GOAWAY frames in a window, and DATA that is empty: they cost an answer, or say nothing. */
  controlFramesMax: 10_000,
  /** Frames that make no sense, over all its life. */
  invalidFramesMax: 100,
  /** Streams beyond `streamsMax`, over all its life. */
  refusedStreamsMax: 1000,
  /** CONTINUATION frames of one head. */
  continuationsMax: 16,
  /** Of a body, which a client may send before it was used: over one stream, and over all of them. */
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
  /** Handed to the kernel and not taken by it: no body is added. */
  unsentBytesMax: 131_072,
  /** The same with heads and acknowledgements: nothing more is read from such a client. */
  deafBytesMax: 262_144,
  /** Of the answer of one stream: its source pauses. */
  queuedBytesMax: 65_536,
  /** From the last frame to the end of a client that does not take it. */
  lingerMs: 2000,
  /** From the first GOAWAY, which asks to leave, to the last, which takes no request any more. */
  leaveMs: 1000,
} as const;

/** Of the edge modules of a route; each gateway process has a thread for each module. */
export const EDGE = {
  sourceCharactersMax: 262_144,
  /** From the request to what the module makes of it, where the route may say less or more. */
  timeoutMsMax: 60_000,
  /** Of an answer that the module gives. */
  answerBytesMax: 4_194_304,
  /** Of its objects; beyond it the thread ends and is begun anew. */
  memoryMiB: 64,
  /** Requests; a further one is answered with 503. */
  waitingMax: 1000,
  /** After a request that took too long, the thread has to show within it that it turns. */
  pingMs: 250,
  complainEveryMs: 10_000,
} as const;
