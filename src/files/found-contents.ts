/**
 * What objects blocks alone tell of: contents with the names that their first blocks carry. Pure. What was written to one key is put
 * together in the order in which it was written, as the writes of that time did: whole ones replace, appended ones go on, parts of an
 * upload become one object. Blocks do not tell whether an upload was completed: it takes no place that something else has, nor any when a
 * part is missing in the middle.
 */
import type { About } from './about.ts';
import type { Segment } from './content.ts';
import type { ObjectFields } from './model.ts';

/** A content of which all blocks are there. */
export interface FoundContent {
  readonly fid: string;
  readonly size: number;
  readonly createdAt: number;
  readonly about: About;
}

export interface FoundObject {
  readonly segments: readonly Segment[];
  readonly size: number;
  /** When its last piece was written. */
  readonly writtenAt: number;
  readonly fields: ObjectFields;
  readonly isOfParts: boolean;
}

/** Of one key. */
export interface FoundAtKey {
  /** The newest state that the contents make; undefined when none of them can begin it. */
  readonly object: FoundObject | undefined;
  /** What uploads have of it that are not it. */
  readonly aside: readonly { readonly upload: string; readonly object: FoundObject }[];
}

export function objectOfContents(contents: readonly FoundContent[]): FoundAtKey {
  const uploads = Map.groupBy(contents, ({ about }) => about.upload);
  const whole = uploads.get(undefined) ?? [];
  uploads.delete(undefined);
  const aside: FoundAtKey['aside'][number][] = [];
  const steps = [
    ...whole.map((content) => ({ at: content.createdAt, apply: after(content) })),
    ...[...uploads].map(([upload = '', parts]) => {
      const made = ofParts(parts);
      const apply: Step = (before) => {
        if (before === undefined && made.segments.every(({ part }, at) => part === at + 1))
          return made;
        aside.push({ upload, object: made });
        return before;
      };
      return { at: made.writtenAt, apply };
    }),
  ];
  let state: FoundObject | undefined;
  for (const { apply } of steps.toSorted((one, other) => one.at - other.at)) state = apply(state);
  return { object: state, aside };
}

type Step = (before: FoundObject | undefined) => FoundObject | undefined;

function after({ fid, size, createdAt, about }: FoundContent): Step {
  const own: Segment = { part: 1, source: fid, start: 0, length: size };
  return (before) => {
    const at = about.at ?? 0;
    // What it was appended to is not there: it alone is not the object.
    if (at > (before?.size ?? 0)) return before;
    return {
      segments: [...cut(before?.segments ?? [], at), own],
      size: at + size,
      writtenAt: createdAt,
      fields: about.fields ?? {},
      isOfParts: false,
    };
  };
}

/** The newest of each number. */
function ofParts(parts: readonly FoundContent[]): FoundObject {
  const newest = new Map<number, FoundContent>();
  for (const part of parts.toSorted((one, other) => one.createdAt - other.createdAt))
    newest.set(part.about.part ?? 1, part);
  const chosen = [...newest].toSorted(([one], [other]) => one - other);
  const segments = chosen.map(([part, { fid, size }]) => {
    return { part, source: fid, start: 0, length: size };
  });
  return {
    segments,
    size: segments.reduce((sum, { length }) => sum + length, 0),
    writtenAt: Math.max(...parts.map(({ createdAt }) => createdAt)),
    fields: chosen[0]?.[1].about.fields ?? {},
    isOfParts: true,
  };
}

/** The first bytes of it. */
function cut(segments: readonly Segment[], bytes: number): readonly Segment[] {
  const kept: Segment[] = [];
  let left = bytes;
  for (const segment of segments) {
    if (left <= 0) break;
    kept.push({ ...segment, length: Math.min(left, segment.length) });
    left -= segment.length;
  }
  return kept;
}
