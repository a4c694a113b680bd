/**
 * Pieces of a text, and how matches of a pattern cut them (Rust's `tokenizers`, `tokenizer/normalizer.rs`).
 */
import { UnsupportedModelError } from "../errors.ts";
import { describe } from "../json-object.ts";
import type { FindMatches } from "./patterns/pattern.ts";

export interface Pieces {
  /** None is empty. */
  readonly texts: readonly string[];
  /** Whether the first of them begins where the text begins that is encoded. */
  readonly isStart: boolean;
}

const BEHAVIORS = ["Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"] as const;

/** What becomes of the matches: pieces of their own, one for neighbours, part of a neighbour, or nothing. */
export type Behavior = (typeof BEHAVIORS)[number];

export function needBehavior(value: unknown, where: string): Behavior {
  const found = BEHAVIORS.find((behavior) => behavior === value);
  if (found !== undefined) return found;
  throw new UnsupportedModelError(`${where}: behavior: got ${describe(value)}, need one of ${BEHAVIORS.join(", ")}`);
}

/** @param inverted whether what lies between the matches counts as match */
export function splitter(find: FindMatches, behavior: Behavior, inverted = false): (pieces: Pieces) => Pieces {
  return (pieces) => cut(pieces, (text) => SPANS[behavior](parts(text, find(text), inverted)));
}

/** @param spans start and end of the pieces of a text, one after the other */
export function cut({ texts, isStart }: Pieces, spans: (text: string) => readonly number[]): Pieces {
  const pieces: string[] = [];
  let firstIsStart = false;
  for (let t = 0; t < texts.length; t++) {
    const text = texts[t]!;
    const found = spans(text);
    for (let i = 0; i < found.length; i += 2) {
      const [start, end] = [found[i]!, found[i + 1]!];
      if (start === end) continue;
      if (pieces.length === 0) firstIsStart = isStart && t === 0 && start === 0;
      pieces.push(start === 0 && end === text.length ? text : text.slice(start, end));
    }
  }
  return { texts: pieces, isStart: firstIsStart };
}

/** A text as matches and what is between them. */
interface Parts {
  /** Start and end, one after the other. */
  readonly spans: number[];
  readonly isMatch: boolean[];
}

function parts(text: string, matches: readonly number[], inverted: boolean): Parts {
  const spans: number[] = [];
  const isMatch: boolean[] = [];
  let done = 0;
  for (let i = 0; i < matches.length; i += 2) {
    const [start, end] = [matches[i]!, matches[i + 1]!];
    if (done !== start) {
      spans.push(done, start);
      isMatch.push(inverted);
    }
    spans.push(start, end);
    isMatch.push(!inverted);
    done = end;
  }
  if (done !== text.length) {
    spans.push(done, text.length);
    isMatch.push(inverted);
  }
  return { spans, isMatch };
}

const SPANS: Readonly<Record<Behavior, (parts: Parts) => number[]>> = {
  Isolated: ({ spans }) => spans,
  Removed: ({ spans, isMatch }) => spans.filter((_, i) => !isMatch[i >> 1]),
  Contiguous: (all) => joined(all, (isMatch, previous) => isMatch === previous),
  MergedWithPrevious: (all) => joined(all, (isMatch, previous) => isMatch && !previous),
  MergedWithNext({ spans, isMatch }) {
    // The same from behind; places are counted down from the end for that.
    const end = spans.at(-1) ?? 0;
    const mirrored = (places: readonly number[]) => places.toReversed().map((place) => end - place);
    return mirrored(joined({ spans: mirrored(spans), isMatch: isMatch.toReversed() }, (is, previous) => is && !previous));
  },
};

/** @param joins whether a part is added to the one before it */
function joined({ spans, isMatch }: Parts, joins: (isMatch: boolean, previous: boolean) => boolean): number[] {
  const found: number[] = [];
  let previous = false;
  for (let i = 0; i < isMatch.length; i++) {
    const [start, end] = [spans[2 * i]!, spans[2 * i + 1]!];
    if (found.length > 0 && joins(isMatch[i]!, previous)) found[found.length - 1] = end;
    else found.push(start, end);
    previous = isMatch[i]!;
  }
  return found;
}
