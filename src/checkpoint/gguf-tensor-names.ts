/**
 * Tensor names and shapes: what a GGUF calls them (ggml `docs/gguf.md`, "Standardized tensor names"), what Hugging Face does.
 */
import type { ModelConfig } from "./model-config.ts";

/** Hugging Face shape of a tensor in a model of this configuration. */
type Shape = (config: ModelConfig) => readonly number[];

const E: Shape = ({ hiddenSize }) => [hiddenSize];
const F: Shape = ({ ffnSize }) => [ffnSize];
const D: Shape = ({ headDim }) => [headDim];
const queries: Shape = ({ heads, headDim }) => [heads * headDim];
const keys: Shape = ({ kvHeads, headDim }) => [kvHeads * headDim];
const matrix =
  (rows: Shape, columns: Shape): Shape =>
  (config) => [...rows(config), ...columns(config)];
const VxE: Shape = ({ vocabSize, hiddenSize }) => [vocabSize, hiddenSize];

const MODEL_TENSORS: Readonly<Record<string, readonly [name: string, shape: Shape]>> = {
  "token_embd.weight": ["model.embed_tokens.weight", VxE],
  "output_norm.weight": ["model.norm.weight", E],
  "output.weight": ["lm_head.weight", VxE],
};

const LAYER_TENSORS: Readonly<Record<string, readonly [name: string, shape: Shape]>> = {
  "attn_norm.weight": ["input_layernorm.weight", E],
  "attn_q.weight": ["self_attn.q_proj.weight", matrix(queries, E)],
  "attn_q.bias": ["self_attn.q_proj.bias", queries],
  "attn_k.weight": ["self_attn.k_proj.weight", matrix(keys, E)],
  "attn_k.bias": ["self_attn.k_proj.bias", keys],
  "attn_v.weight": ["self_attn.v_proj.weight", matrix(keys, E)],
  "attn_v.bias": ["self_attn.v_proj.bias", keys],
  "attn_q_norm.weight": ["self_attn.q_norm.weight", D],
  "attn_k_norm.weight": ["self_attn.k_norm.weight", D],
  "attn_output.weight": ["self_attn.o_proj.weight", matrix(E, queries)],
  "attn_output.bias": ["self_attn.o_proj.bias", E],
  "ffn_norm.weight": ["post_attention_layernorm.weight", E],
  "ffn_gate.weight": ["mlp.gate_proj.weight", matrix(F, E)],
  "ffn_gate.bias": ["mlp.gate_proj.bias", F],
  "ffn_up.weight": ["mlp.up_proj.weight", matrix(F, E)],
  "ffn_up.bias": ["mlp.up_proj.bias", F],
  "ffn_down.weight": ["mlp.down_proj.weight", matrix(E, F)],
  "ffn_down.bias": ["mlp.down_proj.bias", E],
};

const LAYER_NAME = /^blk\.(0|[1-9][0-9]{0,5})\.(.+)$/;

/** Hugging Face name of a GGUF tensor; undefined if a LLaMA-family model has no such tensor. */
export function huggingFaceName(ggufName: string): string | undefined {
  const [, layer, part] = LAYER_NAME.exec(ggufName) ?? [];
  if (layer === undefined || part === undefined)
    return Object.hasOwn(MODEL_TENSORS, ggufName) ? MODEL_TENSORS[ggufName]![0] : undefined;
  return Object.hasOwn(LAYER_TENSORS, part) ? `model.layers.${layer}.${LAYER_TENSORS[part]![0]}` : undefined;
}

/** Every tensor a model of this configuration has, by GGUF name, with its Hugging Face shape. One layer at a time, in order. */
export function* expectedTensors(config: ModelConfig): Generator<readonly [ggufName: string, shape: readonly number[]]> {
  for (const [name, [, shape]] of Object.entries(MODEL_TENSORS)) {
    if (name !== "output.weight" || !config.tiedEmbedding) yield [name, shape(config)];
  }
  for (let layer = 0; layer < config.layers; layer++) {
    for (const [part, [, shape]] of Object.entries(LAYER_TENSORS)) {
      if (isPresent(part, config)) yield [`blk.${layer}.${part}`, shape(config)];
    }
  }
}

function isPresent(part: string, { attentionBias, mlpBias, qkNorm }: ModelConfig): boolean {
  if (part === "attn_q_norm.weight" || part === "attn_k_norm.weight") return qkNorm;
  if (!part.endsWith(".bias")) return true;
  if (part.startsWith("ffn_")) return mlpBias;
  return part === "attn_output.bias" ? attentionBias === "qkvo" : attentionBias !== "none";
}
