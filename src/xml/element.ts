/** A parsed document as a tree, and the questions that its readers ask. */

export interface XmlAttribute {
  /** Namespace URI; empty for none. */
  readonly namespace: string;
  readonly name: string;
  readonly value: string;
}

export interface XmlElement {
  /** Namespace URI; empty for none. */
  readonly namespace: string;
  /** Without its prefix. */
  readonly name: string;
  /** Without the declarations of namespaces. */
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly (XmlElement | string)[];
}

/** What is wrong with a document, and at which character of it. */
export class XmlError extends Error {
  override readonly name = 'XmlError';
  readonly position: number;

  constructor(message: string, position: number) {
    super(`${message} (at character ${position})`);
    this.position = position;
  }
}

export function elements(parent: XmlElement): readonly XmlElement[] {
  return parent.children.filter((child) => typeof child !== 'string');
}

/** Children of that local name, in any namespace unless one is given. */
export function childrenNamed(
  parent: XmlElement,
  name: string,
  namespace?: string,
): readonly XmlElement[] {
  return elements(parent).filter(
    (child) => child.name === name && (namespace === undefined || child.namespace === namespace),
  );
}

export function childNamed(
  parent: XmlElement,
  name: string,
  namespace?: string,
): XmlElement | undefined {
  return childrenNamed(parent, name, namespace)[0];
}

/** The text directly inside, as written. */
export function textOf(parent: XmlElement): string {
  return parent.children.filter((child) => typeof child === 'string').join('');
}
