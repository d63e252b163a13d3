/** What shows that a WebSocket was meant by who took it: only HTTP/1.1 has it (RFC 8441 5), so where HTTP/2 begins or ends it is made here. */
import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 4.2.2). */
export function webSocketProof(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}
