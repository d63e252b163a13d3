/** Places in a route as workers are told of it, in the words of whoever wrote the route. Pure. */

const PLACE = /\broutes\[\d+\]\.[\w.[\]-]+/g;

/** One after the other, of what follows `routes[0].`. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^hosts\b/, 'host'],
  [/^target\.upstreams\b/, 'upstreams'],
  [/^(upstreams\[\d+\])\.address\.tls\b/, '$1.tls'],
  [/^target\.(location|from)\b/, 'redirect.$1'],
  [/^target\.(root|fallback|notFound|index|list)\b/, 'static.$1'],
  [/^target\.message\b/, 'respond.message'],
  [/^redirect\.location\b/, 'redirect.to'],
  [/^balance\.limits\b/, 'limits'],
  [/^balance\.algorithm\b/, 'balance'],
  [/^balance\./, ''],
  [/^site\.access\./, ''],
  [/^site\.errorsOfUpstreams\b/, 'errors.upstream'],
  [/^site\.bufferBytes\b/, 'buffer'],
  [/^site\.rate\.header\b/, 'rate.by'],
  [/^site\.compress\.bytesMin\b/, 'compress.min'],
  [/^site\.cors\.maxAgeS\b/, 'cors.maxAge'],
  [/^site\./, ''],
  [/^limits\.(connect|response|idle)TimeoutMs\b/, 'timeouts.$1'],
  [/^limits\.requestBodyBytesMax\b/, 'limits.requestBody'],
  [/^cache\.(negative|staleUnreachable|heuristicMax|ttlMin|ttlMax|ttl)S\b/, 'cache.$1'],
  [/^cache\.keyFields\[\d+\]/, 'cache.key'],
  [/^eject\.shareMax\b/, 'eject.share'],
  // Names of fields stay as they are.
  [/^(?!headers\.)(.*)Ms(?=Max\b|$)/, '$1'],
];

/** `text` is a path such as `routes[0].site.access.deny[0]`, or a sentence with such paths. */
export function inRouteWords(text: string): string {
  return text.replaceAll(PLACE, (place) => {
    const from = place.indexOf('.') + 1;
    const key = WORDS.reduce(
      (said, [pattern, word]) => said.replace(pattern, word),
      place.slice(from),
    );
    return place.slice(0, from) + key;
  });
}
