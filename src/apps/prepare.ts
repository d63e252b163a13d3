/** From an archive to a sealed release: receive, recognise, build, seal. The one way in which releases come to be. */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { MolnError } from '../base/errors.ts';
import { runBuild } from './build.ts';
import type { BuildContext } from './build.ts';
import { detect } from './detect.ts';
import { builtSite } from './detect-static.ts';
import type { LaunchPlan, Release } from './model.ts';
import type { ReleaseStore, StagedTree } from './release-store.ts';
import { isWithin } from './sandbox-script.ts';
import { SETTINGS_FILE } from './settings.ts';
import { removeOwnedTree } from './tree-owner.ts';
import { treeStrange } from './tree.ts';
import type { Turns } from './turns.ts';
import { folderView } from './tree-view.ts';

export interface PrepareRequest extends BuildContext {
  readonly store: ReleaseStore;
  readonly app: string;
  /** Builds of the whole node. */
  readonly builds: Turns;
  /** An uncompressed tar stream. */
  readonly tar: Readable;
}

export interface Prepared {
  readonly release: Release;
  /** The same source had been sealed before; nothing was built. */
  readonly reused: boolean;
  /** What moln.json wishes for the app. */
  readonly domains: readonly string[];
  readonly scale: Readonly<Record<string, number>>;
}

/**
 * Throws what receiving, `detect` and `runBuild` throw; then nothing is left on the disk. `onStep` and `onOutput` tell
 * how far it is.
 */
export async function prepareRelease(request: PrepareRequest): Promise<Prepared> {
  const { store, app, signal } = request;
  request.onStep('Receiving');
  await using staged = await store.receive(app, request.tar, signal);
  const { plan, domains, scale } = detect(folderView(staged.path), request.tools);
  request.onStep(plan.explanation);
  const known = await store.find(app, staged.id);
  if (known !== undefined) return { release: known, reused: true, domains, scale };
  await build(staged, plan, request);
  signal.throwIfAborted();
  const built = await afterBuild(plan, staged);
  // The gateway would serve it to everybody, settings included; what it says is in the plan.
  if (built.staticRoot === '.') await removeOwnedTree(join(staged.path, SETTINGS_FILE));
  const release = await store.seal(staged, {
    plan: built,
    createdAt: request.clock.now(),
    ...(process.geteuid?.() === 0 ? { gid: request.uid } : {}),
  });
  return { release, reused: false, domains, scale };
}

async function build(staged: StagedTree, plan: LaunchPlan, request: PrepareRequest): Promise<void> {
  if (plan.build.length === 0) return;
  using _turn = await request.builds.take(request.signal, (before) =>
    request.onStep(`Waiting for its turn to build: ${before} before this one`),
  );
  await runBuild(staged, plan.build, request);
}

/** A built site shows only now whether it is where it was expected. */
async function afterBuild(plan: LaunchPlan, staged: StagedTree): Promise<LaunchPlan> {
  if (plan.staticRoot === undefined) return plan;
  const site = builtSite(folderView(staged.path), plan.staticRoot);
  if (site === undefined) {
    const message = `The build made no folder "${plan.staticRoot}" and no index.html elsewhere`;
    throw new MolnError('APPS_NOTHING_TO_DEPLOY', message, {
      hint: 'Name the folder that it writes in moln.json: {"static": {"root": "FOLDER"}}',
    });
  }
  // The gateway serves whatever lies below, and may read everything.
  const [top, root] = await Promise.all(
    [staged.path, join(staged.path, site.root)].map((each) => realpath(each)),
  );
  if (!isWithin(root ?? '/', top ?? '')) {
    throw treeStrange(site.root, 'is a link that leads out of the app');
  }
  return { ...plan, staticRoot: site.root, notFound: plan.notFound ?? site.notFound };
}
