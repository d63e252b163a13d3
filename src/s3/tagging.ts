/** Tags of buckets and objects, in documents and in fields. Pure. */
import { encodeUri } from '../base/uri.ts';
import { element, XML_HEAD } from '../xml/xml.ts';
import {
  childNamed,
  childrenNamed,
  holdsOnly,
  malformed,
  neededText,
  readRoot,
  S3_NAMESPACE,
  type XmlElement,
} from './document.ts';
import { invalidArgument, S3Error } from './errors.ts';
import { decodeUri } from './uri.ts';

export type Tags = Readonly<Record<string, string>>;

export const OBJECT_TAGS_MAX = 10;
export const BUCKET_TAGS_MAX = 50;
const NAME_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 256;
/** Of names and values (AWS, "Object tagging"). */
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

export function parseTagging(bytes: Uint8Array, most: number): Tags {
  const root = readRoot(bytes, 'Tagging');
  holdsOnly(root, ['TagSet']);
  const set = childNamed(root, 'TagSet');
  if (set === undefined) throw malformed();
  // An element that is passed over would leave an empty set, and remove all tags.
  holdsOnly(set, [], ['Tag']);
  return tagsIn(set, most);
}

/** Of the elements `Tag` in another. */
export function tagsIn(set: XmlElement, most: number): Tags {
  const pairs = childrenNamed(set, 'Tag').map((tag) => {
    holdsOnly(tag, ['Key', 'Value']);
    return [neededText(tag, 'Key'), neededText(tag, 'Value')] as const;
  });
  return checkedTags(pairs, most);
}

/** `a=1&b=2`, form-encoded: the field `x-amz-tagging`. */
export function tagsOfHeader(text: string): Tags {
  const pairs = text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=');
      const name = at < 0 ? pair : pair.slice(0, at);
      const value = at < 0 ? '' : pair.slice(at + 1);
      return [decodeForm(name), decodeForm(value)] as const;
    });
  if (new Set(pairs.map(([name]) => name)).size < pairs.length) throw badField(text);
  return checkedTags(pairs, OBJECT_TAGS_MAX);
}

/** As the field `x-amz-tagging` has them. */
export function headerOfTags(tags: Tags): string {
  const pairs = Object.entries(tags);
  return pairs.map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`).join('&');
}

function badField(text: string): S3Error {
  return invalidArgument(
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    'x-amz-tagging',
    text,
  );
}

function decodeForm(text: string): string {
  try {
    return decodeUri(text.replaceAll('+', ' '));
  } catch {
    // Broken escapes: the field as a whole is what is wrong.
    throw badField(text);
  }
}

function checkedTags(pairs: readonly (readonly [string, string])[], most: number): Tags {
  if (pairs.length > most) {
    throw new S3Error(
      'InvalidTag',
      most === OBJECT_TAGS_MAX
        ? 'Object tags cannot be greater than 10'
        : 'Bucket tag count cannot be greater than 50',
    );
  }
  const tags: Record<string, string> = {};
  for (const [name, value] of pairs) {
    if (name === '' || name.length > NAME_LENGTH_MAX || !ALLOWED.test(name))
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid');
    if (value.length > VALUE_LENGTH_MAX || !ALLOWED.test(value))
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid');
    if (Object.hasOwn(tags, name))
      throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key');
    if (/^aws:/i.test(name))
      throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester');
    tags[name] = value;
  }
  return tags;
}

export function printTagging(tags: Tags): string {
  // In the order of their names, however they came.
  const set = Object.entries(tags)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `<Tag>${element('Key', name)}${element('Value', value)}</Tag>`)
    .join('');
  return `${XML_HEAD}<Tagging xmlns="${S3_NAMESPACE}"><TagSet>${set}</TagSet></Tagging>`;
}
