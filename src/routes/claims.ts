/** Pure: whether a route or a listener wants what somebody else has. One sentence each. */
import { MolnError } from '../base/errors.ts';

/** Of a route, or of an app, which has all paths of its hosts. */
export interface PlaceClaim {
  readonly kind: 'route' | 'app';
  readonly name: string;
  readonly hosts: readonly string[];
  readonly path: string;
  /** To which app a route leads. */
  readonly app?: string;
}

/** Of a listener, or of what a node has by itself. */
export interface PortClaim {
  /** `Listener "mail"`, `The gateway itself`. */
  readonly who: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** A route may take over a place of the very app that it leads to: it says more about it. */
export function placeTaken(
  wanted: PlaceClaim,
  others: readonly PlaceClaim[],
): MolnError | undefined {
  for (const other of others) {
    if (isTakenOver(wanted, other) || isTakenOver(other, wanted)) continue;
    if (pathKey(wanted.path) !== pathKey(other.path)) continue;
    const host = wanted.hosts.find((each) => other.hosts.includes(each));
    if (host === undefined) continue;
    const has = other.kind === 'app' ? `App "${other.name}"` : `Route "${other.name}"`;
    return new MolnError(
      'ROUTES_PLACE_TAKEN',
      `${has} already has host "${host}" with path "${other.path}"`,
      { hint: hintOf(wanted, other) },
    );
  }
  return undefined;
}

function isTakenOver(route: PlaceClaim, app: PlaceClaim): boolean {
  return route.kind === 'route' && app.kind === 'app' && route.app === app.name;
}

function hintOf(wanted: PlaceClaim, other: PlaceClaim): string {
  if (wanted.kind === 'app') return `Choose another host, or "moln route remove ${other.name}"`;
  return other.kind === 'app'
    ? `Write "app: ${other.name}" to say more about it, or choose another host or path`
    : `Change that one with "moln route set ${other.name}", or choose another host or path`;
}

export function portTaken(wanted: PortClaim, others: readonly PortClaim[]): MolnError | undefined {
  const other = others.find((one) => collides(wanted, one));
  if (other === undefined) return undefined;
  return new MolnError('ROUTES_PORT_TAKEN', `${other.who} already has port ${wanted.port}`, {
    hint: 'Choose another port; "moln listener list" shows those of listeners',
  });
}

function collides(a: PortClaim, b: PortClaim): boolean {
  if (a.port !== b.port || (a.protocol === 'udp') !== (b.protocol === 'udp')) return false;
  return a.address === b.address || isAny(a.address) || isAny(b.address);
}

function isAny(address: string): boolean {
  return address === '::' || address === '0.0.0.0';
}

/** `/a/` and `/a` are one place. */
export function pathKey(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
