/** Pure: where the gateway and the API listen, out of the options of `moln up` and a few facts. */

export interface ListenWishes {
  readonly address: string | undefined;
  /** Of the gateway; undefined: as `address`. */
  readonly listen: string | undefined;
  readonly httpPort: number | undefined;
  readonly httpsPort: number | undefined;
  readonly port: number | undefined;
  readonly gatewayPort: number | undefined;
}

export interface ListenFacts {
  readonly isRoot: boolean;
  readonly hasIpv6: boolean;
  /** Free for us: nobody listens there but our own gateway processes. */
  readonly isFree: (port: number, address: string) => boolean;
}

export interface ListenPlace {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: 'http' | 'https';
}

export interface ListenChoice {
  readonly gateway: readonly ListenPlace[];
  readonly api: { readonly address: string; readonly port: number };
  /** Where the gateways answer those of other nodes, once there are others. */
  readonly node: { readonly address: string; readonly port: number };
}

export const HTTP_PORT = 8080;
export const HTTPS_PORT = 8443;
export const API_PORT = 7420;
export const GATEWAY_PORT = 7423;

/**
 * A wished port is taken as it is. By default the gateway listens on 8080 and 8443, and on 80 and 443 too when we are
 * root and they are free; the first place of a protocol is the one that is shown to people.
 */
export function chooseListeners(wishes: ListenWishes, facts: ListenFacts): ListenChoice {
  const all = facts.hasIpv6 ? '::' : '0.0.0.0';
  const address = wishes.listen ?? wishes.address ?? all;
  const places = (protocol: 'http' | 'https', wished: number | undefined): ListenPlace[] => {
    const [usual, short] = protocol === 'http' ? [HTTP_PORT, 80] : [HTTPS_PORT, 443];
    const first: ListenPlace = { id: protocol, address, port: wished ?? usual, protocol };
    if (wished !== undefined || !facts.isRoot || !facts.isFree(short, address)) return [first];
    return [{ id: `${protocol}-short`, address, port: short, protocol }, first];
  };
  return {
    gateway: [...places('http', wishes.httpPort), ...places('https', wishes.httpsPort)],
    api: { address: wishes.address ?? '127.0.0.1', port: wishes.port ?? API_PORT },
    node: { address: wishes.address ?? all, port: wishes.gatewayPort ?? GATEWAY_PORT },
  };
}

/** Whether a listener of the cluster is one of the node's own, said anew: the same port for the same protocol. */
export function takesPlaceOf(
  listener: Pick<ListenPlace, 'port'> & { readonly protocol: string },
  own: Pick<ListenPlace, 'port'> & { readonly protocol: string },
): boolean {
  return listener.port === own.port && listener.protocol === own.protocol;
}

/** `http://127.0.0.1:8080` of a place; the usual port of the protocol is left out. */
export function urlOf(place: Omit<ListenPlace, 'id'>, host?: string): string {
  const isAny = place.address === '::' || place.address === '0.0.0.0';
  const name = host ?? (isAny ? '127.0.0.1' : bracketed(place.address));
  const usual = place.protocol === 'http' ? 80 : 443;
  return `${place.protocol}://${name}${place.port === usual ? '' : `:${place.port}`}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
