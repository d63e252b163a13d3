/** The door: both sides of HTTP/2 (RFC 9113, 7541), without sockets. */
export {
  AnswerStream,
  type AnswerTaker,
  ClientConnection,
  type ClientHost,
  type ClientLimits,
} from './client-connection.ts';
export { ERROR, STREAM_ID_MAX } from './codes.ts';
export { Field, KIND } from './field.ts';
export { H2Error } from './h2-error.ts';
export { prepareFields } from './hpack-encoder.ts';
export type { BytesWriter } from './out-buffer.ts';
export {
  type Nuisance,
  ServerConnection,
  type ServerHost,
  type ServerLimits,
} from './server-connection.ts';
export type { StreamTaker, WireStream } from './wire-stream.ts';
