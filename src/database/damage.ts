/** A file that SQLite cannot read: which errors say so, and the look at all of it that makes sure before a copy is put aside. */
import { isMolnError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { fromSqlite } from './errors.ts';
import type { SlowReads } from './stripe-options.ts';
import { wholeFileMs } from './whole-file.ts';

const CORRUPT_INDEX = 779;
/** https://sqlite.org/rescode.html: CORRUPT, NOTADB, CORRUPT_SEQUENCE, CORRUPT_INDEX. CORRUPT_VTAB is about what clients put into a virtual table. */
const OF_FILE: ReadonlySet<unknown> = new Set([11, 26, 523, CORRUPT_INDEX]);

function codeOf(error: unknown): unknown {
  const known = fromSqlite(error);
  return isMolnError(known, 'DATABASE_SQL') ? known.details?.['resultCode'] : undefined;
}

export function isOfFile(error: unknown): boolean {
  return OF_FILE.has(codeOf(error));
}

/** The quick one does not compare indexes with their tables. */
function lookFor(error: unknown): string {
  return `PRAGMA ${codeOf(error) === CORRUPT_INDEX ? 'integrity' : 'quick'}_check(1)`;
}

/** The line before what is wrong. */
const HEADING = /^\*\*\* in database \w+ \*\*\*\s*/;

/** What SQLite finds in the whole file; undefined: nothing. Rejects when it cannot be looked at in the time that its size allows. */
async function damageOf(
  path: string,
  sql: string,
  slowReads: Pick<SlowReads, 'query'>,
): Promise<string | undefined> {
  try {
    const { rows } = await slowReads.query(path, { sql }, await wholeFileMs(path));
    const said = String(rows[0]?.[0]);
    return said === 'ok' ? undefined : said.replace(HEADING, '').replaceAll('\n', '; ');
  } catch (error) {
    if (isOfFile(error)) return messageOf(error);
    throw error;
  }
}

export interface DamageOptions {
  /** Of the stripe. */
  readonly name: string;
  readonly path: string;
  readonly slowReads: Pick<SlowReads, 'query'>;
  readonly logger: Logger;
  /** Nothing is looked at any more. */
  readonly ended: AbortSignal;
}

/** Has the file looked at when SQLite says that it is damaged, once for all who meet that. */
export class Damage {
  readonly #options: DamageOptions;
  readonly #rebuild: (why: string) => Promise<void>;
  #isLooking = false;

  /** `rebuild` builds the copy anew. */
  constructor(options: DamageOptions, rebuild: (why: string) => Promise<void>) {
    this.#options = options;
    this.#rebuild = rebuild;
  }

  async noting<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.met(error);
      throw error;
    }
  }

  met(error: unknown): void {
    const { ended, logger, name: stripe } = this.#options;
    if (!isOfFile(error) || this.#isLooking || ended.aborted) return;
    this.#isLooking = true;
    logger.warn('A file seems to be damaged, and all of it is looked at', {
      stripe,
      why: messageOf(error),
    });
    const tell = (failure: unknown): void => {
      if (ended.aborted) return;
      logger.error('A damaged copy cannot be built anew yet', { stripe, why: messageOf(failure) });
    };
    void this.#look(lookFor(error))
      .catch(tell)
      .finally(() => (this.#isLooking = false));
  }

  async #look(sql: string): Promise<void> {
    const { path, slowReads } = this.#options;
    const damage = await damageOf(path, sql, slowReads);
    if (damage !== undefined) await this.#rebuild(`its file is damaged: ${damage}`);
  }
}
