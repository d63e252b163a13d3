/** Certificates, account and orders of a gateway that runs by itself: one file that only its owner may read. */
import { join } from 'node:path';
import { ensureFolder, readTextIfAny, writeFileAtomic } from '../base/disk.ts';
import { MolnError, messageOf } from '../base/errors.ts';
import { array, literal, object } from '../base/schema.ts';
import { CERTS_RATE_LIMITED } from './errors.ts';
import type {
  Account,
  AcmeSettings,
  CertState,
  CertStore,
  Failure,
  HeldCertificate,
  Order,
} from './model.ts';
import { accountSchema, certificateSchema, failureSchema, orderSchema } from './schemas.ts';

const FORMAT = 1;

interface Contents {
  readonly accounts: readonly Account[];
  readonly certificates: readonly HeldCertificate[];
  readonly orders: readonly Order[];
  readonly failures: readonly Failure[];
}

const NOTHING: Contents = { accounts: [], certificates: [], orders: [], failures: [] };

const contentsSchema = object({
  format: literal('1'),
  accounts: array(accountSchema),
  certificates: array(certificateSchema),
  orders: array(orderSchema),
  failures: array(failureSchema),
});

export class FileStore implements CertStore {
  readonly #path: string;
  #contents: Contents = NOTHING;
  #writing: Promise<void> = Promise.resolve();
  #settings: AcmeSettings | undefined;
  #onChange: (state: CertState) => Promise<void> = () => Promise.resolve();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws `CERTS_STATE_DAMAGED`. */
  static async open(folder: string): Promise<FileStore> {
    await ensureFolder(folder);
    const store = new FileStore(join(folder, 'certificates.json'));
    const text = await readTextIfAny(store.#path);
    if (text === undefined) return store;
    try {
      const { format: _format, ...contents } = contentsSchema.decode(JSON.parse(text), '');
      store.#contents = contents;
    } catch (error) {
      throw new MolnError(
        'CERTS_STATE_DAMAGED',
        `"${store.#path}" cannot be read: ${messageOf(error)}`,
        { hint: 'Move it away: certificates are then ordered anew', cause: error },
      );
    }
    return store;
  }

  use(settings: AcmeSettings | undefined): void {
    this.#settings = settings;
  }

  /** `apply` resolves when the gateways use what it is given. */
  follow(apply: (state: CertState) => Promise<void>): void {
    this.#onChange = apply;
  }

  get state(): CertState {
    const { certificates, orders, failures } = this.#contents;
    return { settings: this.#settings, certificates, orders, failures };
  }

  async read(): Promise<CertState> {
    return this.state;
  }

  async account(directory: string): Promise<Account | undefined> {
    return this.#contents.accounts.find((one) => one.directory === directory);
  }

  putAccount(account: Account): Promise<void> {
    const { directory } = account;
    return this.#change(({ accounts, ...rest }) => ({
      ...rest,
      accounts: [...accounts.filter((one) => one.directory !== directory), account],
    }));
  }

  async putOrder(order: Order): Promise<void> {
    await this.#change((now) => ({ ...now, orders: [...without(now.orders, order.host), order] }));
    await this.#onChange(this.state);
  }

  async finish(certificate: HeldCertificate): Promise<void> {
    const { host } = certificate;
    await this.#change((now) => ({
      ...now,
      certificates: [...without(now.certificates, host), certificate],
      orders: without(now.orders, host),
      failures: without(now.failures, host),
    }));
    await this.#onChange(this.state);
  }

  async fail(failure: Failure): Promise<void> {
    const { host } = failure;
    await this.#change((now) => ({
      ...now,
      orders: without(now.orders, host),
      failures: [...without(now.failures, host), failure],
    }));
    await this.#onChange(this.state);
  }

  drop(host: string): Promise<void> {
    return this.#change((now) => ({
      ...now,
      orders: without(now.orders, host),
      failures: without(now.failures, host),
    }));
  }

  /** Somebody has looked at what failed; an authority that asked to wait is obeyed all the same. */
  tryAgain(): Promise<void> {
    return this.#change((now) => ({
      ...now,
      failures: now.failures.filter(({ code }) => code === CERTS_RATE_LIMITED),
    }));
  }

  /** One after the other, each on the disk before it counts. */
  #change(change: (now: Contents) => Contents): Promise<void> {
    const next = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const contents = change(this.#contents);
        await writeFileAtomic(this.#path, JSON.stringify({ format: String(FORMAT), ...contents }));
        this.#contents = contents;
      });
    this.#writing = next;
    return next;
  }
}

function without<T extends { readonly host: string }>(
  list: readonly T[],
  host: string,
): readonly T[] {
  return list.filter((one) => one.host !== host);
}
