/**
 * This node's part of a rotation of the authority: it trusts the new one beside the former one, has itself certified by it,
 * drops the former one, each when the registry says so; and acknowledges it once it is durable and its doors, gateways and
 * etcd go by it. All of it is done again after a start, and changes nothing where it was done.
 */
import { followAgain } from '../base/again.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import {
  type Acknowledgement,
  type AuthorityPair,
  fingerprintOf,
  type Identity,
  isEndorsed,
  pairOf,
  type Rotation,
  type RotationCertificates,
  RotationRecords,
} from '../cluster/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import type { OwnEtcd } from './own-etcd.ts';

const RETRY_MS = 200;
/** How often etcd and gateways are looked at once all that they were to do is acknowledged: others may take days. */
const IDLE_MS = 1000;

export interface AuthorityFollowerOptions {
  readonly identity: Identity;
  /** The live one: what was true once must not be done again. */
  readonly registry: Registry;
  readonly etcd: Pick<OwnEtcd, 'authoritiesAtStart'>;
  /** The gateways use the certificates and authorities of now. */
  readonly gateways: { readonly isApplied: boolean };
  /** Of the authority with this fingerprint, from a manager, for this one. */
  readonly fetchKey: (fingerprint: string) => Promise<void>;
  /** The registry has made a manager of this node. */
  readonly isManager: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AuthorityFollower implements AsyncDisposable {
  readonly #options: AuthorityFollowerOptions;
  readonly #records: RotationRecords;
  readonly #stop = new AbortController();
  #following: Promise<void> | undefined;
  #catchingUp: Promise<void> | undefined;
  #rotation: Rotation | undefined;
  /** The one that nothing is left to do for. */
  #finished: Rotation | undefined;
  #acknowledged = '';
  #trouble = '';

  constructor(options: AuthorityFollowerOptions) {
    this.#options = options;
    this.#records = new RotationRecords(options.registry);
  }

  start(): void {
    this.#following = this.#follow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await this.#catchingUp;
  }

  #follow(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stop;
    const onError = (error: unknown): void =>
      log.debug('Cannot follow the rotation of the authority and will retry', {
        reason: messageOf(error),
      });
    const work = async (): Promise<void> => {
      for await (const rotation of this.#records.watch(signal)) {
        this.#rotation = rotation;
        this.#acknowledged = '';
        this.#catchUp();
      }
    };
    return followAgain(work, { clock, signal, pauseMs: RETRY_MS, onError });
  }

  #catchUp(): void {
    if (this.#isFinished) return;
    this.#catchingUp ??= this.#untilFinished().finally(() => {
      this.#catchingUp = undefined;
      // What came after the last look found this under way and left it at that.
      this.#catchUp();
    });
  }

  get #isFinished(): boolean {
    return this.#rotation === this.#finished || this.#stop.signal.aborted;
  }

  async #untilFinished(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#isFinished) {
      const rotation = this.#rotation;
      let pauseMs = RETRY_MS;
      try {
        const state = await this.#step(rotation);
        if (state === 'finished') this.#finished = rotation;
        if (state === 'idle') pauseMs = IDLE_MS;
        this.#trouble = '';
      } catch (error) {
        const reason = messageOf(error);
        if (reason !== this.#trouble) {
          log.warn('A step of the rotation of the authority will be repeated', { reason });
        }
        this.#trouble = reason;
      }
      if (this.#isFinished) return;
      await clock.sleep(pauseMs, this.#stop.signal).catch(() => undefined);
    }
  }

  /** `finished`: nothing is left to do until the record changes; `idle`: only etcd or the gateways may change something. */
  async #step(rotation: Rotation | undefined): Promise<'busy' | 'idle' | 'finished'> {
    const pair = pairOf(rotation);
    const certificates = rotation?.certificates;
    if (rotation === undefined || pair === undefined || certificates === undefined) {
      return 'finished';
    }
    const { trusted } = this.#options.identity.authorities;
    if (!trusted.includes(pair.from) && !trusted.includes(pair.to)) {
      throw new Error('the rotation is from an authority that this node does not know');
    }
    const { endorsement: certificatePem, from: formerPem, to } = certificates;
    if (!isEndorsed(to, { certificatePem, formerPem })) {
      throw new Error('the former authority has not signed for the new one');
    }
    switch (rotation.step) {
      case 'trust':
        await this.#trust(certificates, pair);
        break;
      case 'renew':
        await this.#renew(certificates, pair);
        break;
      case 'drop':
      case 'done':
        await this.#drop(certificates, pair);
        break;
      case 'asked':
        return 'finished';
    }
    if (rotation.step === 'done') return 'finished';
    return (await this.#acknowledge()) ? 'idle' : 'busy';
  }

  async #trust(certificates: RotationCertificates, pair: AuthorityPair): Promise<void> {
    const { identity, isManager, fetchKey } = this.#options;
    const { from, to, endorsement: certificatePem } = certificates;
    if (identity.fingerprint !== pair.to) {
      const endorsement = { certificatePem, formerPem: from };
      await identity.setAuthorities([from, to], { endorsement });
    }
    if (isManager() && !identity.authorities.holdsKeyOf(pair.to)) await fetchKey(pair.to);
  }

  async #renew(certificates: RotationCertificates, pair: AuthorityPair): Promise<void> {
    const { identity, isManager, fetchKey } = this.#options;
    const { from, to } = certificates;
    if (!identity.authorities.trusted.includes(pair.to)) await this.#trust(certificates, pair);
    if (isManager() && !identity.authorities.holdsKeyOf(pair.to)) await fetchKey(pair.to);
    if (identity.fingerprint !== pair.to) await identity.setAuthorities([to, from]);
    await identity.renewIfDue();
  }

  async #drop(certificates: RotationCertificates, pair: AuthorityPair): Promise<void> {
    const { identity } = this.#options;
    const { from: formerPem, to, endorsement: certificatePem } = certificates;
    if (identity.fingerprint !== pair.to || this.#issuer !== pair.to) {
      await this.#renew(certificates, pair);
    }
    await identity.setAuthorities([to], { endorsement: { certificatePem, formerPem } });
  }

  /** Only what is new. True when there was nothing. */
  async #acknowledge(): Promise<boolean> {
    const { identity, etcd, gateways } = this.#options;
    if (!gateways.isApplied) return false;
    const { trusted } = identity.authorities;
    const said: Acknowledgement = {
      trusts: trusted,
      issuer: this.#issuer ?? '',
      keys: trusted.filter((fingerprint) => identity.authorities.holdsKeyOf(fingerprint)),
      etcd: await etcd.authoritiesAtStart(),
    };
    const text = JSON.stringify(said);
    if (text === this.#acknowledged) return true;
    await this.#records.acknowledge(identity.node.id, said);
    this.#acknowledged = text;
    return false;
  }

  /** Fingerprint of the authority that has issued the certificate of now. */
  get #issuer(): string | undefined {
    const { authorities, certificate } = this.#options.identity;
    const issuer = authorities.issuerOf(certificate.certificatePem);
    return issuer === undefined ? undefined : fingerprintOf(issuer);
  }
}
