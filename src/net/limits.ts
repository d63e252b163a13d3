/** Named limits of listeners and line streams. */

/** A peer that connects and says nothing is cut off after this. */
export const FIRST_BYTE_TIMEOUT_MS = 10_000;
/** From the first byte of a ClientHello to the end of the handshake. */
export const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
/** How long a refused peer may take to read its sentence before the connection is cut. */
export const REFUSAL_LINGER_MS = 1_000;
/** A silent connection is probed after this, so that one whose peer vanished does not stay for ever. */
export const KEEP_ALIVE_PROBE_MS = 60_000;
/** Open connections of one listener; further ones are closed at once. */
export const CONNECTIONS_MAX = 4_096;
/** Of them, those of one address (IPv6: of one /64), so that no neighbour alone can take all. */
export const CONNECTIONS_PER_PEER_MAX = 512;
/** One NDJSON line, without its newline. */
export const LINE_BYTES_MAX: number = 4 * 1024 * 1024;
/** `sun_path` of Linux is 108 bytes with the final NUL. */
export const SOCKET_PATH_BYTES_MAX = 107;
/** One JSON question or answer between nodes. */
export const RPC_BODY_BYTES_MAX: number = 4 * 1024 * 1024;
/** Parameters of a stream, which travel in its head: a command of the API's longest URL in base64; a head holds 64 KiB. */
export const RPC_PARAMS_BYTES_MAX: number = 48 * 1024;
/** Calls and streams under way on one connection; further ones wait at the caller. */
export const RPC_STREAMS_MAX = 256;
/** Bytes of one stream that may be under way unread: the back-pressure of RFC 9113 §5.2. */
export const RPC_WINDOW_BYTES: number = 256 * 1024;
/** From the first packet to the answer of the first ping. */
export const RPC_CONNECT_TIMEOUT_MS = 5_000;
/** While something is under way a connection is pinged so often; */
export const RPC_PING_EVERY_MS = 3_000;
/** and when no answer comes in this time, the other side is gone and all that was under way fails. */
export const RPC_PING_TIMEOUT_MS = 7_000;
/** A call without a deadline of its own. */
export const RPC_DEADLINE_MS = 10_000;
/** Longer ones that a caller asks for are not believed. */
export const RPC_DEADLINE_MAX_MS = 3_600_000;
/** How long a refused peer may take to read why. */
export const RPC_REFUSAL_LINGER_MS = 1_000;
/** What is under way on a connection whose certificates count no more has so long to end. */
export const RPC_RETIRED_MS = 60_000;
/** Whoever has just been given a connection has begun to use it by then. */
export const RPC_RETIRE_AFTER_MS = 500;
