/**
 * The ACME protocol (RFC 8555, RFC 8737), as far as an order needs it; the only file that knows the library behind it. It is
 * loaded when something is ordered: it costs memory, and most nodes never need it. Its own HTTP client is not used.
 */
import type { Authorization, Client, Order as RemoteOrder } from 'acme-client';
import { messageOf } from '../base/errors.ts';
import { askAuthority, problemOf, type TransportOptions } from './acme-transport.ts';
import { orderGone, unreachable } from './errors.ts';
import { BAD_NONCES_MAX } from './limits.ts';
import type { ChallengeKind } from './model.ts';

export interface AcmeAccess extends TransportOptions {
  readonly directory: string;
  readonly accountKeyPem: string;
  /** Undefined: not entered yet. */
  readonly accountUrl: string | undefined;
}

export interface OrderState {
  readonly url: string;
  /** RFC 8555 7.1.6. */
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';
  /** Why it is invalid, if the authority says so. */
  readonly why: string | undefined;
}

export interface AuthorizationState {
  readonly url: string;
  readonly host: string;
  readonly isPending: boolean;
  readonly isValid: boolean;
  readonly challenges: readonly ChallengeState[];
}

export interface ChallengeState {
  readonly kind: string;
  readonly url: string;
  readonly token: string;
  readonly status: string;
  /** What the authority saw, and where. */
  readonly why: string | undefined;
}

/** One account at one authority. */
export interface AcmeClient {
  /** Enters the account, or finds it by its key; resolves with its URL. */
  enter(email: string): Promise<string>;
  order(host: string): Promise<OrderState>;
  /** Throws `CERTS_ORDER_GONE`. */
  look(orderUrl: string): Promise<OrderState>;
  authorizations(orderUrl: string): Promise<readonly AuthorizationState[]>;
  /** What has to be shown for a challenge. */
  answerTo(kind: ChallengeKind, challenge: ChallengeState): Promise<string>;
  /** Says that it is shown. */
  answered(challenge: Pick<ChallengeState, 'url'>): Promise<void>;
  /** Asks for the certificate of a ready order. */
  finalize(
    orderUrl: string,
    request: { readonly host: string; readonly keyPem: string },
  ): Promise<void>;
  /** PEM of a valid order, with its chain. */
  certificate(orderUrl: string): Promise<string>;
}

async function library(): Promise<typeof import('acme-client')> {
  return import('acme-client');
}

/** A new P-256 key (PKCS #8, PEM), for an account or a certificate. */
export async function newKey(): Promise<string> {
  const { crypto } = await library();
  return (await crypto.createPrivateEcdsaKey()).toString();
}

/** What a TLS-ALPN-01 question is answered with (RFC 8737 3). */
export async function alpnCertificate(
  host: string,
  answer: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { crypto } = await library();
  const key = await crypto.createPrivateEcdsaKey();
  const asked = { identifier: { type: 'dns', value: host } } as Authorization;
  const [, cert] = await crypto.createAlpnCertificate(asked, answer, key);
  return { cert: cert.toString(), key: key.toString() };
}

/** The part of the library that speaks HTTP. */
interface WithHttp {
  readonly http: {
    /** How often a request is repeated whose nonce was too old. */
    maxBadNonceRetries: number;
    request(
      url: string,
      method: string,
      options?: { readonly data?: unknown },
    ): ReturnType<typeof askAuthority>;
  };
}

export async function openAcme(access: AcmeAccess): Promise<AcmeClient> {
  const { Client: LibraryClient, crypto } = await library();
  const client = new LibraryClient({
    directoryUrl: access.directory,
    accountKey: access.accountKeyPem,
    ...(access.accountUrl === undefined ? {} : { accountUrl: access.accountUrl }),
  });
  const { http } = client as unknown as WithHttp;
  http.maxBadNonceRetries = BAD_NONCES_MAX;
  http.request = (url, method, options = {}) =>
    askAuthority(url, { method, body: options.data }, access);
  const { directory } = access;
  // What the library finds wrong by itself has no class of its own.
  const said = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (access.signal.aborted || (error instanceof Error && 'molnError' in error)) throw error;
      throw unreachable(directory, `it does not speak ACME (${messageOf(error)})`, error);
    }
  };
  const find = (url: string): Promise<RemoteOrder> => client.getOrder({ url } as RemoteOrder);
  return {
    enter: (email) =>
      said(async () => {
        await client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${email}`] });
        return client.getAccountUrl();
      }),
    order: (host) =>
      said(async () =>
        stateOf(await client.createOrder({ identifiers: [{ type: 'dns', value: host }] })),
      ),
    look: (url) => said(async () => stateOf(await find(url))),
    authorizations: (url) =>
      said(async () => (await client.getAuthorizations(await find(url))).map(authorizationOf)),
    answerTo: (kind, { token, url }) =>
      said(() => client.getChallengeKeyAuthorization({ type: kind, token, url } as Challenge)),
    answered: ({ url }) =>
      said(async () => void (await client.completeChallenge({ url } as Challenge))),
    finalize: (url, { host, keyPem }) =>
      said(async () => {
        const [, request] = await crypto.createCsr({ altNames: [host] }, keyPem);
        await client.finalizeOrder(await find(url), request);
      }),
    certificate: (url) => said(async () => client.getCertificate(await find(url))),
  };
}

type Challenge = Parameters<Client['completeChallenge']>[0];

const STATUSES: readonly string[] = ['pending', 'ready', 'processing', 'valid', 'invalid'];

function stateOf(order: RemoteOrder): OrderState {
  const { url, status } = order;
  if (!STATUSES.includes(status)) throw orderGone(url);
  const { error } = order as { readonly error?: unknown };
  return { url, status: status as OrderState['status'], why: problemOf(error).detail };
}

function authorizationOf(one: Authorization): AuthorizationState {
  const { url, status, identifier } = one;
  return {
    url,
    host: identifier.value,
    isPending: status === 'pending',
    isValid: status === 'valid',
    challenges: one.challenges.map((challenge) => ({
      kind: challenge.type,
      url: challenge.url,
      token: 'token' in challenge ? challenge.token : '',
      status: challenge.status,
      why: whyOf(challenge),
    })),
  };
}

/** The authority's words, and the addresses that it went to (RFC 8555 8, Boulder's `validationRecord`). */
function whyOf(challenge: unknown): string | undefined {
  const { error, validationRecord } = challenge as Readonly<Record<string, unknown>>;
  const { detail } = problemOf(error);
  if (detail === undefined) return undefined;
  const places = (Array.isArray(validationRecord) ? validationRecord : []).flatMap((record) => {
    const { url, addressUsed } = record as Readonly<Record<string, unknown>>;
    if (typeof url !== 'string' || detail.includes(url)) return [];
    return [
      typeof addressUsed === 'string' && addressUsed !== '' ? `${url} at ${addressUsed}` : url,
    ];
  });
  return places.length === 0 ? detail : `${detail} (it asked ${places.join(', then ')})`;
}
