/**
 * Server side of the console, and the door of this part: hands out the built application, and renders the first HTML
 * of each page, which is readable without scripts. Knows nothing of HTTP; the API serves what it returns.
 */
import { makeAsset, readBuild, type Build, type BuiltAsset } from './build.ts';
import { renderFirstPage, titleOf, type FirstPage } from './first-page.ts';
import { html, jsonScript, type Html } from '../base/html.ts';

export type { BuiltAsset, FirstPage };

/** The place in the built page that the application takes over. */
const APP_PLACE = /<div id="app">\s*<\/div>/;
const TITLE = /<title>[^<]*<\/title>/;
const LOOKS = /<link\b[^>]*\brel="(?:stylesheet|icon)"[^>]*>/g;

/** For pages without a build, and for nothing else. */
const PLAIN_STYLE_PATH = '/plain.css';
const PLAIN_STYLE = `:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; vertical-align: top; }
`;

const WITHOUT_BUILD = '<div id="app"></div>';

export class Console {
  readonly #folder: string;
  #build: Build | undefined;

  /** `folder`: Vite's output, `dist/console`. */
  constructor(options: { readonly folder: string }) {
    this.#folder = options.folder;
  }

  /** Reads the build. Without a usable one the pages still show their tables, and how to make it. */
  async load(): Promise<void> {
    const build = await readBuild(this.#folder);
    this.#build = build !== undefined && APP_PLACE.test(build.index) ? build : undefined;
  }

  /** A file of the build by its path, `/assets/main-Bx7d.js`. */
  asset(path: string): BuiltAsset | undefined {
    if (path === PLAIN_STYLE_PATH) return makeAsset(Buffer.from(PLAIN_STYLE), path);
    return this.#build?.assets.get(path);
  }

  /** The first HTML of a page: readable tables, and the same data for the application. */
  page(view: FirstPage): string {
    const { caller, status, app, events, routes } = view;
    const data = jsonScript('moln-data', { caller, status, app, events, routes });
    const notice = this.#build === undefined ? missingBuild() : html``;
    const content = html`<div id="app">${notice}${renderFirstPage(view)}</div>
      ${data}`;
    const built = this.#build?.index ?? this.#plain(WITHOUT_BUILD);
    // Replacing by functions: a dollar sign in somebody's data must not mean anything.
    return built
      .replace(TITLE, () => html`<title>${titleOf(view)}</title>`.text)
      .replace(APP_PLACE, () => content.text);
  }

  /** Shown to whoever is not logged in; `reason` is one sentence without a period. */
  loginPage(reason: string): string {
    return this.#plain(
      html`<main class="login">
        <h1>Log in to Moln</h1>
        <p>${reason}.</p>
        <p>
          On a machine of this cluster, type <code>moln console</code> and open the link that it
          prints. A link works once and for 15 minutes.
        </p>
      </main>`.text,
    );
  }

  /** A page without scripts, in the style of the build when there is one. */
  #plain(body: string): string {
    const looks = this.#build?.index.match(LOOKS) ?? [
      `<link rel="stylesheet" href="${PLAIN_STYLE_PATH}" />`,
      '<link rel="icon" href="data:," />',
    ];
    return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Log in to Moln</title>
    ${looks.join('\n    ')}
  </head>
  <body>
    ${body}
  </body>
</html>
`;
  }
}

function missingBuild(): Html {
  return html`<p role="alert">
    The console is not built, so this page shows only tables. Run <code>npm run prepare</code> in
    Moln's folder and start the node again.
  </p>`;
}
