/**
 * Tensor names: what a GGUF calls them (ggml `docs/gguf.md`, "Standardized tensor names") to what Hugging Face does.
 */

const MODEL_TENSORS: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

const LAYER_TENSORS: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  attn_output: "self_attn.o_proj",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const LAYER_NAME = /^blk\.(0|[1-9][0-9]{0,5})\.([a-z_]+)\.(weight|bias)$/;
const MODEL_NAME = /^([a-z_]+)\.(weight|bias)$/;

/** Hugging Face name of a GGUF tensor; undefined if no LLaMA-family model has such a tensor. */
export function huggingFaceName(ggufName: string): string | undefined {
  const [, layer, inLayer, kind] = LAYER_NAME.exec(ggufName) ?? [];
  if (inLayer !== undefined) {
    return Object.hasOwn(LAYER_TENSORS, inLayer) ? `model.layers.${layer}.${LAYER_TENSORS[inLayer]}.${kind}` : undefined;
  }
  const [, module, moduleKind] = MODEL_NAME.exec(ggufName) ?? [];
  return module !== undefined && Object.hasOwn(MODEL_TENSORS, module) ? `${MODEL_TENSORS[module]}.${moduleKind}` : undefined;
}
