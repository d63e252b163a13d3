/** Door of `net`: listeners and line streams; knows sockets, not HTTP. */
export { isLoopback, peerGroup, plainAddress } from './addresses.ts';
export { FirstByteListener, type FirstByteOptions, type TlsCredentials } from './first-byte.ts';
export { bindTcp } from './listening.ts';
export { decodeLines, encodeLine } from './ndjson.ts';
export { describePortHolder, type PortHolder, portUse } from './port-holder.ts';
export { answers, checkSocketPath, listenUnix } from './unix-socket.ts';
