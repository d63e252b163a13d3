/**
 * The one error class of Moln. Expected failures carry a stable code, a sentence and a hint with
 * the command to run; bugs are `assert`s and are never turned into one of these.
 */

/** What travels over the API and IPC. The stack stays in the log. */
export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface MolnErrorOptions {
  readonly hint?: string;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * An expected failure. `code` is prefixed by the part it comes from (`APPS_NOT_FOUND`); the message
 * starts with a capital and has no final period.
 */
export class MolnError extends Error {
  override readonly name = 'MolnError';
  readonly code: string;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** Tells it from other errors, also over process borders and between two copies of this package. */
  readonly molnError = true;

  constructor(code: string, message: string, options: MolnErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.hint = options.hint;
    this.details = options.details;
  }

  toJSON(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }

  static from(body: ErrorBody): MolnError {
    return new MolnError(body.code, body.message, {
      retryable: body.retryable,
      ...(body.hint === undefined ? {} : { hint: body.hint }),
      ...(body.details === undefined ? {} : { details: body.details }),
    });
  }
}

/** Branded rather than `instanceof`: errors cross processes and copies of this package. */
export function isMolnError(value: unknown, code?: string): value is MolnError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'molnError' in value &&
    (code === undefined || (value as MolnError).code === code)
  );
}

/** A mistake in a file or option that a person wrote; `key` is the path of the offending key. */
export class ConfigError extends MolnError {
  readonly key: string;

  constructor(key: string, message: string, options: MolnErrorOptions = {}) {
    super('CONFIG_INVALID', message, { ...options, details: { ...options.details, key } });
    this.key = key;
  }
}

/** The message of anything that was thrown, for a log line or an error's cause. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node system error (`ENOENT`, `EADDRINUSE`, …), if it is one. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
