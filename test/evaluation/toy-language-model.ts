/** A language model for evaluations: a token is a character code below 128, the logits are the test's. */
import type { LanguageModel } from "../../src/decoding/language-model.ts";
import { ToyForwardPass, type ToyModel } from "../decoding/toy-model.ts";

export const VOCABULARY = 128;

export function toyLanguageModel(logits: ToyModel["logits"], options: Partial<ToyModel> & { bos?: number } = {}) {
  const pass = new ToyForwardPass({ vocabSize: VOCABULARY, contextSize: 256, logits, ...options });
  const tokenizer = {
    vocabSize: VOCABULARY,
    addedBosTokenId: options.bos,
    encode: (text: string) => Array.from(text, (character) => character.codePointAt(0)! % VOCABULARY),
    idToToken: (id: number) => (id < VOCABULARY ? String.fromCodePoint(id) : undefined),
  };
  return { pass, model: { tokenizer, forwardPass: pass } as unknown as LanguageModel };
}

/** Logits that depend on every id so far, so that a wrong context gives a wrong score. */
export function logitsAfter(ids: readonly number[], salt = 0): number[] {
  let hash = 0x811c9dc5 ^ salt;
  for (const [i, id] of ids.entries()) hash = Math.imul(hash ^ (id + 1 + i), 0x01000193);
  return Array.from({ length: VOCABULARY }, (_, id) => {
    hash = Math.imul(hash ^ id, 0x01000193);
    return ((hash >>> 8) & 255) / 32;
  });
}
