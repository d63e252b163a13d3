/** Apps and node as the API tells them: pure translations from the parts' words to the model's. */
import type { AppDetail, AppSummary } from '../api/model.ts';
import type { AppView } from '../apps/apps.ts';
import type { UpstreamLoad } from '../gateway/config.ts';

export type AppUrls = (view: AppView) => readonly string[];

export function appSummary(view: AppView, urls: AppUrls): AppSummary {
  return {
    name: view.app.name,
    kind: view.release?.plan.kind ?? 'none',
    state: view.state,
    release: view.app.release,
    urls: urls(view),
    instances: { healthy: view.healthy, wanted: view.wanted },
    deployedAt: view.deployedAt,
  };
}

export function appDetail(
  view: AppView,
  options: {
    readonly urls: AppUrls;
    readonly loads: Readonly<Record<string, UpstreamLoad>>;
  },
): AppDetail {
  const { app } = view;
  return {
    ...appSummary(view, options.urls),
    explanation: view.release?.plan.explanation ?? 'Nothing deployed yet',
    domains: app.domains,
    scale: Object.fromEntries(
      Object.keys(view.release?.plan.processes ?? {}).map((name) => [name, app.scale[name] ?? 1]),
    ),
    env: app.env,
    secretNames: app.secretNames,
    instanceList: view.instances.map((instance) => {
      const load = options.loads[instance.id];
      return {
        id: instance.id,
        process: instance.process,
        release: instance.release,
        node: instance.node,
        state: instance.state,
        reason: instance.reason,
        pid: instance.pid,
        driver: instance.driver,
        address: addressText(instance.address),
        startedAt: instance.startedAt,
        restarts: instance.restarts,
        memoryBytes: instance.memoryBytes,
        requestsNow: (load?.requests ?? 0) + (load?.upgrades ?? 0),
      };
    }),
    releases: view.releases.map((release) => ({
      id: release.id,
      files: release.files,
      bytes: release.bytes,
      createdAt: release.createdAt,
      kind: release.plan.kind,
      current: release.id === app.release,
      isStored: view.stored?.includes(release.id),
    })),
    history: app.history,
  };
}

function addressText(address: AppView['instances'][number]['address']): string | undefined {
  if (address === undefined) return undefined;
  return address.kind === 'socket' ? address.path : `${address.host}:${address.port}`;
}
