/**
 * A tiny model that says what a test wants to hear: prompts, tokens and limits are its own, the text comes
 * from a script, a few characters at a time.
 */
import type { LanguageModel } from "../../src/core.ts";

/** Characters of a piece; marks of calls are longer, so that each is cut. */
const PIECE = 5;

/** @param template the source of its chat template: what it is told to understand */
export function scriptedModel(model: LanguageModel, text: string, template: string): LanguageModel {
  const pieces = text.match(new RegExp(`[^]{1,${PIECE}}`, "g")) ?? [];
  const generation = (promptIds: readonly number[]) => ({
    logprobs: undefined,
    *[Symbol.iterator]() {
      yield* pieces;
    },
    result: Promise.resolve({
      text,
      tokens: model.tokenizer.encode(text, { addSpecialTokens: false }),
      promptTokens: promptIds.length,
      prefill: { tokens: promptIds.length, ms: 1, tokensPerSecond: 1 },
      decode: { tokens: pieces.length, ms: 1, tokensPerSecond: 1 },
      drafts: { drafted: 0, accepted: 0 },
      stop: "eos",
      seed: 0,
    }),
  });
  const sequence = { tokens: [], generate: generation, [Symbol.dispose]() {} };
  const changes: Record<PropertyKey, unknown> = {
    chatTemplate: template,
    createSequence: () => sequence,
    // The template of the tiny model shows no functions.
    promptIds: (prompt: Parameters<LanguageModel["promptIds"]>[0]) => model.promptIds(prompt),
  };
  return new Proxy(model, {
    get: (target, key) => {
      if (key in changes) return changes[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
