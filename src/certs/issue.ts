/**
 * Brings one order to its certificate. Every step is written down before the authority hears of it, so that whoever goes on
 * with the order, in another process or on another machine, finds out from record and authority where it stands.
 */
import { isMolnError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type AcmeClient,
  alpnCertificate,
  type AuthorizationState,
  type ChallengeState,
  newKey,
  openAcme,
  type OrderState,
} from './acme.ts';
import { CERTS_ORDER_GONE, challengeFailed, hookFailed, orderGone, unreachable } from './errors.ts';
import { LOOK_EVERY_MS, LOOK_EVERY_MS_MAX, STEP_TIMEOUT_MS } from './limits.ts';
import { runDnsHook } from './dns-hook.ts';
import { checkPair } from './pem.ts';
import type {
  AcmeSettings,
  CertStore,
  ChallengeKind,
  HeldCertificate,
  OpenChallenge,
  Order,
} from './model.ts';

export interface IssueTools {
  readonly settings: AcmeSettings;
  readonly store: Pick<CertStore, 'account' | 'putAccount' | 'putOrder'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Goes on with `known`, or begins. `attempt`: failures before it; without a wish they alternate between the kinds. */
export async function issue(
  host: string,
  known: Order | undefined,
  attempt: number,
  tools: IssueTools,
): Promise<HeldCertificate> {
  const acme = await enter(tools);
  const { order, state } = await begin(host, known, acme, tools);
  const done = await prove({ order, state }, attempt, acme, tools);
  const { keyPem } = order;
  if (done.status === 'ready') await acme.finalize(done.url, { host, keyPem });
  const valid = await untilOrder(done.url, ['valid'], acme, tools);
  const cert = await acme.certificate(valid.url);
  const { certPem } = checkPair({ cert, key: keyPem }, host);
  return { host, source: 'acme', certPem, keyPem, addedAt: tools.clock.now() };
}

/** Into the account, which is made when it is first needed. */
async function enter({ settings, store, clock, signal }: IssueTools): Promise<AcmeClient> {
  const { directory, directoryCa: ca, email } = settings;
  const known = await store.account(directory);
  const account = known ?? { directory, keyPem: await newKey(), url: undefined };
  // Before the authority hears of it: the key is what the account is found by again.
  if (known === undefined) await store.putAccount(account);
  const access = { directory, ca, accountKeyPem: account.keyPem, now: () => clock.now(), signal };
  const acme = await openAcme({ ...access, accountUrl: account.url });
  if (account.url !== undefined) return acme;
  await store.putAccount({ ...account, url: await acme.enter(email) });
  return acme;
}

interface Begun {
  readonly order: Order;
  readonly state: OrderState;
}

async function begin(
  host: string,
  known: Order | undefined,
  acme: AcmeClient,
  { settings, store, clock, log }: IssueTools,
): Promise<Begun> {
  const { directory } = settings;
  if (known?.url !== undefined && known.directory === directory) {
    try {
      const state = await acme.look(known.url);
      if (state.status !== 'invalid') return { order: known, state };
      log.info('An order that was begun before has failed meanwhile and begins anew', { host });
    } catch (error) {
      if (!isMolnError(error, CERTS_ORDER_GONE)) throw error;
    }
  }
  const state = await acme.order(host);
  const order: Order = {
    host,
    directory,
    startedAt: clock.now(),
    keyPem: await newKey(),
    url: state.url,
    challenge: undefined,
  };
  await store.putOrder(order);
  return { order, state };
}

/** Shows the authority that the host is ours, unless it knows already. */
async function prove(
  { order, state }: Begun,
  attempt: number,
  acme: AcmeClient,
  tools: IssueTools,
): Promise<OrderState> {
  if (state.status !== 'pending') return state;
  for (const one of await acme.authorizations(state.url)) {
    if (one.isValid) continue;
    await authorize(order, one, attempt, acme, tools);
  }
  return untilOrder(state.url, ['ready', 'valid', 'processing'], acme, tools);
}

async function authorize(
  order: Order,
  one: AuthorizationState,
  attempt: number,
  acme: AcmeClient,
  tools: IssueTools,
): Promise<void> {
  const { settings, store, signal } = tools;
  const [kind, asked] = choose(order.host, one, attempt, settings);
  const answer = await acme.answerTo(kind, asked);
  const challenge: OpenChallenge = {
    kind,
    host: one.host,
    url: asked.url,
    token: asked.token,
    answer,
    tls: kind === 'tls-alpn-01' ? await alpnCertificate(one.host, answer) : undefined,
  };
  await store.putOrder({ ...order, challenge });
  const { dnsHook = '' } = settings;
  const record = { host: one.host, value: answer };
  try {
    if (kind === 'dns-01') await runDnsHook(dnsHook, 'set', record, signal);
    // Who goes on with an order may have been told already: saying it twice does no harm (RFC 8555 7.5.1).
    if (asked.status === 'pending') await acme.answered(asked);
    await untilAuthorized(order.url ?? '', one, kind, acme, tools);
  } finally {
    if (kind === 'dns-01') await clearRecord(dnsHook, record, tools);
  }
}

/** What is left in DNS harms nobody: the order goes on. */
async function clearRecord(
  program: string,
  record: { readonly host: string; readonly value: string },
  { log, signal }: IssueTools,
): Promise<void> {
  try {
    await runDnsHook(program, 'clear', record, signal);
  } catch (error) {
    log.warn('A record of DNS was not cleared', { host: record.host, error });
  }
}

function choose(
  host: string,
  one: AuthorizationState,
  attempt: number,
  { challenge, dnsHook }: AcmeSettings,
): readonly [ChallengeKind, ChallengeState] {
  const offered = (kind: ChallengeKind): ChallengeState | undefined =>
    one.challenges.find((each) => each.kind === kind);
  const usual: readonly ChallengeKind[] = ['http-01', 'tls-alpn-01'];
  const wishes = host.startsWith('*.')
    ? (['dns-01'] as const)
    : challenge === undefined
      ? [...usual.slice(attempt % 2), ...usual]
      : [challenge];
  for (const kind of wishes) {
    const asked = offered(kind);
    if (asked === undefined) continue;
    if (kind === 'dns-01' && dnsHook === undefined) {
      throw hookFailed(`No program sets records of DNS, and ${host} is to be shown by DNS-01`);
    }
    return [kind, asked];
  }
  throw challengeFailed(
    `The certificate authority offers no ${wishes.join(' or ')} for ${one.host}`,
    'Choose another challenge with "moln certificate acme --challenge KIND"',
  );
}

async function untilAuthorized(
  orderUrl: string,
  { url, host }: AuthorizationState,
  kind: ChallengeKind,
  acme: AcmeClient,
  tools: IssueTools,
): Promise<void> {
  await lookUntil(`to check ${host} by ${kind}`, tools, async () => {
    const all = await acme.authorizations(orderUrl);
    const now = all.find((each) => each.url === url);
    if (now === undefined) throw orderGone(orderUrl);
    if (now.isValid) return true;
    if (now.isPending) return undefined;
    const why = now.challenges.find((each) => each.kind === kind)?.why ?? 'it gives no reason';
    throw challengeFailed(
      `The certificate authority could not check ${host} by ${kind}: ${why}`,
      HINTS[kind],
    );
  });
}

const HINTS: Readonly<Record<ChallengeKind, string>> = {
  'http-01': 'DNS has to lead the host to a gateway, and port 80 has to be reached from outside',
  'tls-alpn-01':
    'DNS has to lead the host to a gateway, and port 443 has to be reached from outside',
  'dns-01': 'The program has to end only when every name server of the zone has the record',
};

async function untilOrder(
  url: string,
  wanted: readonly OrderState['status'][],
  acme: AcmeClient,
  tools: IssueTools,
): Promise<OrderState> {
  return lookUntil('to go on with the order', tools, async () => {
    const state = await acme.look(url);
    if (wanted.includes(state.status)) return state;
    if (state.status !== 'invalid') return undefined;
    throw challengeFailed(
      `The certificate authority has refused the order: ${state.why ?? 'it gives no reason'}`,
      'See the reason',
    );
  });
}

/** Rarer and rarer, until `look` finds something. */
async function lookUntil<T>(
  what: string,
  { clock, signal, settings }: IssueTools,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const end = clock.monotonicMs() + STEP_TIMEOUT_MS;
  for (let pauseMs = LOOK_EVERY_MS / 4; ; pauseMs = Math.min(pauseMs * 2, LOOK_EVERY_MS_MAX)) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicMs() > end) {
      throw unreachable(
        settings.directory,
        `it needs more than ${STEP_TIMEOUT_MS / 1000} s ${what}`,
      );
    }
    await clock.sleep(pauseMs, signal);
  }
}
