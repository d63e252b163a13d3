/** Door of `net`: listeners and line streams; knows sockets, not HTTP. */
export { isLoopback, peerGroup, plainAddress } from '../base/addresses.ts';
export { CLIENT_HELLO_BYTES_MAX, offeredProtocols, wantedServerName } from './client-hello.ts';
export {
  FirstByteListener,
  type FirstByteOptions,
  type TlsCredentials,
  type TlsDoor,
} from './first-byte.ts';
export { bindTcp } from './listening.ts';
export { exchangeJson } from './json-exchange.ts';
export { lockName, takeNameLock } from './name-lock.ts';
export { type NodeDoorAccess, type NodeDoorPlace, openNodeDoor } from './node-door.ts';
export { decodeLines, encodeLine } from './ndjson.ts';
export { describePortHolder, type PortHolder, portUse } from './port-holder.ts';
export {
  type ObjectList,
  type ObjectPlace,
  ObjectSocket,
  type ObjectSocketOptions,
} from './object-socket.ts';
export { answers, checkSocketPath, listenUnix } from './unix-socket.ts';
export { type RpcCallOptions, RpcClient, type RpcTarget } from './rpc-client.ts';
export { connectFailed, hostAndPort } from './rpc-failures.ts';
export {
  type Endpoint,
  PROXY_HEADER_BYTES_MAX,
  type ProxiedEnds,
  proxyHeader,
  type ProxyProtocolVersion,
  readProxyHeader,
} from './proxy-protocol.ts';
export { AddressRanges, isAddressRange } from './address-ranges.ts';
export { BodyPieces } from './body-pieces.ts';
export { type BytesTaker, takeReads } from './direct-reads.ts';
export { DirectWriter } from './direct-writes.ts';
export { proveHandles } from './handle-proof.ts';
export {
  RequestConnection,
  type RequestConnectionOptions,
  type RequestLook,
} from './request-connection.ts';
export { nodeBinding, type StreamBinding, streamBinding } from './stream-binding.ts';
export {
  type RpcContext,
  type RpcMethod,
  RpcServer,
  type RpcServerLimits,
  type RpcServerOptions,
  type RpcStreamMethod,
} from './rpc-server.ts';
