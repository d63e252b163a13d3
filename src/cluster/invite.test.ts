/** The line is read as it was written, for ever; anything else is one sentence. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isMolnError } from '../base/errors.ts';
import { decodeInvite, encodeInvite, type Invite } from './invite.ts';

const INVITE: Invite = {
  pin: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
  addresses: [
    { host: '192.0.2.1', port: 7420 },
    { host: '2001:db8::1', port: 443 },
    { host: 'one.example', port: 65_535 },
  ],
  id: '0123456789ab',
  secret: 'ffeeddccbbaa99887766554433221100',
  region: 'east',
};
/** Of format 1; never change it. */
const GOLDEN =
  'moln1.ASAAESIzRFVmd4iZqrvM3e7_ABEiM0RVZneImaq7zN3u_wwwMTIzNDU2Nzg5YWL_7t3Mu6qZiH' +
  'dmVUQzIhEABGVhc3QDCTE5Mi4wLjIuMRz8CzIwMDE6ZGI4OjoxAbsLb25lLmV4YW1wbGX__3492Sg';

function refuses(line: string, code: string): void {
  assert.throws(
    () => decodeInvite(line),
    (error) => isMolnError(error, code),
    line,
  );
}

/** As `encodeInvite` would write these bytes. */
function lineOf(body: Buffer): string {
  const check = createHash('sha256').update(body).digest().subarray(0, 4);
  return `moln1.${Buffer.concat([body, check]).toString('base64url')}`;
}

test('an invite of format 1 is read and written for ever', () => {
  assert.equal(encodeInvite(INVITE), GOLDEN);
  assert.deepEqual(decodeInvite(GOLDEN), INVITE);
});

test('without a region, with a short pin, and with spaces around it', () => {
  const { region: _region, ...rest } = INVITE;
  const small = { ...rest, pin: INVITE.pin.slice(0, 32) };
  assert.deepEqual(decodeInvite(` ${encodeInvite(small)}\n`), small);
});

test('every changed or missing character is found', () => {
  for (let at = 'moln1.'.length; at < GOLDEN.length; at++) {
    const other = GOLDEN[at] === 'A' ? 'B' : 'A';
    refuses(GOLDEN.slice(0, at) + other + GOLDEN.slice(at + 1), 'CLUSTER_INVITE_INVALID');
    refuses(GOLDEN.slice(0, at), 'CLUSTER_INVITE_INVALID');
  }
  refuses(`${GOLDEN}A`, 'CLUSTER_INVITE_INVALID');
  refuses(`${GOLDEN} --name x`, 'CLUSTER_INVITE_INVALID');
});

test('another version is named, anything else is no invite', () => {
  refuses(GOLDEN.replace('moln1.', 'moln2.'), 'CLUSTER_INVITE_VERSION');
  refuses(lineOf(Buffer.of(2, 1, 2, 3)), 'CLUSTER_INVITE_VERSION');
  for (const line of ['', 'moln', 'moln1', 'K10abc::server:def', 'x'.repeat(5_000)]) {
    refuses(line, 'CLUSTER_INVITE_INVALID');
  }
  refuses(`moln1.${'A'.repeat(5_000)}`, 'CLUSTER_INVITE_INVALID');
});

test('well-checked nonsense is refused: lengths that lead outside, a pin too short, no address', () => {
  const body = Buffer.from(GOLDEN.slice('moln1.'.length), 'base64url').subarray(0, -4);
  assert.equal(lineOf(body), GOLDEN);
  for (let length = 1; length < body.length; length++) {
    refuses(lineOf(body.subarray(0, length)), 'CLUSTER_INVITE_INVALID');
  }
  refuses(lineOf(Buffer.concat([body, Buffer.of(0)])), 'CLUSTER_INVITE_INVALID');
  const shortPin = Buffer.concat([Buffer.of(1, 8), body.subarray(2, 10), body.subarray(34)]);
  refuses(lineOf(shortPin), 'CLUSTER_INVITE_INVALID');
});
