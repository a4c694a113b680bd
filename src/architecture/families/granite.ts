/** Granite 3 without experts: LLaMA with numbers that multiply embedding, scores, branches and logits. */
import type { Family } from "../family.ts";
import { LLAMA_NAMES, LLAMA_TRAITS, parseLlamaConfig, writeLlamaConfig } from "./llama.ts";
import type { ModelConfig } from "../model-config.ts";

export const granite: Family = {
  architecture: "granite",
  className: "GraniteForCausalLM",
  names: LLAMA_NAMES,
  gguf: {
    architecture: "granite",
    interleavedHeads: true,
    biases: { attention: ["none", "qkvo"], mlp: [false, true], head: false },
    traits: LLAMA_TRAITS,
    ownKeys: ["attention.scale", "embedding_scale", "residual_scale", "logit_scale"],
    own: ({ headDim }, number) =>
      multipliers({
        attention: number("attention.scale") ?? 1 / Math.sqrt(headDim), // llama.cpp's own default
        embedding: number("embedding_scale"),
        residual: number("residual_scale"),
        logitDivisor: number("logit_scale"),
      }),
    writeOwn: ({ scoreDivisor, embeddingScale, residualScale, logitScale }) => ({
      "attention.scale": 1 / scoreDivisor!,
      embedding_scale: embeddingScale,
      residual_scale: residualScale,
      logit_scale: reciprocal(logitScale),
    }),
  },
  parseConfig: (fields) => ({
    ...parseLlamaConfig(fields, { architecture: "granite", contextLength: 2048 }),
    ...multipliers({
      attention: fields.positiveNumber("attention_multiplier", 1),
      embedding: fields.positiveNumber("embedding_multiplier", 1),
      residual: fields.positiveNumber("residual_multiplier", 1),
      logitDivisor: fields.positiveNumber("logits_scaling", 1),
    }),
    attentionBias: fields.boolean("attention_bias", false) ? "qkvo" : "none",
    mlpBias: fields.boolean("mlp_bias", false),
  }),
  writeConfig: (config) => ({
    ...writeLlamaConfig(config),
    attention_multiplier: reciprocal(config.scoreDivisor!),
    embedding_multiplier: config.embeddingScale,
    residual_multiplier: config.residualScale,
    logits_scaling: reciprocal(config.logitScale),
    attention_bias: config.attentionBias === "qkvo",
    mlp_bias: config.mlpBias,
  }),
};

interface Multipliers {
  readonly attention: number;
  readonly embedding: number | undefined;
  readonly residual: number | undefined;
  readonly logitDivisor: number | undefined;
}

function multipliers({ attention, embedding = 1, residual = 1, logitDivisor = 1 }: Multipliers) {
  return {
    scoreDivisor: 1 / attention,
    embeddingScale: embedding,
    residualScale: residual,
    logitScale: 1 / logitDivisor,
  } satisfies Partial<ModelConfig>;
}

/** The shortest number whose reciprocal this is. */
function reciprocal(value: number): number {
  for (let digits = 1; digits <= 17; digits++) {
    const shorter = Number((1 / value).toPrecision(digits));
    if (1 / shorter === value) return shorter;
  }
  return 1 / value;
}
