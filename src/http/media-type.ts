/**
 * Content types of files by their extension (RFC 9110 section 8.3). Text is declared UTF-8. Unknown extensions are
 * `application/octet-stream`: nothing is guessed from content.
 */

const TEXT: Readonly<Record<string, string>> = {
  css: 'text/css',
  csv: 'text/csv',
  htm: 'text/html',
  html: 'text/html',
  ics: 'text/calendar',
  js: 'text/javascript',
  log: 'text/plain',
  md: 'text/markdown',
  mjs: 'text/javascript',
  txt: 'text/plain',
  vcf: 'text/vcard',
  vtt: 'text/vtt',
  xhtml: 'application/xhtml+xml',
  xml: 'application/xml',
  yaml: 'application/yaml',
  yml: 'application/yaml',
};

const OTHER: Readonly<Record<string, string>> = {
  '7z': 'application/x-7z-compressed',
  aac: 'audio/aac',
  apng: 'image/apng',
  atom: 'application/atom+xml',
  avif: 'image/avif',
  bmp: 'image/bmp',
  br: 'application/octet-stream',
  bz2: 'application/x-bzip2',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  epub: 'application/epub+zip',
  flac: 'audio/flac',
  geojson: 'application/geo+json',
  gif: 'image/gif',
  glb: 'model/gltf-binary',
  gz: 'application/gzip',
  heic: 'image/heic',
  ico: 'image/vnd.microsoft.icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  jsonld: 'application/ld+json',
  jxl: 'image/jxl',
  m4a: 'audio/mp4',
  m4v: 'video/mp4',
  map: 'application/json',
  mkv: 'video/matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  opus: 'audio/ogg',
  otf: 'font/otf',
  pdf: 'application/pdf',
  png: 'image/png',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  rss: 'application/rss+xml',
  rtf: 'application/rtf',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
  wav: 'audio/wav',
  weba: 'audio/webm',
  webm: 'video/webm',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  zip: 'application/zip',
  zst: 'application/zstd',
};

const TYPES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(TEXT).map(([name, type]): [string, string] => [name, `${type}; charset=utf-8`]),
  ...Object.entries(OTHER),
]);

export const UNKNOWN_TYPE = 'application/octet-stream';

/** `text/html; charset=utf-8` of `/a/b.html`. Case does not matter; a dotfile has no extension. */
export function mediaTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  if (dot <= 0) return UNKNOWN_TYPE;
  return TYPES.get(name.slice(dot + 1).toLowerCase()) ?? UNKNOWN_TYPE;
}

/** Events, one after the other, for as long as somebody listens (HTML §9.2). */
export const EVENT_STREAM = 'text/event-stream';

export function isEventStream(contentType: string | undefined): boolean {
  return contentType !== undefined && bareType(contentType) === EVENT_STREAM;
}

/** Without parameters, in lower case. */
function bareType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** Whether compressing a body of this Content-Type is worth the work. */
export function isCompressible(contentType: string): boolean {
  const type = bareType(contentType);
  return (
    type.startsWith('text/') ||
    type.endsWith('+json') ||
    type.endsWith('+xml') ||
    COMPRESSIBLE.has(type)
  );
}

const COMPRESSIBLE: ReadonlySet<string> = new Set([
  'application/javascript',
  'application/json',
  'application/wasm',
  'application/x-tar',
  'application/xml',
  'application/yaml',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
]);
