/**
 * What else a path may be taken for. A gateway goes by the path as it came, those behind it by what they make of it: dot segments
 * (RFC 3986 5.2.4), encoded letters (6.2.2.2), empty segments, parameters of segments, encoded slashes and backslashes. Where
 * that would lead elsewhere, whoever asks must not be able to choose.
 */

/** Whether there is anything about a path that can be read in another way: nothing of nearly all. */
export function isPlainPath(path: string): boolean {
  return !/[%;\\]|\/[./]/.test(path);
}

/** The path as strict readers take it, then as loose ones do; equal to it where they agree. */
export function readingsOf(path: string): readonly [string, string] {
  const decoded = path.replace(/%[0-9a-f]{2}/gi, (code) => {
    const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : code;
  });
  const loose = path
    .replace(/;[^/]*/g, '')
    .replace(/%[0-9a-f]{2}/gi, (code) => {
      const character = String.fromCharCode(Number.parseInt(code.slice(1), 16));
      return /[\w.~/\\-]/.test(character) ? character : code;
    })
    .replaceAll('\\', '/');
  return [withoutDots(decoded), withoutDots(loose)];
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
