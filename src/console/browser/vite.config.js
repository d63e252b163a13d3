/**
 * Builds the console into `dist/console`: plain files for our own server, nothing inlined (the content
 * policy allows only 'self'), nothing fetched from elsewhere. JavaScript, because `npm ci` runs it under
 * whatever Node the system has.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));
const outDir = fileURLToPath(new URL('../../../dist/console', import.meta.url));

export default defineConfig({
  root: here,
  base: '/',
  publicDir: false,
  clearScreen: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // How long a build took on a busy machine is nobody's news in `npm ci`.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
