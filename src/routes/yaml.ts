/** Reads and writes YAML 1.2, of which JSON is a part; the only file that knows the library behind it. */
import { createRequire } from 'node:module';
import type { Document, LineCounter } from 'yaml';
import { ConfigError } from '../base/errors.ts';

const load = createRequire(import.meta.url);
/** Loaded with the first text: an agent would have it in memory all its life, and mostly never reads one. */
const library = (): typeof import('yaml') => load('yaml') as typeof import('yaml');

/** What a text says, and where. */
export interface YamlText {
  readonly value: unknown;
  /** Line, from 1, of a path such as `routes[0].upstreams[1].url`, or of the nearest that there is above it. */
  readonly lineOf: (path: string) => number | undefined;
}

/** Aliases multiply what a text says; nobody needs many in a config. */
const ALIASES_MAX = 100;

/** Throws `ConfigError` with the line when the text is not YAML or has a key twice. */
export function parseYaml(text: string): YamlText {
  const { LineCounter, parseDocument } = library();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const wrong = document.errors[0] ?? document.warnings[0];
  if (wrong !== undefined) {
    const { line } = lines.linePos(wrong.pos[0]);
    throw new ConfigError('', `Line ${line} is not valid YAML: ${wrong.message}`);
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX });
    return { value, lineOf: (path) => lineOf(document, lines, path) };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new ConfigError('', `The text is not valid YAML: ${error.message}`);
  }
}

function lineOf(document: Document, lines: LineCounter, path: string): number | undefined {
  const { isMap, isSeq } = library();
  const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
  let node: unknown = document.contents;
  let at = rangeOf(node);
  for (const step of steps) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(key) === step);
      if (pair === undefined) break;
      at = rangeOf(pair.key) ?? at;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      at = rangeOf(node) ?? at;
    } else {
      break;
    }
  }
  return at === undefined ? undefined : lines.linePos(at).line;
}

function rangeOf(node: unknown): number | undefined {
  const { range } = (node ?? {}) as { readonly range?: readonly number[] | null };
  return range?.[0];
}

/** As `parseYaml` reads it; what fits into a line is written in one. */
export function writeYaml(value: unknown): string {
  return library().stringify(value, { lineWidth: 100 });
}
