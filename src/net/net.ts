/** Door of `net`: listeners and line streams; knows sockets, not HTTP. */
export { isLoopback, peerGroup, plainAddress } from './addresses.ts';
export {
  FirstByteListener,
  type FirstByteOptions,
  type TlsCredentials,
  type TlsDoor,
} from './first-byte.ts';
export { bindTcp } from './listening.ts';
export { lockName, takeNameLock } from './name-lock.ts';
export { decodeLines, encodeLine } from './ndjson.ts';
export { describePortHolder, type PortHolder, portUse } from './port-holder.ts';
export { answers, checkSocketPath, listenUnix } from './unix-socket.ts';
export { type RpcCallOptions, RpcClient, type RpcTarget } from './rpc-client.ts';
export { connectFailed, hostAndPort } from './rpc-failures.ts';
export {
  type RpcContext,
  type RpcMethod,
  RpcServer,
  type RpcServerLimits,
  type RpcServerOptions,
  type RpcStreamMethod,
} from './rpc-server.ts';
