/** Prompts of an exact number of tokens, for engines that take ids and for engines that take text. */
import type { Prompt } from "./session.ts";

interface Encoder {
  encode(text: string): readonly number[];
}

/** A word that is one token wherever it stands, for the last places. */
const FILLER = " the";

/** @throws Error if the text is too short, or its tokens cannot be filled up to the number asked for */
export function promptOf(tokenizer: Encoder, text: string, tokens: number): Prompt {
  const words = text.slice(0, 8 * tokens + 1000).split(/(?= )/);
  const count = (n: number) => tokenizer.encode(words.slice(0, n).join("")).length;
  let [fits, exceeds] = [0, words.length];
  if (count(exceeds) < tokens) throw new Error(`the text has less than ${tokens} tokens`);
  while (exceeds - fits > 1) {
    const middle = (fits + exceeds) >> 1;
    if (count(middle) <= tokens) fits = middle;
    else exceeds = middle;
  }
  const filled = words.slice(0, fits).join("") + FILLER.repeat(tokens - count(fits));
  const ids = tokenizer.encode(filled);
  if (ids.length !== tokens) throw new Error(`a prompt of ${tokens} tokens became ${ids.length}`);
  return { ids, text: filled };
}
