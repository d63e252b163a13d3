/** Which requests for a database are answered with one whole body, so that they need no full HTTP server. */
const QUICK = /^\/db\/[^/?#]{1,100}\/(?:[^?#]*\/)?v[23](?:-protobuf)?\/pipeline$/;

export function isQuickTarget(target: string): boolean {
  return QUICK.test(target);
}
