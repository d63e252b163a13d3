/** Whether an answer leaves compressed, and what its head then says (RFC 9110 8.4, 8.8.1, 12.5.3). */
import { chooseEncoding } from '../http/accept-encoding.ts';
import { EVENT_STREAM, isCompressible } from '../http/media-type.ts';
import { changedHead, fieldIn, varyLine } from './head-text.ts';
import { literally } from './path-pattern.ts';
import type { CompressCoding, CompressConfig } from './site-config.ts';

/** Below it a coding costs more than it saves. */
const BYTES_MIN = 1024;
const CODINGS: readonly CompressCoding[] = ['zstd', 'br', 'gzip'];

const LENGTH_FIELDS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'accept-ranges',
  'etag',
  'trailer',
]);
const ETAG: ReadonlySet<string> = new Set(['etag']);
const NOTHING: ReadonlySet<string> = new Set();

/** What the request says about it. */
export interface CompressWish {
  readonly acceptEncoding: string | undefined;
  readonly ifNoneMatch: string | undefined;
}

export interface CompressVerdict {
  readonly head: string;
  readonly coding: CompressCoding | undefined;
}

export class Compression {
  readonly #codings: readonly CompressCoding[];
  readonly #bytesMin: number;
  /** Undefined: what usually shrinks. */
  readonly #types: readonly RegExp[] | undefined;

  constructor({ codings = CODINGS, types, bytesMin = BYTES_MIN }: CompressConfig) {
    this.#codings = codings;
    this.#bytesMin = bytesMin;
    this.#types = types?.map(
      (type) => new RegExp(`^${type.split('*').map(literally).join('[^/]*')}$`),
    );
  }

  /** `head`: status line and fields. With a coding its framing is left out. */
  judge(status: number, head: string, wish: CompressWish): CompressVerdict {
    if (status === 304) return { head: weakened304(head, wish), coding: undefined };
    if (!this.#fits(status, head)) return { head, coding: undefined };
    const vary = varyLine(head, 'Accept-Encoding');
    const coding = chooseEncoding(wish.acceptEncoding, this.#codings) ?? 'identity';
    if (coding === 'identity') {
      return { head: changedHead(head, NOTHING, vary), coding: undefined };
    }
    const etag = fieldIn(head, 'etag');
    // Other bytes for the same representation: only a weak validator is still true (RFC 9110 8.8.3.3).
    const tag = etag === undefined ? '' : `ETag: ${weak(etag)}\r\n`;
    const lines = `${tag}Content-Encoding: ${coding}\r\n${vary}`;
    return { head: changedHead(head, LENGTH_FIELDS, lines), coding };
  }

  #fits(status: number, head: string): boolean {
    if (status < 200 || status === 204 || status === 205 || status === 206) return false;
    const length = fieldIn(head, 'content-length');
    if (length !== undefined && Number(length) < this.#bytesMin) return false;
    const type = fieldIn(head, 'content-type')?.split(';')[0]?.trim().toLowerCase();
    // Each event has to leave at once, and is small.
    if (type === undefined || type === EVENT_STREAM) return false;
    const shrinks =
      this.#types === undefined
        ? isCompressible(type)
        : this.#types.some((pattern) => pattern.test(type));
    if (!shrinks) return false;
    const coding = fieldIn(head, 'content-encoding');
    if (coding !== undefined && coding.toLowerCase() !== 'identity') return false;
    // RFC 9110 7.7; a digest is one of the bytes that the upstream sent (RFC 9530).
    return (
      !forbidsChange(fieldIn(head, 'cache-control')) &&
      fieldIn(head, 'content-digest') === undefined &&
      fieldIn(head, 'repr-digest') === undefined &&
      fieldIn(head, 'content-md5') === undefined
    );
  }
}

/** Of Cache-Control, whoever says it (RFC 9111 5.2.1.6, 5.2.2.6). */
export function forbidsChange(control: string | undefined): boolean {
  return control !== undefined && /(?:^|[,\s])no-transform(?:$|[,\s])/i.test(control);
}

function weak(etag: string): string {
  return etag.startsWith('W/') ? etag : `W/${etag}`;
}

/** A client that has a compressed answer knows it by its weak tag, and finds it by that (RFC 9111 4.3.4). */
function weakened304(head: string, { ifNoneMatch }: CompressWish): string {
  const etag = fieldIn(head, 'etag');
  if (etag === undefined || ifNoneMatch?.includes(`W/${etag}`) !== true) return head;
  const vary = varyLine(head, 'Accept-Encoding');
  return changedHead(head, ETAG, `ETag: ${weak(etag)}\r\n${vary}`);
}
