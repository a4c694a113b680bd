/**
 * A `config.json` for a model that did not come with one (a GGUF): every key transformers needs, RoPE in the spelling that its
 * versions 4 and 5 both read (`rope_theta`, `rope_scaling`).
 */
import type { JsonObject } from "../json-object.ts";
import type { Architecture, ModelConfig, RopeScaling } from "./model-config.ts";

export interface ModelConfigExtras {
  readonly bosTokenId?: number | undefined;
  readonly eosTokenIds?: readonly number[] | undefined;
  /** Type of the float tensors; transformers loads the model in it. */
  readonly dtype?: "float32" | "float16" | "bfloat16" | undefined;
}

const CLASS_NAMES: Readonly<Record<Architecture, string>> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

/** `parseModelConfig` of the result gives `config` again. */
export function writeModelConfig(
  config: ModelConfig,
  { bosTokenId, eosTokenIds, dtype = "float32" }: ModelConfigExtras = {},
): JsonObject {
  return {
    architectures: [CLASS_NAMES[config.architecture]],
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.ffnSize,
    hidden_act: "silu",
    rms_norm_eps: config.rmsNormEps,
    max_position_embeddings: config.contextLength,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeScalingJson(config.ropeScaling, config.contextLength),
    tie_word_embeddings: config.tiedEmbedding,
    ...biasJson(config),
    ...windowJson(config),
    bos_token_id: bosTokenId ?? null,
    eos_token_id:
      eosTokenIds === undefined || eosTokenIds.length === 0 ? null : eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds,
    torch_dtype: dtype,
    use_cache: true,
  };
}

function biasJson({ architecture, attentionBias, mlpBias }: ModelConfig): JsonObject {
  if (architecture === "llama") return { attention_bias: attentionBias === "qkvo", mlp_bias: mlpBias };
  if (architecture === "qwen3") return { attention_bias: attentionBias === "qkvo" };
  return {};
}

function windowJson({ architecture, attentionWindows, layers }: ModelConfig): JsonObject {
  if (architecture === "llama") return {};
  const window = attentionWindows.find((size) => size > 0);
  if (architecture === "mistral") return { sliding_window: window ?? null };
  return {
    use_sliding_window: window !== undefined,
    sliding_window: window ?? null,
    max_window_layers: layers,
    layer_types: attentionWindows.map((size) => (size > 0 ? "sliding_attention" : "full_attention")),
  };
}

function ropeScalingJson(scaling: RopeScaling, contextLength: number): JsonObject | null {
  switch (scaling.kind) {
    case "none":
      return null;
    case "linear":
      return { rope_type: "linear", factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalContextLength,
      };
    case "factors":
      // The one type of transformers that takes a list: with equal lists and no attention factor it divides and does nothing else.
      return {
        rope_type: "longrope",
        short_factor: scaling.factors,
        long_factor: scaling.factors,
        attention_factor: 1,
        factor: 1,
        original_max_position_embeddings: contextLength,
      };
  }
}
