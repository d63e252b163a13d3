/** The frame of all pages that `moln dev` shows in its own name. */
import { html, Html } from '../base/html.ts';

export interface DevPage {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
}

export function devDocument({ title, body, status = 200 }: DevPage): Response {
  const text = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>${title} · moln dev</title>
      <link rel="icon" href="data:," />
      <style>
        ${new Html(STYLE)}
      </style>
    </head>
    <body>
      ${body}
    </body>
  </html>`;
  return new Response(`<!doctype html>${text.text}`, {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
  });
}

const STYLE = `
  :root { color-scheme: light dark; --ink: light-dark(#1a1a1a, #eee); --quiet: light-dark(#5c5c5c, #b0b0b0);
    --line: light-dark(#d5d5d5, #484848); --link: light-dark(#0b5fad, #8ac2f7); --bad: light-dark(#b3261e, #ff9a90);
    --mark: light-dark(#fbe4e2, #4a211d); --paper: light-dark(#fff, #161616); }
  body { max-width: 68rem; margin: 1.5rem auto; padding: 0 1rem; background: var(--paper); color: var(--ink);
    font: 16px/1.5 system-ui, sans-serif; }
  a { color: var(--link); }
  a:focus-visible, summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  nav { display: flex; flex-wrap: wrap; gap: 1.25rem; padding-bottom: .6rem; border-bottom: 1px solid var(--line); }
  nav [aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
  pre { overflow: auto; padding: .8rem; border: 1px solid var(--line); font-size: .9rem; white-space: pre-wrap; }
  mark { display: block; background: var(--mark); color: inherit; }
  @media (max-width: 40rem) { table { display: block; overflow-x: auto; } td.path { min-width: 12rem; } }
  table { width: 100%; border-collapse: collapse; }
  th, td { padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
  td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  td.path { overflow-wrap: anywhere; }
  iframe { width: 100%; height: 24rem; border: 1px solid var(--line); background: #fff; }
  .hint { font-weight: 600; } .quiet { color: var(--quiet); } .bad { color: var(--bad); font-weight: 600; }
`;
