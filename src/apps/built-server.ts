/**
 * Frameworks whose build writes a server: which file that is, and what it has to be told. For those that have no start script, and
 * for Next.js in its standalone form, which its start script does not run.
 */
import { hasBuild } from './build-steps.ts';
import { buildStep } from './detection.ts';
import type { DetectInput } from './detection.ts';
import type { BuildStep } from './model.ts';
import type { PackageJson } from './package-json.ts';
import type { TreeView } from './tree-view.ts';

export interface BuiltServer {
  readonly name: string;
  /** It is there after the build. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** After the build. */
  readonly steps: readonly BuildStep[];
}

/** SvelteKit compares a form's `Origin` with where it believes to be: behind a gateway it has to be told where to look. */
const SVELTEKIT_ENV = {
  HOST: '127.0.0.1',
  PROTOCOL_HEADER: 'x-forwarded-proto',
  HOST_HEADER: 'x-forwarded-host',
  ADDRESS_HEADER: 'x-forwarded-for',
};
const NEXT_CONFIGS = ['js', 'mjs', 'ts'].map((extension) => `next.config.${extension}`);
const COMMENT = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;
const STANDALONE = /\boutput\s*:\s*(['"`])standalone\1/;
/** Its build is not where it is looked for then. */
const ELSEWHERE = /\bdistDir\s*:/;
/** Next.js leaves these two to who deploys it (its docs, `output`). */
const NEXT_COPIES =
  'cp -R .next/static .next/standalone/.next/ && if [ -d public ]; then cp -R public .next/standalone/; fi';

export function builtServer(input: DetectInput, manifest: PackageJson): BuiltServer | undefined {
  if (!hasBuild(input)) return undefined;
  const uses = (name: string): boolean =>
    manifest.dependencies.has(name) || manifest.devDependencies.has(name);
  const { build = '', prestart } = manifest.scripts;
  const start = manifest.scripts['start']?.trim();
  if (uses('next') && prestart === undefined && (start === undefined || start === 'next start'))
    return next(input.view);
  if (start !== undefined) return undefined;
  if (uses('@sveltejs/adapter-node'))
    return { name: 'SvelteKit', file: 'build/index.js', env: SVELTEKIT_ENV, steps: [] };
  // `nuxt generate` writes a static site.
  if (uses('nuxt') && !/\bgenerate\b/.test(build))
    return {
      name: 'Nuxt',
      file: '.output/server/index.mjs',
      env: { HOST: '127.0.0.1' },
      steps: [],
    };
  return undefined;
}

function next(view: TreeView): BuiltServer | undefined {
  const configs = NEXT_CONFIGS.map((name) => (view.readText(name) ?? '').replace(COMMENT, ''));
  if (!configs.some((text) => STANDALONE.test(text) && !ELSEWHERE.test(text))) return undefined;
  return {
    name: 'Next.js, standalone',
    file: '.next/standalone/server.js',
    env: { HOSTNAME: '127.0.0.1' },
    steps: [buildStep('files beside the server', ['sh', '-c', NEXT_COPIES])],
  };
}
