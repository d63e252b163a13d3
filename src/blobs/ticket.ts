/**
 * Who may do what on a storage node, without it asking anybody: a claim and its HMAC-SHA256 under a key that the nodes of a
 * cluster share. Whoever knows where blobs belong makes tickets; storage nodes check them.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/time.ts';
import { refusedTicket } from './errors.ts';
import type { BlobId } from './model.ts';

/** `read`: get, stat, verify · `write`: put, append, seal, truncate, pull · `delete` · `survey`: list, usage, of all blobs. */
export type TicketVerb = 'read' | 'write' | 'delete' | 'survey';

export interface TicketClaim {
  /** `*` for `survey`. */
  readonly id: BlobId;
  readonly verb: TicketVerb;
  /** The blob may have no more bytes; 0 but for `write`. */
  readonly maxBytes: number;
  /** Of the placement; 0 but for `write`. */
  readonly allocSeq: number;
}

export interface Ticket extends TicketClaim {
  /** The storage node. */
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export const SURVEY: TicketClaim = { id: '*', verb: 'survey', maxBytes: 0, allocSeq: 0 };

const TICKET_CHARACTERS_MAX = 2048;

export function makeTicket(key: Uint8Array, ticket: Ticket): string {
  const { id, node, verb, maxBytes, expiresAt, allocSeq } = ticket;
  const claim = Buffer.from(
    JSON.stringify([id, node, verb, maxBytes, expiresAt, allocSeq]),
  ).toString('base64url');
  return `${claim}.${sign(key, claim).toString('base64url')}`;
}

export type TicketCheck = (text: string | undefined, wanted: Pick<Ticket, 'id' | 'verb'>) => Ticket;

/**
 * Makes a check that throws `BLOBS_TICKET`. `keys`: the one in use, and one before it while it is being replaced; the same arrays each
 * time, so that nothing has to be made of them again.
 */
export function ticketCheck(options: {
  readonly keys: () => readonly Uint8Array[];
  readonly node: string;
  readonly clock: Pick<Clock, 'now'>;
}): TicketCheck {
  const { keys, node, clock } = options;
  return (text, wanted) => {
    if (text === undefined) throw refusedTicket('there is none');
    const ticket = open(keys(), text);
    if (ticket.node !== node) throw refusedTicket(`it is for node "${ticket.node}"`);
    if (ticket.id !== wanted.id) throw refusedTicket(`it is for blob ${ticket.id}`);
    if (ticket.verb !== wanted.verb) {
      throw refusedTicket(`it is to ${ticket.verb}, not to ${wanted.verb}`);
    }
    if (ticket.expiresAt <= clock.now()) throw refusedTicket('it has expired');
    return ticket;
  };
}

function open(keys: readonly Uint8Array[], text: string): Ticket {
  const [claim = '', signature = '', more] = text.split('.', 3);
  const given = Buffer.from(signature, 'base64url');
  const good = keys.some((key) => {
    const wanted = sign(key, claim);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
  if (!good || more !== undefined || text.length > TICKET_CHARACTERS_MAX) {
    throw refusedTicket('its signature is wrong');
  }
  // Signed, so it is what `makeTicket` wrote.
  const [id, node, verb, maxBytes, expiresAt, allocSeq] = JSON.parse(
    Buffer.from(claim, 'base64url').toString('utf8'),
  ) as [BlobId, string, TicketVerb, number, number, number];
  return { id, node, verb, maxBytes, expiresAt, allocSeq };
}

/** Making a key of bytes costs more than signing. */
const KEYS = new WeakMap<Uint8Array, KeyObject>();

function sign(bytes: Uint8Array, claim: string): Buffer {
  let key = KEYS.get(bytes);
  if (key === undefined) {
    key = createSecretKey(bytes);
    KEYS.set(bytes, key);
  }
  return createHmac('sha256', key).update(claim).digest();
}
