/** Writing XML: text is escaped so that every reader gives back exactly what was written. */
import type { XmlElement } from './element.ts';

export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

const SPECIAL = /[&<>"\r]|[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** For text and for values of attributes. What XML 1.0 has no way to say is left as a reference by number, as S3 does. */
export function escapeText(text: string): string {
  return text.replace(
    SPECIAL,
    (character) => ESCAPES[character] ?? `&#x${(character.codePointAt(0) ?? 0).toString(16)};`,
  );
}

/** `<name>text</name>`; nothing for undefined. */
export function element(name: string, text: string | number | boolean | undefined): string {
  return text === undefined ? '' : `<${name}>${escapeText(String(text))}</${name}>`;
}

/** A tree as it was read; each element that needs it declares its own namespace, so the text stands for itself. */
export function serialise(root: XmlElement, outerNamespace?: string): string {
  let attributes = '';
  let prefixes = 0;
  for (const { namespace, name, value } of root.attributes) {
    if (namespace === '') attributes += ` ${name}="${attributeText(value)}"`;
    else if (namespace === 'http://www.w3.org/XML/1998/namespace') {
      attributes += ` xml:${name}="${attributeText(value)}"`;
    } else {
      const prefix = `a${prefixes++}`;
      attributes += ` xmlns:${prefix}="${attributeText(namespace)}" ${prefix}:${name}="${attributeText(value)}"`;
    }
  }
  const declaration =
    root.namespace === outerNamespace ? '' : ` xmlns="${attributeText(root.namespace)}"`;
  const inside = root.children
    .map((child) =>
      typeof child === 'string' ? escapeText(child) : serialise(child, root.namespace),
    )
    .join('');
  const head = `<${root.name}${declaration}${attributes}`;
  return inside === '' ? `${head}/>` : `${head}>${inside}</${root.name}>`;
}

/** A reader of attributes makes spaces of tabs and line ends unless they are given by number (XML 1.0, 3.3.3). */
function attributeText(value: string): string {
  return escapeText(value).replace(/[\t\n]/g, (character) => `&#${character.charCodeAt(0)};`);
}
