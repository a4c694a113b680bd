/** A configuration small enough to reason about. */
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";

export const tinyConfig: ModelConfig = {
  architecture: "llama",
  vocabSize: 320,
  hiddenSize: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffnSize: 192,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { kind: "none" },
  contextLength: 256,
  attentionWindows: [0, 0, 0],
  tiedEmbedding: true,
  attentionBias: "none",
  mlpBias: false,
  qkNorm: false,
};
