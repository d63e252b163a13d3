/**
 * What else a path may be taken for. A gateway goes by the path as it came, those behind it by what they make of it: dot segments
 * (RFC 3986 5.2.4), encoded letters (6.2.2.2), empty segments, parameters of segments, encoded slashes and backslashes, a host
 * after two slashes (4.2). Where that would lead elsewhere, whoever asks must not be able to choose.
 */

/** Whether there is anything about a path that can be read in another way: nothing of nearly all. */
export function isPlainPath(path: string): boolean {
  return !/[%;\\]|\/[./]/.test(path);
}

/**
 * The path as those take it who read the most into it. Between it as it came and these, no reader finds a route that neither finds, since each
 * thing that is read into it leaves the segments before as they are. `..` does not: undefined when it comes with anything else.
 */
export function readingsOf(path: string): readonly string[] | undefined {
  const decoded = withLetters(path);
  if (climbs(path)) {
    return decoded !== path || /[;\\]|\/\/|%2F|%5C/.test(path) ? undefined : [withoutDots(path)];
  }
  // Where such a parameter ends is anybody's guess, and nobody sends one.
  if (/;[^/]*(?:\\|%5C)/.test(decoded)) return undefined;
  const readings = looseOf(decoded);
  const hosted = /^[/\\]{2,}[^/\\]*/.exec(decoded);
  return hosted === null ? readings : [...readings, ...looseOf(decoded.slice(hosted[0].length))];
}

/** There is a `..` for some reader. */
export function climbs(path: string): boolean {
  if (!/\.\.|%2e/i.test(path)) return false;
  return withLetters(path)
    .split(/[/\\]|%2F|%5C/)
    .some((segment) => /^\.\.(?:;|$)/.test(segment));
}

/** What is the same to whoever decodes is the same text: codes of what is neither of these letters nor a separator stay, in upper case. */
export function withLetters(path: string): string {
  return path.replace(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[!-~]/.test(character) && !/[%;?#/\\]/.test(character) ? character : code.toUpperCase();
  });
}

/** Parameters end before a slash, for some also before an encoded one. */
function looseOf(decoded: string): readonly string[] {
  const early = withoutDots(withSlashes(decoded).replace(/;[^/]*/g, ''));
  if (!decoded.includes(';')) return [early];
  return [early, withoutDots(withSlashes(decoded.replace(/;[^/]*/g, '')))];
}

function withSlashes(path: string): string {
  return path.replace(/\\|%2F|%5C/g, '/');
}

/** Without empty segments, `.` and `..`; the end keeps its slash. */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/');
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  const last = segments.at(-1);
  const isFolder = last === '' || last === '.' || last === '..';
  return `/${kept.join('/')}${isFolder && kept.length > 0 ? '/' : ''}`;
}
