/** The files of a new app: small, whole, and written as a person would. */
import { MolnError } from '../base/errors.ts';

/** As `moln deploy` takes it. */
const NAME = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/** Texts by paths. Throws `WORKBENCH_BAD_NAME`. */
export function newApp(name: string): Readonly<Record<string, string>> {
  if (!NAME.test(name)) {
    throw new MolnError('WORKBENCH_BAD_NAME', `"${name}" cannot be the name of an app`, {
      hint: 'Write it in lower case, with letters, digits and -, beginning with a letter',
    });
  }
  const title = name.slice(0, 1).toUpperCase() + name.slice(1).replaceAll('-', ' ');
  return {
    'package.json': `{\n  "name": "${name}",\n  "private": true,\n  "type": "module"\n}\n`,
    'moln.json': '{\n  "health": { "path": "/up" }\n}\n',
    'tsconfig.json': TSCONFIG,
    '.gitignore': '.moln/\nnode_modules/\n.env\n',
    'README.md': readme(name, title),
    'app/controllers/home.ts': HOME_CONTROLLER,
    'app/views/layout.tsx': layout(title),
    'app/views/home.tsx': homeView(title),
    'app/public/style.css': STYLE,
    'tests/home.test.ts': homeTest(title),
    'migrations/README.md':
      '# Migrations\n\nOne file each, applied once, in the order of their names. `moln generate migration` writes them.\n',
  };
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2024",
    "module": "nodenext",
    "lib": ["es2024", "esnext.disposable", "dom", "dom.iterable"],
    "jsx": "react-jsx",
    "jsxImportSource": "moln",
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "allowImportingTsExtensions": true,
    "erasableSyntaxOnly": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["app", "tests"]
}
`;

const HOME_CONTROLLER = `import { controller } from 'moln';
import { Home } from '../views/home.tsx';

export const home = controller({
  index: () => Home(),
});
`;

function layout(title: string): string {
  return `import { Flashes, type PropsWithChildren, Stylesheet } from 'moln';

/** What is around every page. */
export function Layout({ title, children }: PropsWithChildren<{ title: string }>) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>{title} · ${title}</title>
        <Stylesheet name="style.css" />
      </head>
      <body>
        <header>
          <a href="/">${title}</a>
          <nav>{/* navigation */}</nav>
        </header>
        <main>
          <Flashes />
          {children}
        </main>
      </body>
    </html>
  );
}
`;
}

function homeView(title: string): string {
  return `import { Layout } from './layout.tsx';

export function Home() {
  return (
    <Layout title="Welcome">
      <h1>Welcome to ${title}</h1>
      <p>
        This page is <code>app/views/home.tsx</code>: change it and look here again.
      </p>
    </Layout>
  );
}
`;
}

function homeTest(title: string): string {
  return `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApp } from 'moln/test';

test('the first page says where one is', async () => {
  await using app = await testApp();
  const page = await app.get('/');
  assert.equal(page.status, 200);
  assert.match(page.text, /Welcome to ${title}/);
});
`;
}

function readme(name: string, title: string): string {
  return `# ${title}

    moln dev                                    # http://localhost:3000, with a database of its own
    moln generate scaffold post title:string    # model, migration, controller, views, test
    moln test
    moln deploy                                 # http://${name}.localhost:8080
    moln scale ${name} 3

\`app/models\` says what there is, \`app/controllers\` what can be done, \`app/views\` how it looks, \`app/public\` holds files, \`migrations\`
the way of the database, \`tests\` the proof.
`;
}

const STYLE = `:root {
  color-scheme: light dark;
  --ink: light-dark(#1a1a1a, #eee);
  --quiet: light-dark(#666, #aaa);
  --line: light-dark(#ddd, #444);
  --accent: light-dark(#0b5fad, #7ab8f5);
  --bad: light-dark(#b3261e, #ff8a80);
}

body {
  margin: 0;
  color: var(--ink);
  font: 17px/1.55 system-ui, sans-serif;
}

header,
main {
  max-width: 46rem;
  margin: 0 auto;
  padding: 1rem;
}

header {
  display: flex;
  justify-content: space-between;
  gap: 1rem;
  border-bottom: 1px solid var(--line);
}

nav {
  display: flex;
  align-items: center;
  gap: 0.75rem;
}

a {
  color: var(--accent);
}

table {
  width: 100%;
  border-collapse: collapse;
}

th,
td {
  padding: 0.4rem 0.6rem 0.4rem 0;
  border-bottom: 1px solid var(--line);
  text-align: left;
}

.field {
  margin: 0 0 1rem;
}

.field label {
  display: block;
  font-weight: 600;
}

.field-box {
  display: flex;
  flex-direction: row-reverse;
  justify-content: start;
  gap: 0.5rem;
}

input:not([type='checkbox']),
textarea,
select {
  box-sizing: border-box;
  width: 100%;
  padding: 0.45rem;
  font: inherit;
}

[aria-invalid] {
  outline: 2px solid var(--bad);
}

.field-error,
.errors,
.flash-error {
  color: var(--bad);
}

.inline {
  display: inline;
}

.quiet,
.pages span {
  color: var(--quiet);
}
`;
