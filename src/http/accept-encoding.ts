/**
 * Which content coding to send (RFC 9110 section 12.5.3): the client's weights decide, then the server's order.
 */

/** Codings looked at in one field; the rest is ignored. */
export const CODINGS_MAX = 32;

const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * Weights by lower-case coding, `*` included. Malformed members are skipped: a bad field must not cost the client
 * its answer. `x-gzip` counts as `gzip` (RFC 9110 8.4.1.3).
 */
export function parseAcceptEncoding(value: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const member of value.split(',', CODINGS_MAX)) {
    const [name = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
    if (!TOKEN.test(name)) continue;
    let weight = 1;
    const q = parameters.find((parameter) => /^q[ \t]*=/.test(parameter));
    if (q !== undefined) {
      const text = q.slice(q.indexOf('=') + 1).trim();
      if (!WEIGHT.test(text)) continue;
      weight = Number(text);
    }
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight);
  }
  return weights;
}

/**
 * The best of `available` (the server's order, best first; `identity` is always possible and comes last), or
 * undefined when the client refuses all, identity included. An absent field means identity: nothing was asked for.
 */
export function chooseEncoding<const T extends string>(
  value: string | undefined,
  available: readonly T[],
): T | 'identity' | undefined {
  if (value === undefined) return 'identity';
  const weights = parseAcceptEncoding(value);
  const rest = weights.get('*');
  let best: T | undefined;
  let bestWeight = 0;
  for (const coding of available) {
    const weight = weights.get(coding) ?? rest ?? 0;
    if (weight > bestWeight) {
      best = coding;
      bestWeight = weight;
    }
  }
  // Identity not named is acceptable unless `*;q=0` (12.5.3), but then only when nothing else is.
  const identityWeight = weights.get('identity') ?? (rest === 0 ? 0 : undefined);
  if (best !== undefined && (identityWeight === undefined || bestWeight >= identityWeight)) {
    return best;
  }
  return identityWeight === 0 ? undefined : 'identity';
}
