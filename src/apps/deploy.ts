/** A deploy from the archive to the drained old release, and how a release comes to serve. */
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Logger } from '../base/log.ts';
import type { Clock } from '../base/time.ts';
import type { Registry, Stored } from '../registry/registry.ts';
import type { AppContext } from './app-context.ts';
import type { Coordinator } from './coordinator.ts';
import { checkAppName, checkDomains, deployed, newApp } from './app-wishes.ts';
import type { App, Deployment, Release } from './model.ts';
import type { NodeRollout } from './node-rollout.ts';
import type { OperationResult, Report } from './operations.ts';
import { isServing } from './plan-actions.ts';
import { type Prepared, prepareRelease } from './prepare.ts';
import type { Tools } from './tools.ts';
import { claimUid } from './uid-claim.ts';

export interface DeployRequest {
  readonly app: string;
  /** The folder as an uncompressed tar stream. */
  readonly tar: Readable;
  /** Added to the app's domains. */
  readonly domains: readonly string[];
  /** Who: a token's name, `console` or `local`. */
  readonly by: string;
}

export interface DeployOptions {
  readonly context: AppContext;
  readonly coordinator: Coordinator;
  readonly local: NodeRollout;
  readonly registry: Registry;
  readonly log: Logger;
  readonly clock: Clock;
  readonly dataFolder: string;
  readonly node: string;
  /** Asked for each deploy: what was missing may have been installed meanwhile. */
  readonly tools: () => Promise<Tools>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Any failure leaves the app as it was, and nothing at all of an app that was new. */
export async function deployApp(
  options: DeployOptions,
  request: DeployRequest,
  report: Report,
): Promise<OperationResult> {
  const { context, local } = options;
  checkAppName(request.app);
  // What was received would go with what is left of an app of that name that was before.
  await local.carryOut(request.app);
  const stored = await context.store.find(request.app);
  if (stored !== undefined) return deployOver(options, request, stored, report);
  const { registry, log, clock } = options;
  const used = await context.usedUids(await context.store.list());
  await using claim = await claimUid({ registry, log, used, removals: context.store.removals });
  const value = newApp(request.app, claim.uid, clock.now());
  return await deployOver(options, request, { id: request.app, revision: 0, value }, report);
}

/** `stored`: as the app is, or at revision 0 as it begins. */
async function deployOver(
  options: DeployOptions,
  request: DeployRequest,
  stored: Stored<App>,
  report: Report,
): Promise<OperationResult> {
  const { context, clock } = options;
  const others = await context.store.list();
  const before = stored.value;
  try {
    const prepared = await prepare(options, request, before.uid, report);
    const domains = [...before.domains, ...prepared.domains, ...request.domains];
    const app: App = {
      ...before,
      domains: checkDomains(before.name, domains, others),
      scale: { ...prepared.scale, ...before.scale },
    };
    if (nothingToDo(context, app, before, prepared)) {
      report.step('Nothing changed: this release serves already');
      return context.result(app);
    }
    const { release } = prepared;
    return await serve({
      context,
      coordinator: options.coordinator,
      stored,
      app,
      release,
      kind: 'deploy',
      by: request.by,
      report,
      clock,
    });
  } catch (error) {
    if (stored.revision === 0 && (await context.store.find(request.app)) === undefined) {
      await context.removeFolder(request.app);
    } else await forgetUnknown(context, request.app);
    throw error;
  }
}

async function prepare(
  options: DeployOptions,
  request: DeployRequest,
  uid: number,
  report: Report,
): Promise<Prepared> {
  const { context, clock, node, tools, environment, dataFolder } = options;
  return prepareRelease({
    store: context.releases,
    builds: context.builds,
    app: request.app,
    tar: request.tar,
    driver: context.drivers.chosen,
    uid,
    tools: await tools(),
    node,
    environment,
    cacheFolder: join(dataFolder, 'cache'),
    clock,
    onStep: (label) => report.step(label),
    onOutput: (line) => report.output(line),
    signal: report.signal,
  });
}

/** The same source again, and all of it runs: a deploy would only replace instances by equal ones. */
function nothingToDo(context: AppContext, app: App, before: App, prepared: Prepared): boolean {
  if (!app.running || before.release !== prepared.release.id) return false;
  if (JSON.stringify(app) !== JSON.stringify(before)) return false;
  const serving = context.rollout.supervisor.of(app.name).filter((each) => isServing(each.life));
  return serving.every((each) => each.life.state === 'healthy');
}

export interface ServeOptions {
  readonly context: AppContext;
  readonly coordinator: Coordinator;
  readonly stored: Stored<App>;
  /** The app as it is wished to be, still with its old release. */
  readonly app: App;
  readonly release: Release;
  readonly kind: Deployment['kind'];
  readonly by: string;
  readonly report: Report;
  readonly clock: Clock;
}

/** Lets a release serve in place of whatever serves now. */
export async function serve(options: ServeOptions): Promise<OperationResult> {
  const { context, coordinator, stored, release, kind, by, report, clock } = options;
  const app = deployed(options.app, { release: release.id, at: clock.now(), by, kind });
  const kept = new Set([release.id, ...app.history.map((each) => each.release)]);
  const known = await context.store.releases(app.name);
  const releasesGone = known.map(({ id }) => id).filter((id) => !kept.has(id));
  const env = { ...app.env, ...(await context.store.secrets(app.name)) };
  const more = { release, releasesGone };
  await coordinator.replace({ stored, app, release, env, report, more });
  await forgetUnknown(context, app.name);
  await context.vault.keep(app.name, release.id, report);
  return context.result(app);
}

/** Removes release folders that the registry does not know, unless something still runs from them. */
async function forgetUnknown(context: AppContext, app: string): Promise<void> {
  const known = (await context.store.releases(app)).map(({ id }) => id);
  const used = context.rollout.supervisor.of(app).map((each) => each.record.release);
  await context.releases.prune(app, [...known, ...used]);
}
