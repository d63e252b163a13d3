/**
 * `/_moln` in `moln dev`: what the app did lately. Requests with their statements and plans, jobs, mails, routes. Only looks, and
 * only for who sits at this machine: mails have links that set passwords.
 */
import { messageOf } from '../base/errors.ts';
import { html, Html } from '../base/html.ts';
import { isoTime } from '../base/time.ts';
import { isLoopback } from '../net/net.ts';
import { type Database, mailSource, type Route, type Statement } from '../web/web.ts';
import { devDocument } from './dev-document.ts';
import type { DevMails, KeptMail } from './dev-mails.ts';
import type { DevRecorder, QueryRecord, RequestRecord } from './dev-recorder.ts';

const DASHBOARD = '/_moln';
const JOBS_MAX = 200;
/** A statement that one request asks so often is asked in a loop. */
const REPEATED = 5;
const PAGES = [
  ['', 'Requests'],
  ['/jobs', 'Jobs'],
  ['/mails', 'Mails'],
  ['/routes', 'Routes'],
] as const;

export interface DashboardParts {
  readonly recorder: DevRecorder;
  readonly mails: DevMails;
  readonly database: Database;
  readonly routes: readonly Route[];
}

/** The page at that address; undefined when it is none of these. `visitor`: the address of who asks. */
export async function dashboard(
  { pathname, hostname }: URL,
  visitor: string,
  parts: DashboardParts,
): Promise<Response | undefined> {
  const [, first, kind = '', name, form] = pathname.split('/');
  if (first !== DASHBOARD.slice(1)) return undefined;
  // The name of another site may lead here (DNS rebinding): its pages could read what they ask for.
  if (!isLoopback(visitor) || !isOwnName(hostname)) return refused();
  if (kind === '') return page('', 'Requests', requestList(parts.recorder.requests));
  if (kind === 'requests') return await requestAnswer(name, parts);
  if (kind === 'jobs') return page('/jobs', 'Jobs', await jobList(parts.database));
  if (kind === 'routes') return page('/routes', 'Routes', routeList(parts.routes));
  if (kind !== 'mails') return undefined;
  if (name === undefined) return page('/mails', 'Mails', mailList(await parts.mails.list()));
  const mail = await parts.mails.find(name);
  if (mail === undefined) return gone();
  if (form === 'source') return new Response(await mailSource(mail));
  return form === 'html'
    ? sandboxed(mail.html ?? '')
    : page('/mails', mail.subject, mailPage(mail));
}

async function requestAnswer(
  id: string | undefined,
  { recorder, database }: DashboardParts,
): Promise<Response> {
  const found = recorder.requests.find((one) => one.id === id);
  return found === undefined ? gone() : page('', title(found), await requestPage(found, database));
}

function isOwnName(hostname: string): boolean {
  return /^(?:.+\.)?localhost$/.test(hostname) || isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

function refused(): Response {
  return devDocument({
    title: 'Not for you',
    status: 403,
    body: html`<h1>This is shown on the machine that runs moln dev only, as http://localhost</h1>`,
  });
}

function gone(): Response {
  return devDocument({
    title: 'Gone',
    status: 404,
    body: html`${nav('')}
      <h1>This is not kept any more</h1>`,
  });
}

function page(at: string, heading: string, body: Html): Response {
  return devDocument({
    title: heading,
    body: html`${nav(at)}
      <main>
        <h1>${heading}</h1>
        ${body}
      </main>`,
  });
}

function nav(at: string): Html {
  const links = PAGES.map(([path, label]) => {
    const current = new Html(path === at ? ' aria-current="page"' : '');
    return html`<a href="${DASHBOARD}${path}" ${current}>${label}</a>`;
  });
  return html`<nav aria-label="moln dev">${links} <a href="/">The app</a></nav>`;
}

function requestList(requests: readonly RequestRecord[]): Html {
  if (requests.length === 0) return html`<p>None yet: <a href="/">ask the app for a page</a>.</p>`;
  const rows = requests.map(
    (one) =>
      html`<tr>
        <td>${one.at.slice(11, 19)}</td>
        <td class="path"><a href="${DASHBOARD}/requests/${one.id}">${title(one)}</a></td>
        <td class="number${one.status >= 500 ? ' bad' : ''}">${one.status}</td>
        <td class="number">${one.queries.length}</td>
        <td class="number">${milliseconds(sqlMs(one))}</td>
        <td class="number">${milliseconds(one.ms)}</td>
      </tr>`,
  );
  return html`<p class="quiet">The newest first; load the page again to see more.</p>
    <table>
      <thead>
        <tr>
          <th>Time</th>
          <th>Request</th>
          <th class="number">Status</th>
          <th class="number">Statements</th>
          <th class="number">SQL, ms</th>
          <th class="number">All, ms</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

async function requestPage(one: RequestRecord, database: Database): Promise<Html> {
  const alike = Map.groupBy(one.queries, ({ sql }) => sql);
  const parts: Html[] = [];
  for (const queries of alike.values())
    parts.push(queryPart(queries, await planOf(queries[0], database)));
  return html`<p>
      Status ${one.status}, ${milliseconds(one.ms)} ms, of which ${milliseconds(sqlMs(one))} ms in
      ${one.queries.length} statements. In the log as <code>${one.id}</code>.
    </p>
    ${parts}`;
}

/** Statements that differ in their values only. */
function queryPart(queries: readonly QueryRecord[], plan: readonly string[]): Html {
  const ms = milliseconds(queries.reduce((sum, query) => sum + query.ms, 0));
  const rows = queries.map((query) => query.rows ?? 'failed').join(', ');
  const values = queries
    .map(({ args }) => args.map(shownValue).join(', '))
    .filter((text) => text !== '');
  const isScan = plan.some((line) => /^SCAN (?!.*USING)/.test(line));
  const advice = [
    isScan ? 'Reads a whole table: an index may help' : '',
    queries.length >= REPEATED ? 'Asked again and again: Model.byId asks once for a list' : '',
  ];
  return html`<h2>
      ${queries.length === 1 ? '' : `${queries.length} times, `}${ms} ms, rows: ${rows}
    </h2>
    <pre>${queries[0]?.sql}${values.map((text) => `\n-- ${text}`)}</pre>
    <p class="quiet">Plan: ${plan.length === 0 ? 'none' : plan.join('; ')}</p>
    ${advice.map((text) => (text === '' ? '' : html`<p class="bad">${text}</p>`))}`;
}

/** How the database would find the rows, one line for each step. */
async function planOf(
  statement: Statement | undefined,
  database: Database,
): Promise<readonly string[]> {
  if (statement === undefined) return [];
  const { sql, args } = statement;
  try {
    const { rows } = await database.run({ sql: `EXPLAIN QUERY PLAN ${sql}`, args });
    return rows.map(({ detail }) => String(detail));
  } catch (error) {
    return [`cannot be shown: ${messageOf(error)}`];
  }
}

async function jobList(database: Database): Promise<Html> {
  const sql = `SELECT * FROM moln_jobs ORDER BY state, run_at LIMIT ${JOBS_MAX}`;
  const { rows } = await database.run({ sql, args: [] });
  if (rows.length === 0) return html`<p>None: all that were put in are done.</p>`;
  return html`<table>
    <thead>
      <tr>
        <th>Job</th>
        <th>State</th>
        <th>Next</th>
        <th class="number">Tries</th>
        <th>What it is given, and why it failed</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            <td>${row['name'] as string}</td>
            <td>${row['state'] as string}</td>
            <td>${isoTime(Number(row['run_at'])).slice(11, 19)}</td>
            <td class="number">${Number(row['attempts'])}</td>
            <td class="path">
              <code>${String(row['payload']).slice(0, 300)}</code>
              ${row['error'] === null ? '' : html`<br /><span class="bad">${String(row['error'])}</span>`}
            </td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function mailList(mails: readonly KeptMail[]): Html {
  if (mails.length === 0)
    return html`<p>None yet. Mail that the app sends is kept here and goes nowhere.</p>`;
  return html`<table>
    <thead>
      <tr>
        <th>Time</th>
        <th>To</th>
        <th>Subject</th>
      </tr>
    </thead>
    <tbody>
      ${mails.map(
        (mail) =>
          html`<tr>
            <td>${mail.at.slice(11, 19)}</td>
            <td>${mail.to.join(', ')}</td>
            <td><a href="${DASHBOARD}/mails/${mail.name}">${mail.subject}</a></td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function mailPage(mail: KeptMail): Html {
  const base = `${DASHBOARD}/mails/${mail.name}`;
  const lines = mail.text.split(/(https?:\/\/[^\s)]+)/).map((part, at) => {
    return at % 2 === 0 ? part : html`<a href="${part}">${part}</a>`;
  });
  const shown =
    mail.html === undefined
      ? ''
      : html`<h2>As HTML</h2>
          <iframe src="${base}/html" sandbox title="The mail as HTML"></iframe>`;
  return html`<p>To ${mail.to.join(', ')}, ${mail.at}. <a href="${base}/source">Source</a></p>
    <h2>As text</h2>
    <pre>${lines}</pre>
    ${shown}`;
}

function routeList(routes: readonly Route[]): Html {
  return html`<table>
    <thead>
      <tr>
        <th>Method</th>
        <th>Path</th>
        <th>Action</th>
      </tr>
    </thead>
    <tbody>
      ${routes.map(
        ({ method, pattern, name }) =>
          html`<tr>
            <td>${method}</td>
            <td>${linked(method, pattern)}</td>
            <td>${name}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function linked(method: string, pattern: string): Html | string {
  const isPage = method === 'GET' && !pattern.includes(':');
  return isPage ? html`<a href="${pattern}">${pattern}</a>` : pattern;
}

/** HTML that somebody wrote into a mail: shown, and nothing in it runs. */
function sandboxed(text: string): Response {
  return new Response(text, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src *",
    },
  });
}

function title({ method, path }: RequestRecord): string {
  return `${method} ${path}`;
}

function sqlMs({ queries }: RequestRecord): number {
  return queries.reduce((sum, { ms }) => sum + ms, 0);
}

function milliseconds(ms: number): string {
  return ms.toFixed(1);
}

function shownValue(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
