/** A language model that says what it is told to, and remembers what it was asked. */
import type { GenerateOptions, GenerationResult } from "../../src/decoding/generation-options.ts";
import type { LoadedModel } from "../../src/cli/library-contract.ts";
import { Generation } from "../../src/decoding/generation.ts";
import type { Prompt } from "../../src/decoding/prompt.ts";
import { AbortError } from "../../src/errors.ts";

export const RESULT: GenerationResult = {
  text: "Paris. It",
  tokens: [7, 8, 9],
  promptTokens: 5,
  prefill: { tokens: 5, ms: 20, tokensPerSecond: 250 },
  decode: { tokens: 2, ms: 25, tokensPerSecond: 80 },
  usage: { promptTokens: 5, cachedTokens: 0, completionTokens: 3, totalTokens: 8 },
  drafts: { drafted: 0, accepted: 0 },
  stop: "length",
  seed: 42,
};

export class FakeModel implements LoadedModel {
  readonly prompts: Prompt[] = [];
  readonly options: GenerateOptions[] = [];
  disposed = 0;
  recommendedSampling: LoadedModel["recommendedSampling"] = {};
  readonly forwardPass = {
    threads: 3,
    build: "simd128",
    kernelBuild: "simd128-threads",
    kvCache: { k: "q8", v: "f32" },
  } as const;
  pieces = ["Paris", ". It"];
  result = RESULT;
  /** Called before each piece. */
  beforePiece: (index: number) => void = () => {};

  generate(prompt: Prompt, options: GenerateOptions = {}) {
    this.prompts.push(prompt);
    this.options.push(options);
    const { pieces, beforePiece, result } = this;
    async function* iterate() {
      for (const [i, piece] of pieces.entries()) {
        beforePiece(i);
        if (options.signal?.aborted) throw new AbortError("generate: aborted");
        yield piece;
      }
      return result;
    }
    return new Generation(
      iterate(),
      () => result,
      () => {},
    );
  }

  readonly texts: unknown[] = [];

  embed(...texts: Parameters<LoadedModel["embed"]>) {
    this.texts.push(texts);
    return Promise.resolve(texts[0].map((_, i) => Float32Array.of(i, 0.5, -2)));
  }

  rerank(...texts: Parameters<LoadedModel["rerank"]>) {
    this.texts.push(texts);
    return Promise.resolve(texts[1].map((document) => document.length / 10));
  }

  memory = () => ({ weights: 1 << 20, kvCache: 1 << 19, scratch: 1 << 18, js: 1 << 17, total: 1_966_080 });

  async [Symbol.asyncDispose]() {
    this.disposed++;
  }
}
