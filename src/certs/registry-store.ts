/**
 * Certificates, account, orders and ticket keys in the registry. Whatever is secret is sealed for its own key, and nothing of
 * it is in an error or a log.
 */
import { sha256Hex } from '../base/ids.ts';
import { array, integer, literal, object, optional, type Schema, string } from '../base/schema.ts';
import {
  Collection,
  type Entry,
  type Operation,
  type Registry,
  type Revision,
} from '../registry/registry.ts';
import { failureSchema, orderSchema, settingsSchema } from './schemas.ts';
import type {
  Account,
  AcmeSettings,
  CertState,
  CertStore,
  Failure,
  HeldCertificate,
  Order,
  TicketKey,
} from './model.ts';

/** All that gateways have to hear of is below it. */
export const CERTS_PREFIX = '/certs/';

export interface CertSealer {
  seal(plain: string, context: string): Uint8Array;
  open(sealed: Uint8Array, context: string): string;
}

const time = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

interface AccountRecord {
  readonly directory: string;
  readonly url?: string | undefined;
  readonly key: string;
}

interface CertificateRecord {
  readonly host: string;
  readonly source: 'acme' | 'own';
  readonly certificate: string;
  readonly key: string;
  readonly addedAt: number;
}

interface SealedRecord {
  readonly sealed: string;
}

const sealedSchema: Schema<SealedRecord> = object({ sealed: string() });

export interface RegistryStoreOptions {
  readonly registry: Registry;
  readonly sealer: CertSealer;
  /** Resolves when all gateways that are heard of use what is known at that revision. */
  readonly settled: (revision: Revision) => Promise<void>;
}

export class RegistryStore implements CertStore {
  readonly #options: RegistryStoreOptions;
  readonly #settings: Collection<AcmeSettings>;
  readonly #accounts: Collection<AccountRecord>;
  readonly #certificates: Collection<CertificateRecord>;
  readonly #orders: Collection<SealedRecord>;
  readonly #failures: Collection<Failure>;
  readonly #tickets: Collection<readonly { readonly madeAt: number; readonly sealed: string }[]>;

  constructor(options: RegistryStoreOptions) {
    this.#options = options;
    const { registry } = options;
    const collection = <T>(name: string, schema: Schema<T>): Collection<T> =>
      new Collection({ registry, prefix: `${CERTS_PREFIX}${name}/`, schema });
    this.#settings = collection('settings', settingsSchema);
    this.#accounts = collection(
      'account',
      object({ directory: string(), url: optional(string()), key: string() }),
    );
    this.#certificates = collection(
      'certificate',
      object({
        host: string(),
        source: literal('acme', 'own'),
        certificate: string(),
        key: string(),
        addedAt: time,
      }),
    );
    this.#orders = collection('order', sealedSchema);
    this.#failures = collection('failure', failureSchema);
    this.#tickets = collection('tickets', array(object({ madeAt: time, sealed: string() })));
  }

  async read(): Promise<CertState> {
    return this.decode((await this.#options.registry.list(CERTS_PREFIX)).entries).state;
  }

  /** Everything out of the records of one revision; the rest is passed over. Throws for a record of a later Moln. */
  decode(entries: readonly Entry[]): {
    readonly state: CertState;
    readonly ticketKeys: readonly TicketKey[];
  } {
    const of = <T>(collection: Collection<T>): readonly T[] =>
      entries
        .filter(({ key }) => key.startsWith(collection.prefix))
        .map((entry) => collection.decode(entry).value);
    const [settings] = of(this.#settings);
    return {
      state: {
        settings,
        certificates: of(this.#certificates).map((one) => this.#held(one)),
        orders: entries
          .filter(({ key }) => key.startsWith(this.#orders.prefix))
          .map((entry) => this.#order(entry)),
        failures: of(this.#failures),
      },
      ticketKeys: of(this.#tickets).flatMap((keys) =>
        keys.map(({ madeAt, sealed }) => ({
          madeAt,
          key: this.#open(sealed, this.#tickets.keyOf(TICKETS)),
        })),
      ),
    };
  }

  async account(directory: string): Promise<Account | undefined> {
    const id = sha256Hex(directory);
    const stored = await this.#accounts.get(id);
    if (stored === undefined) return undefined;
    const { url, key } = stored.value;
    return { directory, url, keyPem: this.#open(key, this.#accounts.keyOf(id)) };
  }

  async putAccount({ directory, url, keyPem }: Account): Promise<void> {
    const id = sha256Hex(directory);
    const key = this.#seal(keyPem, this.#accounts.keyOf(id));
    await this.#commit([this.#accounts.putOperation(id, { directory, url, key })]);
  }

  async putOrder(order: Order): Promise<void> {
    const { host, challenge } = order;
    const sealed = this.#seal(JSON.stringify(order), this.#orders.keyOf(host));
    const revision = await this.#commit([this.#orders.putOperation(host, { sealed })]);
    if (challenge !== undefined) await this.#options.settled(revision);
  }

  async finish(certificate: HeldCertificate): Promise<void> {
    const { host, source, certPem, keyPem, addedAt } = certificate;
    const key = this.#seal(keyPem, this.#certificates.keyOf(host));
    const record = { host, source, certificate: certPem, key, addedAt };
    await this.#commit([this.#certificates.putOperation(host, record), ...this.#over(host)]);
  }

  async fail(failure: Failure): Promise<void> {
    const { host } = failure;
    const order: Operation = { kind: 'delete', key: this.#orders.keyOf(host) };
    await this.#commit([order, this.#failures.putOperation(host, failure)]);
  }

  async drop(host: string): Promise<void> {
    await this.#commit(this.#over(host));
  }

  /** The certificate too. */
  async remove(host: string): Promise<void> {
    await this.#commit([
      { kind: 'delete', key: this.#certificates.keyOf(host) },
      ...this.#over(host),
    ]);
  }

  /** As if it had none yet: what is held serves until the new one is there. */
  async orderAgain(host: string): Promise<void> {
    const failure: Operation = { kind: 'delete', key: this.#failures.keyOf(host) };
    const known = await this.#orders.get(host);
    if (known !== undefined) return void (await this.#commit([failure]));
    const begun: Order = {
      host,
      directory: '',
      startedAt: 0,
      keyPem: '',
      url: undefined,
      challenge: undefined,
    };
    const sealed = this.#seal(JSON.stringify(begun), this.#orders.keyOf(host));
    await this.#commit([failure, this.#orders.putOperation(host, { sealed })]);
  }

  /** Undefined: nothing is ordered any more; what is held stays. */
  async putSettings(settings: AcmeSettings | undefined): Promise<void> {
    const key = this.#settings.keyOf(SETTINGS);
    await this.#commit([
      settings === undefined
        ? { kind: 'delete', key }
        : this.#settings.putOperation(SETTINGS, settings),
      // What failed at another authority, or in another way, says nothing any more.
      { kind: 'deletePrefix', prefix: this.#failures.prefix },
    ]);
  }

  async ticketKeys(): Promise<readonly TicketKey[]> {
    const entry = await this.#options.registry.get(this.#tickets.keyOf(TICKETS));
    return entry === undefined ? [] : this.decode([entry]).ticketKeys;
  }

  async putTicketKeys(keys: readonly TicketKey[]): Promise<void> {
    const context = this.#tickets.keyOf(TICKETS);
    const sealed = keys.map(({ madeAt, key }) => ({ madeAt, sealed: this.#seal(key, context) }));
    await this.#commit([this.#tickets.putOperation(TICKETS, sealed)]);
  }

  #over(host: string): readonly Operation[] {
    return [this.#orders, this.#failures].map((one) => ({ kind: 'delete', key: one.keyOf(host) }));
  }

  #held({ host, source, certificate: certPem, key, addedAt }: CertificateRecord): HeldCertificate {
    const keyPem = this.#open(key, this.#certificates.keyOf(host));
    return { host, source, certPem, keyPem, addedAt };
  }

  #order(entry: Entry): Order {
    const { sealed } = this.#orders.decode(entry).value;
    return orderSchema.decode(JSON.parse(this.#open(sealed, entry.key)), entry.key);
  }

  async #commit(operations: readonly Operation[]): Promise<Revision> {
    return (await this.#options.registry.commit([], operations)).revision;
  }

  #seal(plain: string, context: string): string {
    return Buffer.from(this.#options.sealer.seal(plain, context)).toString('base64');
  }

  #open(sealed: string, context: string): string {
    return this.#options.sealer.open(Buffer.from(sealed, 'base64'), context);
  }
}

const SETTINGS = 'acme';
const TICKETS = 'keys';
