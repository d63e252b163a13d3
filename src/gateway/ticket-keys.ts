/**
 * With what sessions of TLS are resumed (RFC 5077, RFC 8446 4.6.1). All processes that have the same keys resume each other's
 * sessions; new tickets are made with the first key, those of the others are taken and replaced.
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import type { Server as TlsServer } from 'node:tls';
import { TICKET_KEY_BYTES } from './limits.ts';

const DAY_S = 86_400;

/** Of the day and of the one before: whoever takes them reads two days. */
export function derivedTicketKeys(secret: string, epochSecond: number): readonly Buffer[] {
  const today = Math.floor(epochSecond / DAY_S);
  return [today, today - 1].map((day) =>
    Buffer.from(hkdfSync('sha256', secret, '', `moln tls tickets ${day}`, TICKET_KEY_BYTES)),
  );
}

/** What Node hands to the callback, and what it wants back: whether, HMAC key, AES key, name, initialisation vector. */
type TicketAnswer = readonly [number, Buffer, Buffer, Buffer?, Buffer?];

interface NativeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, isNew: boolean) => TicketAnswer;
  enableTicketKeyCallback?: () => void;
}

const [REFUSED, TAKEN, REPLACED] = [0, 1, 2];

/** Beyond Node's documented `setTicketKeys`, which knows one key: without its callback the first alone counts. */
export function useTicketKeys(server: TlsServer, keys: readonly Buffer[]): void {
  const [newest] = keys;
  if (newest === undefined) return;
  server.setTicketKeys(newest);
  const native = (server as unknown as { _sharedCreds?: { context?: NativeContext } })._sharedCreds
    ?.context;
  if (typeof native?.enableTicketKeyCallback !== 'function') return;
  const rings = keys.map((key) => ({
    name: key.subarray(0, 16),
    hmac: key.subarray(16, 32),
    aes: key.subarray(32, 48),
  }));
  const [first] = rings;
  if (first === undefined) return;
  native.onticketkeycallback = (name, _iv, isNew) => {
    if (isNew) return [TAKEN, first.hmac, first.aes, first.name, randomBytes(16)];
    const known = rings.find((ring) => ring.name.equals(name));
    if (known === undefined) return [REFUSED, first.hmac, first.aes];
    return [known === first ? TAKEN : REPLACED, known.hmac, known.aes];
  };
  native.enableTicketKeyCallback();
}
