/**
 * XML 1.0 with namespaces, strictly: what is not well-formed is refused with the place of it. No document type, so no
 * entities but the five of XML and characters by number: nothing in a document can make it grow or reach outside.
 */
import { type XmlAttribute, type XmlElement, XmlError } from './element.ts';

export interface XmlLimits {
  readonly bytesMax: number;
  readonly depthMax?: number;
  readonly elementsMax?: number;
}

const DEPTH_MAX = 64;
const ELEMENTS_MAX = 100_000;
const ATTRIBUTES_MAX = 64;
const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/';

/** NCName of Namespaces in XML 1.0: a name of XML without a colon. */
const NAME_START =
  'A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}';
const NAME_MORE = `${NAME_START}\\-.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040`;
const QUALIFIED_NAME = new RegExp(
  `(?:([${NAME_START}][${NAME_MORE}]*):)?([${NAME_START}][${NAME_MORE}]*)(?!:)`,
  'uy',
);
// oxlint-disable-next-line no-control-regex -- exactly what the production Char of XML 1.0 leaves out
const BAD_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;
const SPACE = /[ \t\r\n]*/y;
const DECLARATION =
  /<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:"1\.\d"|'1\.\d')(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:"([^"]*)"|'([^']*)'))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]*\?>/y;
const ENCODINGS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'utf-16']);
const ENTITIES: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  amp: '&',
  apos: "'",
  quot: '"',
};
const REFERENCE = /&(?:#x([0-9A-Fa-f]{1,8})|#([0-9]{1,8})|([a-z]{2,4}));/y;
const CODE_POINT_MAX = 0x10ffff;

/** Throws `XmlError`. */
export function parseXml(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  if (bytes.byteLength > limits.bytesMax) {
    throw new XmlError(`${bytes.byteLength} bytes, at most ${limits.bytesMax}`, limits.bytesMax);
  }
  return new Parser(decode(bytes), limits).document();
}

/** UTF-8, or UTF-16 with its mark (XML 1.0, 4.3.3). */
function decode(bytes: Uint8Array): string {
  const mark = bytes.length < 2 ? 0 : ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new XmlError(`Not ${encoding.toUpperCase()}`, 0);
  }
}

type Scope = ReadonlyMap<string, string>;
interface Open {
  readonly qualifiedName: string;
  readonly children: (XmlElement | string)[];
  readonly scope: Scope;
  readonly element: XmlElement;
}

class Parser {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #elementsMax: number;
  readonly #open: Open[] = [];
  #at = 0;
  #count = 0;
  #root: XmlElement | undefined;

  constructor(text: string, limits: XmlLimits) {
    this.#text = text;
    this.#depthMax = limits.depthMax ?? DEPTH_MAX;
    this.#elementsMax = limits.elementsMax ?? ELEMENTS_MAX;
  }

  document(): XmlElement {
    const bad = BAD_CHARACTER.exec(this.#text);
    if (bad !== null) this.#fail('A character that XML does not have', bad.index);
    this.#declaration();
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === '<') this.#markup();
      else this.#characters();
    }
    const open = this.#open.at(-1);
    if (open !== undefined) this.#fail(`<${open.qualifiedName}> is not closed`);
    return this.#root ?? this.#fail('No element');
  }

  #fail(message: string, position = this.#at): never {
    throw new XmlError(message, position);
  }

  #declaration(): void {
    if (!/^<\?xml[ \t\r\n]/.test(this.#text)) return;
    DECLARATION.lastIndex = 0;
    const match = DECLARATION.exec(this.#text);
    if (match === null) this.#fail('The XML declaration is malformed');
    const encoding = (match[1] ?? match[2])?.toLowerCase();
    if (encoding !== undefined && !ENCODINGS.has(encoding)) {
      this.#fail(`Encoding "${encoding}" is not known, want UTF-8`);
    }
    this.#at = match[0].length;
  }

  #markup(): void {
    const text = this.#text;
    if (text.startsWith('</', this.#at)) this.#close();
    else if (text.startsWith('<!--', this.#at)) this.#comment();
    else if (text.startsWith('<![CDATA[', this.#at)) this.#data();
    else if (text.startsWith('<?', this.#at)) this.#instruction();
    else if (text.startsWith('<!', this.#at)) this.#fail('A document type is not accepted');
    else this.#start();
  }

  #until(end: string, what: string): string {
    const from = this.#at;
    const to = this.#text.indexOf(end, from);
    if (to < 0) this.#fail(`${what} is not closed`);
    this.#at = to + end.length;
    return this.#text.slice(from, to);
  }

  #comment(): void {
    this.#at += 4;
    const inside = this.#until('-->', 'A comment');
    if (inside.includes('--') || inside.endsWith('-')) this.#fail('"--" in a comment');
  }

  #instruction(): void {
    this.#at += 2;
    const { prefix, name } = this.#name('A processing instruction');
    if (prefix !== undefined || name.toLowerCase() === 'xml') {
      this.#fail('An XML declaration that is not at the start');
    }
    this.#until('?>', 'A processing instruction');
  }

  #data(): void {
    const open = this.#open.at(-1);
    if (open === undefined) this.#fail('Text outside of the element');
    this.#at += '<![CDATA['.length;
    open.children.push(lineEnds(this.#until(']]>', 'A CDATA section')));
  }

  #characters(): void {
    const from = this.#at;
    const next = this.#text.indexOf('<', from);
    this.#at = next < 0 ? this.#text.length : next;
    const raw = this.#text.slice(from, this.#at);
    const open = this.#open.at(-1);
    if (open === undefined) {
      if (!/^[ \t\r\n]*$/.test(raw)) this.#fail('Text outside of the element', from);
      return;
    }
    if (raw.includes(']]>')) this.#fail('"]]>" in text', from);
    open.children.push(this.#expand(lineEnds(raw), from));
  }

  /** References to characters and to the five entities. */
  #expand(raw: string, position: number): string {
    if (!raw.includes('&')) return raw;
    let out = '';
    let at = 0;
    for (;;) {
      const next = raw.indexOf('&', at);
      if (next < 0) return out + raw.slice(at);
      out += raw.slice(at, next);
      REFERENCE.lastIndex = next;
      const match = REFERENCE.exec(raw);
      if (match === null) this.#fail('"&" that is no reference', position);
      out += this.#referred(match, position);
      at = next + match[0].length;
    }
  }

  #referred(match: RegExpExecArray, position: number): string {
    const [, hex, decimal, name] = match;
    if (name !== undefined) {
      return ENTITIES[name] ?? this.#fail(`Entity "${name}" is not declared`, position);
    }
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const character = code <= CODE_POINT_MAX ? String.fromCodePoint(code) : '\0';
    if (BAD_CHARACTER.test(character)) this.#fail(`No such character: ${match[0]}`, position);
    return character;
  }

  #name(what: string): {
    readonly prefix: string | undefined;
    readonly name: string;
    readonly whole: string;
  } {
    QUALIFIED_NAME.lastIndex = this.#at;
    const match = QUALIFIED_NAME.exec(this.#text);
    if (match === null) this.#fail(`${what} without a good name`);
    this.#at += match[0].length;
    return { prefix: match[1], name: match[2] ?? '', whole: match[0] };
  }

  #space(): boolean {
    SPACE.lastIndex = this.#at;
    const length = SPACE.exec(this.#text)?.[0].length ?? 0;
    this.#at += length;
    return length > 0;
  }

  #start(): void {
    if (this.#root !== undefined && this.#open.length === 0) this.#fail('A second root element');
    if (this.#open.length >= this.#depthMax) this.#fail(`Deeper than ${this.#depthMax} elements`);
    if (++this.#count > this.#elementsMax) this.#fail(`More than ${this.#elementsMax} elements`);
    this.#at++;
    const { prefix, name, whole } = this.#name('An element');
    const { raw, declared, empty } = this.#attributes(whole);
    const outer = this.#open.at(-1);
    const scope = withDeclared(outer?.scope ?? ROOT_SCOPE, declared);
    const children: (XmlElement | string)[] = [];
    const element: XmlElement = {
      namespace: this.#resolve(scope, prefix ?? ''),
      name,
      attributes: this.#resolved(raw, scope),
      children,
    };
    outer?.children.push(element);
    this.#root ??= element;
    if (!empty) this.#open.push({ qualifiedName: whole, children, scope, element });
  }

  #attributes(owner: string): {
    readonly raw: readonly {
      readonly prefix: string | undefined;
      readonly name: string;
      readonly value: string;
    }[];
    readonly declared: ReadonlyMap<string, string>;
    readonly empty: boolean;
  } {
    const raw: { prefix: string | undefined; name: string; value: string }[] = [];
    const declared = new Map<string, string>();
    for (;;) {
      const spaced = this.#space();
      if (this.#text.startsWith('/>', this.#at)) {
        this.#at += 2;
        return { raw, declared, empty: true };
      }
      if (this.#text[this.#at] === '>') {
        this.#at++;
        return { raw, declared, empty: false };
      }
      if (!spaced || this.#at >= this.#text.length) this.#fail(`<${owner} is malformed`);
      const { prefix, name } = this.#name('An attribute');
      const value = this.#value();
      if (raw.length + declared.size >= ATTRIBUTES_MAX) {
        this.#fail(`More than ${ATTRIBUTES_MAX} attributes`);
      }
      if (prefix === 'xmlns' || (prefix === undefined && name === 'xmlns')) {
        this.#declare(declared, prefix === undefined ? '' : name, value);
      } else raw.push({ prefix, name, value });
    }
  }

  #value(): string {
    this.#space();
    if (this.#text[this.#at] !== '=') this.#fail('An attribute without a value');
    this.#at++;
    this.#space();
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") this.#fail('The value of an attribute is not in quotes');
    this.#at++;
    const raw = this.#until(quote, 'The value of an attribute');
    if (raw.includes('<')) this.#fail('"<" in the value of an attribute');
    return this.#expand(lineEnds(raw).replace(/[\t\n]/g, ' '), this.#at);
  }

  /** Namespaces in XML 1.0, 2.2 and 3: `xml` and `xmlns` are not to be bound, a prefix not to nothing. */
  #declare(declared: Map<string, string>, prefix: string, uri: string): void {
    if (declared.has(prefix)) this.#fail(`Namespace prefix "${prefix}" is declared twice`);
    if (prefix === 'xml' ? uri !== XML_NAMESPACE : uri === XML_NAMESPACE) {
      this.#fail('The prefix "xml" is bound otherwise');
    }
    if (prefix === 'xmlns' || uri === XMLNS_NAMESPACE) this.#fail('The prefix "xmlns" is bound');
    if (prefix !== '' && uri === '') this.#fail(`Namespace prefix "${prefix}" is bound to nothing`);
    declared.set(prefix, uri);
  }

  #resolve(scope: Scope, prefix: string): string {
    return scope.get(prefix) ?? this.#fail(`Namespace prefix "${prefix}" is not declared`);
  }

  #resolved(
    raw: readonly {
      readonly prefix: string | undefined;
      readonly name: string;
      readonly value: string;
    }[],
    scope: Scope,
  ): readonly XmlAttribute[] {
    const seen = new Set<string>();
    return raw.map(({ prefix, name, value }) => {
      const namespace = prefix === undefined ? '' : this.#resolve(scope, prefix);
      const key = `${namespace} ${name}`;
      if (seen.has(key)) this.#fail(`Attribute "${name}" twice`);
      seen.add(key);
      return { namespace, name, value };
    });
  }

  #close(): void {
    this.#at += 2;
    const { whole } = this.#name('A closing tag');
    this.#space();
    if (this.#text[this.#at] !== '>') this.#fail(`</${whole} is malformed`);
    this.#at++;
    const open = this.#open.pop();
    if (open?.qualifiedName !== whole) {
      this.#fail(
        `</${whole}> closes ${open === undefined ? 'nothing' : `<${open.qualifiedName}>`}`,
      );
    }
  }
}

const ROOT_SCOPE: Scope = new Map([
  ['', ''],
  ['xml', XML_NAMESPACE],
]);

function withDeclared(outer: Scope, declared: ReadonlyMap<string, string>): Scope {
  return declared.size === 0 ? outer : new Map([...outer, ...declared]);
}

/** XML 1.0, 2.11. */
function lineEnds(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}
