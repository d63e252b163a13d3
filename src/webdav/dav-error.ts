/** What a WebDAV request is refused with. */
import { isMolnError } from '../base/errors.ts';
import { XML_HEAD } from '../xml/xml.ts';

export class DavError extends Error {
  override readonly name = 'DavError';
  readonly status: number;
  /** Name of a precondition of RFC 4918, section 16; its inside is XML. */
  readonly condition: { readonly name: string; readonly inside?: string } | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    options: {
      readonly condition?: { readonly name: string; readonly inside?: string };
      readonly headers?: Readonly<Record<string, string>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.condition = options.condition;
    this.headers = options.headers ?? {};
  }

  body(): string | undefined {
    if (this.condition === undefined) return undefined;
    const { name, inside = '' } = this.condition;
    return `${XML_HEAD}<D:error xmlns:D="DAV:"><D:${name}>${inside}</D:${name}></D:error>`;
  }
}

const STATUSES: Readonly<Record<string, number>> = {
  FILES_NO_BUCKET: 404,
  FILES_NO_OBJECT: 404,
  FILES_BUCKET_EXISTS: 405,
  FILES_BUCKET_NAME: 403,
  FILES_BUCKET_NOT_EMPTY: 409,
  FILES_CONDITION: 412,
  FILES_SIZE: 400,
  FILES_LOCKED: 423,
  FILES_ENCRYPTED: 403,
  FILES_HELD: 403,
  FILES_BUCKET_OF_SYSTEM: 403,
  FILES_KEY: 403,
};

/** Undefined for what is nobody's fault but ours. */
export function davErrorOf(error: unknown): DavError | undefined {
  if (error instanceof DavError) return error;
  if (!isMolnError(error)) return undefined;
  const options = { cause: error };
  if (error.code === 'FILES_QUOTA') {
    return new DavError(507, error.message, {
      ...options,
      condition: { name: 'quota-not-exceeded' },
    });
  }
  if (error.code === 'FILES_FULL') {
    return new DavError(507, error.message, {
      ...options,
      condition: { name: 'sufficient-disk-space' },
    });
  }
  const status = STATUSES[error.code] ?? (error.retryable ? 503 : undefined);
  return status === undefined ? undefined : new DavError(status, error.message, options);
}
