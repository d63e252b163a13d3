/** XML documents of requests: read strictly, with AWS's one answer to all that is wrong with them. */
import {
  childNamed,
  childrenNamed,
  elements,
  parseXml,
  textOf,
  type XmlElement,
  XmlError,
} from '../xml/xml.ts';
import { S3Error } from './errors.ts';

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
export const DOCUMENT_BYTES_MAX: number = 2 * 1024 * 1024;
/** A thousand keys of 1,024 bytes, each of them escaped; ten thousand parts with checksums and indentation. */
export const LONG_DOCUMENT_BYTES_MAX: number = 8 * 1024 * 1024;

export { childNamed, childrenNamed, elements, textOf, type XmlElement };

/** The root element, which must be of that name, in S3's namespace or none. */
export function readRoot(bytes: Uint8Array, name: string): XmlElement {
  if (bytes.length === 0) throw new S3Error('MissingRequestBodyError');
  try {
    // How long it may be was judged while it was read.
    const root = parseXml(bytes, { bytesMax: bytes.length, depthMax: 16 });
    if (root.name !== name || !isOurs(root)) throw malformed();
    return root;
  } catch (error) {
    if (error instanceof XmlError) throw malformed(error);
    throw error;
  }
}

/** As AWS's own examples write it, with and without `doc.`, or none; and so all that is in it. */
const NAMESPACE = /^(?:https?:\/\/(?:doc\.)?s3\.amazonaws\.com\/.*)?$/;

function isOurs(one: XmlElement): boolean {
  return NAMESPACE.test(one.namespace) && elements(one).every(isOurs);
}

export function malformed(cause?: unknown): S3Error {
  return new S3Error('MalformedXML', undefined, cause === undefined ? {} : { cause });
}

/** Throws MalformedXML when something else is in it, text included; each of `once` may be there once, each of `often` more often. */
export function holdsOnly(
  parent: XmlElement,
  once: readonly string[],
  often: readonly string[] = [],
): void {
  const names = elements(parent).map(({ name }) => name);
  const isKnown = names.every((name) => once.includes(name) || often.includes(name));
  const isRepeated = once.some((one) => names.indexOf(one) !== names.lastIndexOf(one));
  if (!isKnown || isRepeated || textOf(parent).trim() !== '') throw malformed();
}

/** Text of a child, if there is one. */
export function textIn(parent: XmlElement, name: string): string | undefined {
  const child = childNamed(parent, name);
  return child === undefined ? undefined : textOf(child);
}

export function neededText(parent: XmlElement, name: string): string {
  const text = textIn(parent, name);
  if (text === undefined) throw malformed();
  return text.trim();
}

export function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,12}$/.test(text.trim())) throw malformed();
  return Number(text);
}

export function oneOf<const T extends string>(text: string | undefined, ...words: readonly T[]): T {
  const found = words.find((word) => word === text?.trim());
  if (found === undefined) throw malformed();
  return found;
}

export function truth(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  return oneOf(text.trim().toLowerCase(), 'true', 'false') === 'true';
}
