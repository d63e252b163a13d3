/** What the codec throws at bytes that break the protocol or a limit. */
import { MolnError } from '../base/errors.ts';

/**
 * A request (or an upstream's answer) that cannot be used. `status` is what a client is told for a bad
 * request; a gateway tells 502 instead when the bytes came from an upstream. The connection is closed
 * afterwards in every case: where the message ends is no longer known.
 */
export class HttpError extends MolnError {
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(code, message);
    this.status = status;
  }
}

export function isHttpError(error: unknown): error is HttpError {
  return error instanceof HttpError;
}
