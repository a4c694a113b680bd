/** What Node computes, for the examples to compute again. */
import { loadModel } from "../../../src/index.ts";

export const CONTEXT = 512;
export const MESSAGES = [{ role: "user", content: "Write one sentence about the sea." }];
export const CHAT_SEED = 7;
export const CHAT_TOKENS = 24;
export const LONG_PROMPT = "Once upon a time, in a village by the sea,";
/** As many as the examples give at most. */
export const LONG_TOKENS = 256;

export interface Reference {
  readonly chat: { readonly text: string; readonly promptTokens: number; readonly tokens: number };
  /** A text that does not end by itself. */
  readonly long: {
    readonly seed: number;
    readonly text: string;
    readonly prompt: readonly number[];
    readonly tokens: readonly number[];
  };
}

export async function computeReference(path: string): Promise<Reference> {
  const model = await loadModel(path, { contextSize: CONTEXT });
  try {
    const chat = await model.generate(MESSAGES, { seed: CHAT_SEED, maxTokens: CHAT_TOKENS }).result;
    const prompt = model.promptIds(LONG_PROMPT);
    for (let seed = 1; ; seed++) {
      const { text, tokens, stop } = await model.generate(prompt, { seed, maxTokens: LONG_TOKENS }).result;
      if (stop !== "length") continue;
      return {
        chat: { text: chat.text, promptTokens: chat.promptTokens, tokens: chat.tokens.length },
        long: { seed, text, prompt, tokens },
      };
    }
  } finally {
    await model.dispose();
  }
}
