/**
 * Reads what a TLS client says before any TLS server has seen a byte: the protocols that it offers (ALPN, RFC 7301) and the
 * name that it wants (SNI, RFC 6066). Pure.
 */

const HANDSHAKE_RECORD = 0x16;
const RECORD_HEADER_BYTES = 5;
const CLIENT_HELLO = 1;
/** Message type and length (RFC 8446 §4), version and random. */
const MESSAGE_HEADER_BYTES = 4;
const FIXED_BYTES: number = 2 + 32;
const SERVER_NAME_EXTENSION = 0;
const HOST_NAME = 0;
const ALPN_EXTENSION = 16;

/** Longer first messages are left to TLS itself. */
export const CLIENT_HELLO_BYTES_MAX: number = 16 * 1024;

/**
 * The offered protocols, none when the bytes are no such message, undefined when the message is not complete yet.
 * `bytes` starts with the first TLS record.
 */
export function offeredProtocols(bytes: Buffer): readonly string[] | undefined {
  return readHello(bytes, ALPN_EXTENSION, namesOf, []);
}

/** The wanted name in lower case, empty when there is none or the bytes are no such message, undefined when more are needed. */
export function wantedServerName(bytes: Buffer): string | undefined {
  return readHello(bytes, SERVER_NAME_EXTENSION, hostNameOf, '');
}

/** What one extension says, `nothing` when it does not say it. */
function readHello<T>(
  bytes: Buffer,
  extension: number,
  read: (data: Buffer) => T,
  nothing: T,
): T | undefined {
  const message = handshakeMessage(bytes);
  if (typeof message === 'string') {
    return message === 'incomplete' && bytes.length < CLIENT_HELLO_BYTES_MAX ? undefined : nothing;
  }
  try {
    const data = extensionOf(message, extension);
    return data === undefined ? nothing : read(data);
  } catch (error) {
    // Lengths that point outside of the message: the TLS server refuses it in its own words.
    if (error instanceof RangeError) return nothing;
    throw error;
  }
}

/** A handshake message may be spread over several records (RFC 8446 §5.1). */
function handshakeMessage(bytes: Buffer): Buffer | 'incomplete' | 'foreign' {
  const parts: Buffer[] = [];
  let have = 0;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== HANDSHAKE_RECORD) return 'foreign';
    if (bytes.length < at + RECORD_HEADER_BYTES) break;
    const end = at + RECORD_HEADER_BYTES + bytes.readUInt16BE(at + 3);
    const part = bytes.subarray(at + RECORD_HEADER_BYTES, end);
    parts.push(part);
    have += part.length;
    at = end;
    if (have < MESSAGE_HEADER_BYTES) continue;
    const message = Buffer.concat(parts);
    if (message[0] !== CLIENT_HELLO) return 'foreign';
    const wanted = MESSAGE_HEADER_BYTES + message.readUIntBE(1, 3);
    if (have >= wanted) return message.subarray(MESSAGE_HEADER_BYTES, wanted);
  }
  return 'incomplete';
}

/** RFC 8446 §4.1.2; throws RangeError when a length leads out of it. */
function extensionOf(message: Buffer, wanted: number): Buffer | undefined {
  let at = FIXED_BYTES;
  at += 1 + message.readUInt8(at);
  at += 2 + message.readUInt16BE(at);
  at += 1 + message.readUInt8(at);
  at += 2;
  while (at + 4 <= message.length) {
    const type = message.readUInt16BE(at);
    const end = at + 4 + message.readUInt16BE(at + 2);
    if (type === wanted) return message.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}

/** RFC 7301 §3.1: the length of all, then each with its own. */
function namesOf(data: Buffer): readonly string[] {
  const list = data.subarray(2);
  const names: string[] = [];
  for (let at = 0; at < list.length;) {
    const end = at + 1 + list.readUInt8(at);
    names.push(list.toString('latin1', at + 1, end));
    at = end;
  }
  return names;
}

/** RFC 6066 §3: the length of all, then type, length and text of each; a list has one of a type. */
function hostNameOf(data: Buffer): string {
  for (let at = 2; at < data.length;) {
    const end = at + 3 + data.readUInt16BE(at + 1);
    if (data.readUInt8(at) === HOST_NAME) return data.toString('latin1', at + 3, end).toLowerCase();
    at = end;
  }
  return '';
}
