/**
 * Requests as programs send them to a service: head and body are there together, of a stated length. Whoever serves those itself, and has
 * a full HTTP server for all others, looks here first. Pure; what is broken or unusual in any way is "other".
 */
import { FIELD } from './field-names.ts';
import { BODY, RequestFraming } from './framing.ts';
import { RequestHead } from './head.ts';
import { isHttpError } from './http-error.ts';
import { DEFAULT_HEAD_LIMITS } from './limits.ts';

const OFFSETS_PER_FIELD = 4;

/** `long`: its head is there, and its body is to be taken as it comes. `part`: the rest may still come. `other`: not for whoever looks here. */
export type Look = 'whole' | 'long' | 'part' | 'other';

const POST: ReadonlySet<string> = new Set(['POST']);
/** Need not say that they have no body. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);

/** One at a time; reused from request to request. */
export class WholeRequest {
  readonly head: RequestHead = new RequestHead(DEFAULT_HEAD_LIMITS);
  readonly #framing: RequestFraming = new RequestFraming();
  readonly #methods: ReadonlySet<string>;
  readonly #takesLong: boolean;
  readonly bytesMax: number;

  /** `bytesMax`: of head and body. `takesLong`: longer ones, and those whose sender waits for 100, are `long`; else "other". */
  constructor(
    bytesMax: number,
    methods: ReadonlySet<string> = POST,
    { takesLong = false }: { readonly takesLong?: boolean } = {},
  ) {
    this.bytesMax = bytesMax;
    this.#methods = methods;
    this.#takesLong = takesLong;
  }

  /** Valid while a look was `whole` or `long`, as all below. */
  get bodyStart(): number {
    return this.head.end;
  }

  /** One past the body. */
  get end(): number {
    return this.head.end + this.#framing.length;
  }

  /** Its sender waits for 100 before he sends the body (RFC 9110 10.1.1). */
  get expectsContinue(): boolean {
    return this.#framing.expectContinue;
  }

  /** What the client wants of the connection afterwards. */
  get keepAlive(): boolean {
    return this.#framing.keepAlive;
  }

  /** At the request that begins at `from`; the bytes must stay as they are while it is read. */
  look(buffer: Buffer, from: number, to: number): Look {
    const { head } = this;
    head.reset(from);
    try {
      if (!head.scan(buffer, to)) return to - from < this.bytesMax ? 'part' : 'other';
      this.#framing.read(head);
    } catch (error) {
      if (!isHttpError(error)) throw error;
      return 'other';
    }
    const { kind, expectContinue } = this.#framing;
    const isSized = kind === BODY.length || (kind === BODY.none && BODILESS.has(head.method));
    const isPlain = isSized && head.indexOf(FIELD.upgrade) < 0;
    if (!isPlain || head.minor !== 1 || !this.#methods.has(head.method)) return 'other';
    if (expectContinue || this.end - from > this.bytesMax)
      return this.#takesLong && kind === BODY.length ? 'long' : 'other';
    return this.end <= to ? 'whole' : 'part';
  }

  /** The value of the only field of that name, in lower case; undefined when there is none, null when there are several. */
  field(name: string): string | undefined | null {
    const { head } = this;
    let found: string | undefined;
    for (let index = 0; index < head.count; index++) {
      const at = index * OFFSETS_PER_FIELD;
      const length = (head.offsets[at + 1] ?? 0) - (head.offsets[at] ?? 0);
      if (length !== name.length || head.nameAt(index).toLowerCase() !== name) continue;
      if (found !== undefined) return null;
      found = head.valueAt(index);
    }
    return found;
  }
}
