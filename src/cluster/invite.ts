/**
 * The line that a second machine is joined with: `moln1.` and the base64url of a small binary. It holds what the joiner
 * has to know before it trusts anybody (the pin of the authority, where to go) and the secret that lets it in once.
 *
 * Format 1, after the prefix: byte 1 · pin (16 to 32 first bytes of the SHA-256 of the authority's certificate, DER) ·
 * id · secret (16) · region (may be empty) · number of addresses (1) · per address: host · port (2, big-endian) ·
 * check (first 4 bytes of the SHA-256 of all before). Pin, id, region and host are each preceded by a length byte.
 * The prefix carries the major number, so that an older Moln refuses a later form before it reads it.
 */
import { createHash } from 'node:crypto';
import { inviteCut, inviteForeignVersion, inviteNotOne } from './join-errors.ts';
import { INVITE_ADDRESSES_MAX, INVITE_LENGTH_MAX } from './limits.ts';

export interface Invite {
  /** Lower-case hex, at least 16 bytes: how the SHA-256 of the authority's certificate starts. */
  readonly pin: string;
  /** Where managers are, the likeliest first. */
  readonly addresses: readonly InviteAddress[];
  readonly id: string;
  /** Lower-case hex, 16 bytes. */
  readonly secret: string;
  readonly region?: string;
}

export interface InviteAddress {
  readonly host: string;
  readonly port: number;
}

const PREFIX = 'moln1.';
const ANY_PREFIX = /^moln(\d+)\.[A-Za-z0-9_-]*/;
const FORMAT = 1;
const PIN_BYTES_MIN = 16;
const PIN_BYTES_MAX = 32;
const SECRET_BYTES = 16;
const CHECK_BYTES = 4;

export function encodeInvite(invite: Invite): string {
  const pin = Buffer.from(invite.pin, 'hex').subarray(0, PIN_BYTES_MAX);
  const secret = Buffer.from(invite.secret, 'hex');
  const { addresses } = invite;
  if (pin.length < PIN_BYTES_MIN || secret.length !== SECRET_BYTES) {
    throw new Error('An invite needs a pin of 16 bytes or more and a secret of 16 bytes');
  }
  if (addresses.length === 0 || addresses.length > INVITE_ADDRESSES_MAX) {
    throw new Error(`An invite needs 1 to ${INVITE_ADDRESSES_MAX} addresses`);
  }
  const body = Buffer.concat([
    Buffer.of(FORMAT),
    sized(pin),
    sized(Buffer.from(invite.id)),
    secret,
    sized(Buffer.from(invite.region ?? '')),
    Buffer.of(addresses.length),
    ...addresses.flatMap(({ host, port }) => [
      sized(Buffer.from(host)),
      Buffer.of(port >> 8, port & 0xff),
    ]),
  ]);
  return PREFIX + Buffer.concat([body, checkOf(body)]).toString('base64url');
}

/**
 * Strict: throws `CLUSTER_INVITE_INVALID` for what is no invite or was cut short or changed, and
 * `CLUSTER_INVITE_VERSION` for one of another version.
 */
export function decodeInvite(text: string): Invite {
  const line = text.trim();
  const version = ANY_PREFIX.exec(line)?.[1];
  if (version === undefined || line.length > INVITE_LENGTH_MAX) throw inviteNotOne();
  if (!line.startsWith(PREFIX)) throw inviteForeignVersion(Number(version), FORMAT);
  const encoded = line.slice(PREFIX.length);
  const bytes = Buffer.from(encoded, 'base64url');
  // Node skips what is not base64url; what does not come out again was not written by us.
  if (bytes.toString('base64url') !== encoded) throw inviteCut();
  const body = bytes.subarray(0, -CHECK_BYTES);
  if (body.length === 0 || !checkOf(body).equals(bytes.subarray(-CHECK_BYTES))) throw inviteCut();
  const format = body.readUInt8(0);
  if (format !== FORMAT) throw inviteForeignVersion(format, FORMAT);
  try {
    return readBody(body);
  } catch (error) {
    if (error instanceof RangeError) throw inviteCut();
    throw error;
  }
}

/** Throws RangeError where a length leads out of the bytes or a value is out of bounds. */
function readBody(body: Buffer): Invite {
  let at = 1;
  const take = (length: number): Buffer => {
    if (at + length > body.length) throw new RangeError('Too short');
    at += length;
    return body.subarray(at - length, at);
  };
  const takeSized = (): Buffer => take(take(1).readUInt8());
  const pin = takeSized();
  const id = takeSized().toString('utf8');
  const secret = take(SECRET_BYTES).toString('hex');
  const region = takeSized().toString('utf8');
  const addresses: InviteAddress[] = [];
  for (let left = take(1).readUInt8(); left > 0; left--) {
    addresses.push({ host: takeSized().toString('utf8'), port: take(2).readUInt16BE() });
  }
  const isPin = pin.length >= PIN_BYTES_MIN && pin.length <= PIN_BYTES_MAX;
  const isWhole = at === body.length && isPin && id !== '' && addresses.length > 0;
  if (!isWhole || addresses.some(({ host, port }) => host === '' || port === 0)) {
    throw new RangeError('Out of bounds');
  }
  const whole: Invite = { pin: pin.toString('hex'), addresses, id, secret };
  return region === '' ? whole : { ...whole, region };
}

function sized(bytes: Buffer): Buffer {
  if (bytes.length > 255) throw new Error(`${bytes.length} bytes do not fit into an invite`);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

function checkOf(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES);
}
