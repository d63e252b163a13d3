/** Writes small apps into temporary folders, to be deployed and thrown away. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestLife } from './test-node.ts';

/** A folder with these files, by relative path; removed after the test. */
export function appFolder(
  t: Pick<TestLife, 'after'>,
  files: Readonly<Record<string, string>>,
): string {
  const folder = mkdtempSync(join(tmpdir(), 'moln-app-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFiles(folder, files);
  return folder;
}

/** Adds or replaces files. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** A Node app on `node:http` that answers every request with the expression's value; `request` is in scope. */
export function nodeApp(expression: string): Readonly<Record<string, string>> {
  return {
    'package.json': JSON.stringify({ name: 'app', scripts: { start: 'node server.js' } }),
    'server.js': `const { createServer } = require('node:http');
const server = createServer((request, response) => response.end(String(${expression})));
server.listen(process.env.LISTEN_SOCKET ?? Number(process.env.PORT));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`,
  };
}
