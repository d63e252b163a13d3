/** Texts that a client stored to send them once. */
import { checkLength } from './bind.ts';
import { HranaError, ProtocolError } from './errors.ts';
import type { HranaLimits } from './limits.ts';
import type { SqlText } from './model.ts';

export class StoredSql {
  readonly #limits: HranaLimits;
  readonly #texts = new Map<number, string>();
  #characters = 0;

  constructor(limits: HranaLimits) {
    this.#limits = limits;
  }

  /** Throws `SQL_STORE_TOO_MANY`, `SQL_TOO_LONG`, `SQL_STORE_EXISTS`. */
  store(sqlId: number, sql: string): void {
    checkLength(sql, this.#limits);
    if (this.#texts.has(sqlId)) {
      throw new ProtocolError(
        `There is a text ${sqlId} already: close it before`,
        'SQL_STORE_EXISTS',
      );
    }
    const { storedSqlMax, storedSqlCharactersMax } = this.#limits;
    if (
      this.#texts.size >= storedSqlMax ||
      this.#characters + sql.length > storedSqlCharactersMax
    ) {
      throw new HranaError(
        'SQL_STORE_TOO_MANY',
        `At most ${storedSqlMax} texts of ${storedSqlCharactersMax} characters together are stored: close some`,
      );
    }
    this.#texts.set(sqlId, sql);
    this.#characters += sql.length;
  }

  close(sqlId: number): void {
    this.#characters -= this.#texts.get(sqlId)?.length ?? 0;
    this.#texts.delete(sqlId);
  }

  /** Throws `SQL_STORE_NOT_FOUND`. */
  text(text: SqlText): string {
    if (typeof text === 'string') return text;
    const stored = this.#texts.get(text.sqlId);
    if (stored !== undefined) return stored;
    throw new HranaError('SQL_STORE_NOT_FOUND', `No text ${text.sqlId} is stored`);
  }
}
