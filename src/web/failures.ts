/** What went wrong, as an answer: a decent page or problem+json for the visitor, with an id that is in the log too. */
import { escapeHtml } from '../base/html.ts';
import { isMolnError, type MolnError } from '../base/errors.ts';

/** Of errors that are the client's doing, or that it should know of. All others are 500. */
const STATUSES: Readonly<Record<string, number>> = {
  WEB_BAD_BODY: 400,
  WEB_BODY_TOO_LARGE: 413,
  WEB_BUSY: 503,
  WEB_FORBIDDEN: 403,
  WEB_FORGED: 403,
  WEB_IMAGE: 422,
  WEB_INVALID: 422,
  WEB_METHOD: 405,
  WEB_NOT_FOUND: 404,
  WEB_STALE: 409,
  WEB_TOO_MANY: 429,
};

/** After so long who was told that there is too much may come again. */
const BUSY_SECONDS = 5;

const TITLES: Readonly<Record<number, string>> = {
  400: 'This request could not be understood',
  403: 'This is not allowed',
  404: 'There is nothing here',
  405: 'This cannot be done here',
  409: 'Somebody else was faster',
  413: 'That was too large',
  422: 'Some fields are not as they should be',
  429: 'Too many attempts',
  500: 'Something went wrong',
  503: 'Too much at once',
};

export interface Failure {
  readonly status: number;
  readonly title: string;
  /** Undefined when it is none of the visitor's business. */
  readonly detail: string | undefined;
  readonly id: string;
}

export function statusOf(error: unknown): number {
  return isMolnError(error) ? (STATUSES[error.code] ?? 500) : 500;
}

export function failureOf(error: unknown, id: string): Failure {
  const status = statusOf(error);
  const detail = status === 500 ? undefined : (error as MolnError).message;
  return { status, title: titleOf(status), detail, id };
}

/** What an answer of this status is about, for people. */
export function titleOf(status: number): string {
  return TITLES[status] ?? 'Something went wrong';
}

export function failureAnswer(failure: Failure, error: unknown, wantsJson: boolean): Response {
  const { status, title, detail, id } = failure;
  const headers = new Headers({ 'cache-control': 'no-store' });
  const details = isMolnError(error) ? error.details : undefined;
  if (status === 429) headers.set('retry-after', String(Number(details?.['seconds'] ?? 60)));
  if (status === 503) headers.set('retry-after', String(BUSY_SECONDS));
  if (wantsJson) {
    headers.set('content-type', 'application/problem+json');
    const errors = status === 422 ? { errors: details?.['errors'] } : {};
    return new Response(
      JSON.stringify({ type: 'about:blank', title, status, detail, id, ...errors }),
      { status, headers },
    );
  }
  headers.set('content-type', 'text/html; charset=utf-8');
  return new Response(page(failure), { status, headers });
}

function page({ title, detail, id }: Failure): string {
  const more = detail === undefined || detail === title ? '' : `<p>${escapeHtml(detail)}</p>`;
  const noted = `<p>It was noted as <code>${escapeHtml(id)}</code>.</p>`;
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${escapeHtml(title)}</title><link rel="icon" href="data:,"><style>:root{color-scheme:light dark}body{font:17px/1.5 system-ui,sans-serif;max-width:34rem;` +
    `margin:15vh auto;padding:0 1rem}code{font-size:.9em}</style></head><body><h1>${escapeHtml(title)}</h1>${more}${noted}` +
    `<p><a href="/">To the first page</a></p></body></html>`
  );
}

/** In a page whose head is sent. `developer`: what they alone are to see. */
export function failedPart({ title, detail, status, id }: Failure, developer = ''): string {
  const noted = status === 500 ? `It was noted as <code>${escapeHtml(id)}</code>.` : '';
  const words = [status === 500 ? 'This part of the page could not be shown.' : title, noted];
  const more = detail === undefined || detail === title ? '' : ` ${escapeHtml(detail)}`;
  const source = developer === '' ? '' : `<pre>${escapeHtml(developer)}</pre>`;
  return `<div role="alert"><p>${words.join(' ').trim()}${more}</p>${source}</div>`;
}
