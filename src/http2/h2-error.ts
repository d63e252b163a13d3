/** A mistake of the peer's after which nothing on the connection can be trusted (RFC 9113 5.4.1). */
export class H2Error extends Error {
  /** Of GOAWAY. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'H2Error';
    this.code = code;
  }
}
