/** Shapes of what is kept. */
import { array, integer, literal, object, optional, type Schema, string } from '../base/schema.ts';
import type {
  Account,
  AcmeSettings,
  Failure,
  HeldCertificate,
  OpenChallenge,
  Order,
  TicketKey,
} from './model.ts';

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const text = string();
const kind = literal('http-01', 'tls-alpn-01', 'dns-01');

/** A key that is absent is undefined, also where the type wants to hear it said. */
function whole<T>(schema: Schema<unknown>): Schema<T> {
  return schema as Schema<T>;
}

export const settingsSchema: Schema<AcmeSettings> = whole(
  object({
    email: text,
    directory: text,
    directoryCa: optional(text),
    challenge: optional(kind),
    dnsHook: optional(text),
  }),
);

export const accountSchema: Schema<Account> = whole(
  object({ directory: text, keyPem: text, url: optional(text) }),
);

export const certificateSchema: Schema<HeldCertificate> = object({
  host: text,
  source: literal('acme', 'own'),
  certPem: text,
  keyPem: text,
  addedAt: time,
});

const challengeSchema: Schema<OpenChallenge> = whole(
  object({
    kind,
    host: text,
    url: text,
    token: text,
    answer: text,
    tls: optional(object({ cert: text, key: text })),
  }),
);

export const orderSchema: Schema<Order> = whole(
  object({
    host: text,
    directory: text,
    startedAt: time,
    keyPem: text,
    url: optional(text),
    challenge: optional(challengeSchema),
  }),
);

export const failureSchema: Schema<Failure> = object({
  host: text,
  count: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  at: time,
  retryAt: time,
  code: text,
  message: text,
});

export const ticketKeysSchema: Schema<readonly TicketKey[]> = array(
  object({ madeAt: time, key: text }),
);
