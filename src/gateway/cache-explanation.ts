/** What the cache of this process knows of a URL, and what would become of a request for it now. Nothing of it is shown to clients. */
import {
  ageMs,
  CacheRequest,
  decide,
  FieldList,
  freshMs,
  type Stored,
  type Variants,
} from '../cache/cache.ts';
import type { CacheRoom } from './cache-room.ts';
import type {
  CacheExplanation,
  GatewayQuestion,
  KeyOwner,
  StoredVariant,
} from './gateway-question.ts';
import { askedUrl } from './asked-url.ts';
import { keyOf } from './purge-keys.ts';
import type { RouteTable } from './route-table.ts';
import type { Sharer, Sharing } from './sharing.ts';

/** Throws `CONFIG_INVALID` for what is no URL. */
export async function explain(
  { url, fields }: Extract<GatewayQuestion, { kind: 'explain' }>,
  room: CacheRoom | undefined,
  table: RouteTable,
): Promise<CacheExplanation> {
  const asked = askedUrl(url);
  const route = table.match(asked.host, asked.path);
  const base = {
    pid: process.pid,
    route: route?.id,
    variants: [],
    refused: undefined,
    worker: room?.sharing?.self.worker,
    owners: [],
  };
  if (route === undefined) {
    return { ...base, isCached: false, decision: 'bypass', why: 'no-route' };
  }
  if (room === undefined || route.config.cache === undefined) {
    return { ...base, isCached: false, decision: 'bypass', why: 'no-cache-on-route' };
  }
  const settings = room.settingsFor(route);
  const key = keyOf(settings, asked);
  const request = new CacheRequest().read({ method: 'GET', key, fields: new FieldList(fields) });
  const candidates = await room.cache.find(key);
  const nowMs = room.nowMs();
  const { kind, why, stored } = decide(request, candidates, nowMs, settings);
  return {
    ...base,
    isCached: true,
    decision: kind,
    why,
    variants: listOf(candidates).map((one) => ({
      ...variantOf(one, nowMs, one === stored),
      ...(room.cache.isHot(key) ? { tier: 'hot' as const } : {}),
    })),
    owners: ownersIn(room.sharing, key),
    refused: room.refusals.get(key),
  };
}

function ownersIn(sharing: Sharing | undefined, key: string): readonly KeyOwner[] {
  if (sharing === undefined) return [];
  const { region, cluster } = sharing.ownersFor(key);
  const said = (owner: Sharer, tier: KeyOwner['tier']): KeyOwner => ({
    node: owner.node,
    worker: owner.worker,
    isSelf: owner === sharing.self,
    tier,
  });
  const near = region === undefined || region === cluster ? [] : [said(region, 'region')];
  return cluster === undefined ? near : [...near, said(cluster, 'cluster')];
}

function listOf(found: Variants | undefined): readonly Stored[] {
  if (found === undefined) return [];
  return Array.isArray(found) ? (found as readonly Stored[]) : [found as Stored];
}

function variantOf({ entry, body }: Stored, nowMs: number, isSelected: boolean): StoredVariant {
  return {
    isSelected,
    status: entry.status,
    ageS: Math.floor(ageMs(entry, nowMs) / 1000),
    ttlS: Math.floor(freshMs(entry, nowMs) / 1000),
    staleWhileRevalidateS: entry.staleWhileRevalidateS,
    staleIfErrorS: entry.staleIfErrorS,
    bodyBytes: entry.bodyBytes,
    isPartial: entry.spans !== undefined,
    tier: body.memoryBytes > 0 || entry.bodyBytes === 0 ? 'memory' : 'disk',
    vary: entry.varyNames,
    tags: entry.tags,
    etag: entry.etag,
  };
}
