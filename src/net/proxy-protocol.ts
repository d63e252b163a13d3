/**
 * The PROXY protocol, versions 1 and 2, as HAProxy's "proxy-protocol.txt" defines it: a few bytes before a connection's own
 * that say between which addresses it was made first. Pure; whom to believe is decided by who reads it.
 */
import { isIP, isIPv4 } from 'node:net';
import { plainAddress } from '../base/addresses.ts';

/** One end of a connection, as `Socket` names it. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Between whom a connection was made. */
export interface ProxiedEnds {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

export type ProxyProtocolVersion = 'v1' | 'v2';

export type ProxyHeader =
  /** More bytes are needed. */
  | { readonly kind: 'incomplete' }
  /** `reason` is a sentence for the operator. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** The connection's own bytes begin at `bytes`; without `ends` the connection itself says who the client is. */
  | { readonly kind: 'read'; readonly bytes: number; readonly ends: ProxiedEnds | undefined };

/** Of version 1, with its line end. */
const LINE_BYTES_MAX = 107;
/** Of version 2, extensions included: more than addresses, a host name and a client certificate's names need. */
export const PROXY_HEADER_BYTES_MAX = 4096;

const LINE_START: Buffer = Buffer.from('PROXY ', 'latin1');
const SIGNATURE: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const FIXED_BYTES = 16;
const VERSION_2 = 2;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
/** Address family in the high four bits, transport in the low ones. */
const STREAM_IPV4 = 0x11;
const STREAM_IPV6 = 0x21;
const FAMILY_MOST = 3;
const TRANSPORT_MOST = 2;
/** Bytes of addresses and ports by family: none, IPv4, IPv6, unix. */
const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];
const TLV_HEADER_BYTES = 3;

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };

/** Reads the header at the start of `bytes`; never waits for more than `PROXY_HEADER_BYTES_MAX`. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsLike(bytes, SIGNATURE)) {
    return bytes.length < FIXED_BYTES ? INCOMPLETE : readBinary(bytes);
  }
  if (beginsLike(bytes, LINE_START)) return readLine(bytes);
  return refused('The connection does not begin with a PROXY header');
}

/** As far as there are bytes. */
function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function refused(reason: string): ProxyHeader {
  return { kind: 'refused', reason };
}

function readLine(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf('\r\n', 0, 'latin1');
  if (end < 0) {
    return bytes.length < LINE_BYTES_MAX
      ? INCOMPLETE
      : refused(`The PROXY line does not end within ${LINE_BYTES_MAX} bytes`);
  }
  const line = bytes.toString('latin1', 0, end);
  const after = end + 2;
  // "the receiver must ignore anything presented before the CRLF" after UNKNOWN.
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/.test(line)) {
    return { kind: 'read', bytes: after, ends: undefined };
  }
  const [, family, source = '', destination = '', sourcePort, destinationPort] =
    /^PROXY (TCP4|TCP6) (\S+) (\S+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})$/.exec(line) ?? [];
  const wanted = family === 'TCP4' ? 4 : 6;
  const [from, to] = [Number(sourcePort), Number(destinationPort)];
  const isGood =
    family !== undefined &&
    isIP(source) === wanted &&
    isIP(destination) === wanted &&
    !source.includes('%') &&
    !destination.includes('%') &&
    from <= 65_535 &&
    to <= 65_535;
  if (!isGood) return refused('The PROXY line is malformed');
  return {
    kind: 'read',
    bytes: after,
    ends: {
      source: { address: plainAddress(source), port: from },
      destination: { address: plainAddress(destination), port: to },
    },
  };
}

function readBinary(bytes: Buffer): ProxyHeader {
  const version = bytes.readUInt8(12) >> 4;
  const command = bytes.readUInt8(12) & 0xf;
  const protocol = bytes.readUInt8(13);
  const family = protocol >> 4;
  const end = FIXED_BYTES + bytes.readUInt16BE(14);
  if (version !== VERSION_2) return refused(`The PROXY header has version ${version}, want 2`);
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) {
    return refused(`The PROXY header has the unknown command ${command}`);
  }
  if (end > PROXY_HEADER_BYTES_MAX) {
    return refused(`The PROXY header has ${end} bytes, at most ${PROXY_HEADER_BYTES_MAX}`);
  }
  // A proxy's own check: whatever else it says is skipped.
  if (command === COMMAND_LOCAL) {
    return bytes.length < end ? INCOMPLETE : { kind: 'read', bytes: end, ends: undefined };
  }
  if (family > FAMILY_MOST || (protocol & 0xf) > TRANSPORT_MOST) {
    return refused(`The PROXY header has the unknown protocol ${protocol}`);
  }
  const extensions = FIXED_BYTES + (ADDRESS_BYTES[family] ?? 0);
  if (end < extensions) return refused('The PROXY header is shorter than its addresses');
  if (bytes.length < end) return INCOMPLETE;
  // What follows no known addresses has no known shape.
  if (family !== 0 && !extensionsFit(bytes, extensions, end)) {
    return refused('An extension of the PROXY header leads out of it');
  }
  return { kind: 'read', bytes: end, ends: endsOf(bytes, protocol) };
}

/** Of datagrams and unix sockets nothing is known that could be the client of a TCP connection. */
function endsOf(bytes: Buffer, protocol: number): ProxiedEnds | undefined {
  if (protocol !== STREAM_IPV4 && protocol !== STREAM_IPV6) return undefined;
  const size = protocol === STREAM_IPV4 ? 4 : 16;
  const ports = FIXED_BYTES + 2 * size;
  const endpoint = (at: number, portAt: number): Endpoint => ({
    address: plainAddress(addressText(bytes.subarray(at, at + size))),
    port: bytes.readUInt16BE(portAt),
  });
  return {
    source: endpoint(FIXED_BYTES, ports),
    destination: endpoint(FIXED_BYTES + size, ports + 2),
  };
}

function extensionsFit(bytes: Buffer, from: number, end: number): boolean {
  let at = from;
  while (at + TLV_HEADER_BYTES <= end) at += TLV_HEADER_BYTES + bytes.readUInt16BE(at + 1);
  return at === end;
}

const MAPPED_START: Buffer = Buffer.from('00000000000000000000ffff', 'hex');

/** IPv6 in its shortest form (RFC 5952), which the URL parser knows. */
function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.subarray(0, 12).equals(MAPPED_START)) return bytes.subarray(12).join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** What is sent before a connection's own bytes; without `ends`: that it is the sender's own, such as a health check. */
export function proxyHeader(version: ProxyProtocolVersion, ends: ProxiedEnds | undefined): Buffer {
  const source = plainAddress(ends?.source.address ?? '');
  const destination = plainAddress(ends?.destination.address ?? '');
  const family = isIP(source);
  const isKnown = ends !== undefined && family !== 0 && isIP(destination) === family;
  if (version === 'v1') {
    if (!isKnown) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    const ports = `${ends.source.port} ${ends.destination.port}`;
    return Buffer.from(`PROXY TCP${family} ${source} ${destination} ${ports}\r\n`, 'latin1');
  }
  const command = (VERSION_2 << 4) | (ends === undefined ? COMMAND_LOCAL : COMMAND_PROXY);
  if (!isKnown) return Buffer.concat([SIGNATURE, Buffer.of(command, 0, 0, 0)]);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(ends.source.port, 0);
  ports.writeUInt16BE(ends.destination.port, 2);
  const rest = Buffer.concat([addressBytes(source), addressBytes(destination), ports]);
  const protocol = family === 4 ? STREAM_IPV4 : STREAM_IPV6;
  return Buffer.concat([SIGNATURE, Buffer.of(command, protocol, 0, rest.length), rest]);
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser also turns a final dotted quad into groups.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const groups = [...left, ...zeros, ...right].map((group) => group.padStart(4, '0'));
  return Buffer.from(groups.join(''), 'hex');
}
