/**
 * Packets of SFTP, version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH's PROTOCOL. Each is a length, a type and fields;
 * a text has its length before it. Pure.
 */

export const SFTP = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  stat: 17,
  rename: 18,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attributes: 105,
  extended: 200,
  extendedReply: 201,
} as const;

export const STATUS = { ok: 0, end: 1, noFile: 2, denied: 3 } as const;
export const OPEN_FLAGS = { read: 1, write: 2, create: 8, truncate: 16, exclusive: 32 } as const;
export const SFTP_VERSION = 3;
/** OpenSSH takes no longer ones. */
export const PACKET_BYTES_MAX: number = 256 * 1024;

const LENGTH_BYTES = 4;
/** Of attributes: what is given. */
const HAS = { size: 1, owner: 2, permissions: 4, times: 8, extended: 0x80000000 } as const;
const NO_ATTRIBUTES: Buffer = Buffer.alloc(4);

/** A whole packet. Numbers are 32 bits, bigints 64. */
export function packet(
  type: number,
  ...fields: readonly (number | bigint | string | Uint8Array)[]
): Buffer {
  const parts: Uint8Array[] = [Buffer.of(type)];
  for (const field of fields) {
    if (typeof field === 'number') parts.push(uint32(field));
    else if (typeof field === 'bigint') {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(field);
      parts.push(bytes);
    } else {
      const bytes = typeof field === 'string' ? Buffer.from(field) : field;
      parts.push(uint32(bytes.length), bytes);
    }
  }
  return framed(parts);
}

/** As `packet`, and nothing said of the attributes of what is made. */
export function packetWithAttributes(
  type: number,
  id: number,
  path: string,
  ...flags: readonly number[]
): Buffer {
  const body = packet(type, id, path, ...flags).subarray(LENGTH_BYTES);
  return framed([body, NO_ATTRIBUTES]);
}

function framed(parts: readonly Uint8Array[]): Buffer {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([uint32(bytes), ...parts]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Cuts what comes into packets, without their lengths. Throws when one is too long. */
export class PacketCutter {
  #rest: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): readonly Buffer[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const packets: Buffer[] = [];
    while (this.#rest.length >= LENGTH_BYTES) {
      const length = this.#rest.readUInt32BE();
      if (length > PACKET_BYTES_MAX) throw new Error(`a packet of ${length} bytes came`);
      const end = LENGTH_BYTES + length;
      if (this.#rest.length < end) break;
      packets.push(this.#rest.subarray(LENGTH_BYTES, end));
      this.#rest = this.#rest.subarray(end);
    }
    return packets;
  }
}

/** Fields of a packet, in order. Throws when there are fewer. */
export class PacketReader {
  readonly type: number;
  readonly #bytes: Buffer;
  #at = 1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.type = bytes.readUInt8();
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  uint64(): number {
    this.#at += 8;
    return Number(this.#bytes.readBigUInt64BE(this.#at - 8));
  }

  bytes(): Buffer {
    const length = this.uint32();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('a field is longer than its packet');
    const field = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return field;
  }

  text(): string {
    return this.bytes().toString();
  }

  /** Size, when it is given. */
  attributes(): number | undefined {
    const flags = this.uint32();
    const size = (flags & HAS.size) === 0 ? undefined : this.uint64();
    if ((flags & HAS.owner) !== 0) this.uint64();
    if ((flags & HAS.permissions) !== 0) this.uint32();
    if ((flags & HAS.times) !== 0) this.uint64();
    if ((flags & HAS.extended) !== 0)
      for (let left = this.uint32(); left > 0; left -= 1) {
        this.bytes();
        this.bytes();
      }
    return size;
  }
}
