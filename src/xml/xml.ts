/** Door of `xml`: one strict, namespace-aware parser and the writer's few functions. */
export { type XmlAttribute, type XmlElement, XmlError } from './element.ts';
export { childNamed, childrenNamed, elements, textOf } from './element.ts';
export { parseXml, type XmlLimits } from './parser.ts';
export { element, escapeText, serialise, XML_HEAD } from './writer.ts';
