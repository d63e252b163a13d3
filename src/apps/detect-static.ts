/** Static sites: files as they are, or made by a build. */
import { buildSteps, hasBuild } from './build-steps.ts';
import type { DetectInput, Found } from './detection.ts';
import type { PackageJson } from './package-json.ts';
import type { TreeView } from './tree-view.ts';

/** Where an index.html is looked for, best first. */
const ROOTS = ['.', 'public', 'dist', '_site', 'build', 'out', 'docs', 'www', 'site'];

/** Site builders by package: where they write, and whether one page answers every path. */
const BUILDERS: readonly {
  readonly packages: readonly string[];
  readonly output: string;
  readonly singlePage: boolean;
}[] = [
  { packages: ['astro', '@rspress/core'], output: 'dist', singlePage: false },
  { packages: ['@11ty/eleventy'], output: '_site', singlePage: false },
  { packages: ['react-scripts'], output: 'build', singlePage: true },
  { packages: ['@docusaurus/core'], output: 'build', singlePage: false },
  { packages: ['gatsby', 'hexo'], output: 'public', singlePage: false },
  { packages: ['vitepress'], output: '.vitepress/dist', singlePage: false },
  { packages: ['vite', '@vue/cli-service', 'parcel', 'webpack'], output: 'dist', singlePage: true },
];

export function detectStatic(input: DetectInput): Found | undefined {
  const { view, settings } = input;
  const builds = hasBuild(input);
  const wished = settings.static.root?.replace(/\/+$/, '');
  const root = wished ?? ROOTS.find((each) => view.kind(join(each, 'index.html')) === 'file');
  if (root === undefined) return undefined;
  // A root that is not there may still be made by the build.
  if (wished !== undefined && !builds && view.kind(wished) !== 'folder') return undefined;
  const from = root === '.' ? 'files as they are' : `the files in ${root}/`;
  return {
    kind: 'static',
    explanation: builds ? `Static site, built, then ${from}` : `Static site, ${from}`,
    build: buildSteps(input),
    processes: {},
    static: { root, notFound: notFoundPage(view, root) },
  };
}

/** A package that builds a site rather than serves one. */
export function detectBuiltSite(input: DetectInput, manifest: PackageJson): Found | undefined {
  const uses = (name: string): boolean =>
    manifest.dependencies.has(name) || manifest.devDependencies.has(name);
  const builder = BUILDERS.find(({ packages }) => packages.some(uses));
  if (builder === undefined) return undefined;
  const root = input.settings.static.root ?? builder.output;
  const name = builder.packages.find(uses) ?? '';
  return {
    kind: 'static',
    explanation: `Static site built by ${name} into ${root}/`,
    build: buildSteps(input),
    processes: {},
    static: { root, fallback: builder.singlePage ? 'index.html' : undefined },
  };
}

/** After the build: the root that really is there, and its page for unknown paths. */
export function builtSite(
  view: TreeView,
  wished: string,
): { readonly root: string; readonly notFound: string | undefined } | undefined {
  const root =
    view.kind(wished) === 'folder'
      ? wished
      : ROOTS.slice(1).find((each) => view.kind(join(each, 'index.html')) === 'file');
  return root === undefined ? undefined : { root, notFound: notFoundPage(view, root) };
}

function notFoundPage(view: TreeView, root: string): string | undefined {
  return view.kind(join(root, '404.html')) === 'file' ? '404.html' : undefined;
}

function join(folder: string, name: string): string {
  return folder === '.' ? name : `${folder}/${name}`;
}
