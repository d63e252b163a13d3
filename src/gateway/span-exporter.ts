/**
 * Brings spans to a collector in batches, beside the requests: what it cannot get rid of in time is dropped and counted. A collector
 * that is away costs a try each few seconds, and one that is slow costs its spans, never a request.
 */
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import { otlpText, type Span } from './otlp.ts';

/** Of one POST. */
const BATCH_MAX = 512;
/** A further one is dropped. */
const WAITING_MAX = 4096;
const EVERY_MS = 1000;
const ANSWER_WITHIN_MS = 10_000;
/** Of one batch, a second apart, doubling. */
const TRIES_MAX = 3;
/** OTLP asks for these to be repeated; what else is refused would be refused again. */
const REPEATED: readonly number[] = [429, 502, 503, 504];
/** At the end of the process. */
const LAST_WORDS_MS = 2000;

export interface SpanExporterOptions {
  readonly url: string;
  readonly resource: Readonly<Record<string, string | number>>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class SpanExporter implements AsyncDisposable {
  exported = 0;
  dropped = 0;
  readonly #options: SpanExporterOptions;
  #waiting: Span[] = [];
  #timer: Disposable | undefined;
  #sending: Promise<void> | undefined;
  readonly #stop = new AbortController();
  /** The collector refused last time: said once. */
  #isRefused = false;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
  }

  add(span: Span): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.dropped++;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH_MAX) this.#begin();
    else this.#timer ??= this.#options.clock.after(EVERY_MS, () => this.#begin());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _end = this.#options.clock.after(LAST_WORDS_MS, () => this.#stop.abort());
    this.#begin();
    while (this.#sending !== undefined) await this.#sending;
    this.#timer?.[Symbol.dispose]();
  }

  #begin(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, BATCH_MAX);
    this.#sending = this.#send(batch).finally(() => {
      this.#sending = undefined;
      if (this.#waiting.length > 0) this.#begin();
    });
  }

  async #send(batch: readonly Span[]): Promise<void> {
    const { clock, log, resource } = this.#options;
    const { signal } = this.#stop;
    const body = Buffer.from(otlpText(batch, resource));
    let pauseMs = 1000;
    let refused: unknown;
    for (let tries = 0; tries < TRIES_MAX && !signal.aborted; tries++) {
      try {
        if (tries > 0) await clock.sleep(pauseMs, signal);
        if (tries > 0) pauseMs *= 2;
        const status = await this.#post(body);
        if (status >= 200 && status < 300) {
          this.exported += batch.length;
          this.#isRefused = false;
          return;
        }
        refused = new Error(`The collector answered ${status}`);
        if (!REPEATED.includes(status)) break;
      } catch (error) {
        refused = error;
      }
    }
    this.dropped += batch.length;
    if (!this.#isRefused) log.warn('Spans are lost: the collector does not take them', { refused });
    this.#isRefused = true;
  }

  #post(body: Buffer): Promise<number> {
    const { url } = this.#options;
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const options: RequestOptions = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Content-Length': body.length },
      timeout: ANSWER_WITHIN_MS,
      signal: this.#stop.signal,
    };
    return new Promise((resolve, reject) => {
      const request = send(url, options, (response) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () => resolve(response.statusCode ?? 0));
      });
      request.on('timeout', () => request.destroy(new Error('The collector does not answer')));
      request.on('error', reject);
      request.end(body);
    });
  }
}
