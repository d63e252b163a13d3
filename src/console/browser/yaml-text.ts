/** Pure: plain data as YAML for people: a key a line, short lists and maps within a line. */

const LINE_CHARACTERS = 80;
/** What reads as itself, and as nothing else that YAML knows. */
const PLAIN = /^[A-Za-z_./$][\w./$@%*:-]*(?: [\w./$@%*-]+)*$/;
const AMOUNT = /^\d+(?:ms|s|m|h|KB|KiB|MB|MiB|GB|GiB)$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|~)$|:$/i;

type Data = Readonly<Record<string, unknown>>;

export function yamlText(data: Data): string {
  return linesOf(data).join('\n');
}

function linesOf(data: Data): string[] {
  return Object.entries(data).flatMap(([key, value]) => entryLines(keyText(key), value));
}

function entryLines(key: string, value: unknown): string[] {
  const short = `${key}: ${flow(value)}`;
  const isLong =
    short.length > LINE_CHARACTERS || (typeof value === 'string' && value.includes('\n'));
  if (!isLong) return [short];
  if (typeof value === 'string') return blockLines(key, value) ?? [short];
  if (Array.isArray(value)) {
    return [`${key}:`, ...value.map((item: unknown) => `  - ${flow(item)}`)];
  }
  return isMap(value) ? [`${key}:`, ...linesOf(value).map((line) => `  ${line}`)] : [short];
}

/** A page of HTML stays a page. */
function blockLines(key: string, value: string): string[] | undefined {
  if (!value.includes('\n') || /[^\n\x20-\x7e\u00a0-\uffff]|^\s|\n\n$|[ ]\n/.test(value))
    return undefined;
  const mark = value.endsWith('\n') ? '|' : '|-';
  return [
    `${key}: ${mark}`,
    ...value
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`.trimEnd()),
  ];
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item: unknown) => flow(item)).join(', ')}]`;
  if (isMap(value)) {
    const entries = Object.entries(value).map(([key, item]) => `${keyText(key)}: ${flow(item)}`);
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
  }
  return typeof value === 'string' && isPlain(value) ? value : JSON.stringify(value);
}

function keyText(key: string): string {
  return isPlain(key) || /^\d+$/.test(key) ? key : JSON.stringify(key);
}

function isPlain(text: string): boolean {
  return AMOUNT.test(text) || (PLAIN.test(text) && !WORDS.test(text));
}

function isMap(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
