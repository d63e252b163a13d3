/** Which pages of other origins may read answers (Fetch standard, 3.2). */
import type { CorsConfig } from './site-config.ts';

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** What an upstream says itself counts for nothing beside the route's word. */
export const CORS_FIELDS: ReadonlySet<string> = new Set([
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
]);

export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #isForAll: boolean;
  readonly #config: CorsConfig;

  constructor(config: CorsConfig) {
    this.#config = config;
    this.#origins = new Set(config.origins);
    this.#isForAll = this.#origins.has('*');
  }

  allows(origin: string): boolean {
    return this.#isForAll || this.#origins.has(origin);
  }

  /** Whole lines for any answer. Vary also for those without an Origin: caches must not give them to others. */
  lines(origin: string | undefined): string {
    const { credentials, expose } = this.#config;
    const vary = this.#isForAll ? '' : 'Vary: Origin\r\n';
    if (origin === undefined || !this.allows(origin)) return vary;
    return (
      `Access-Control-Allow-Origin: ${this.#isForAll ? '*' : origin}\r\n${vary}` +
      (credentials === true ? 'Access-Control-Allow-Credentials: true\r\n' : '') +
      (expose === undefined ? '' : `Access-Control-Expose-Headers: ${expose.join(', ')}\r\n`)
    );
  }

  /** Further lines for the answer to a preflight. */
  preflightLines(wantedHeaders: string | undefined): string {
    const { methods = METHODS, headers, maxAgeS } = this.#config;
    // Without a list those are let in that are asked for.
    const allowed = headers?.join(', ') ?? wantedHeaders ?? '';
    return (
      `Access-Control-Allow-Methods: ${methods.join(', ')}\r\n` +
      (allowed === '' ? '' : `Access-Control-Allow-Headers: ${allowed}\r\n`) +
      (headers === undefined ? 'Vary: Access-Control-Request-Headers\r\n' : '') +
      (maxAgeS === undefined ? '' : `Access-Control-Max-Age: ${maxAgeS}\r\n`)
    );
  }
}
