/**
 * The four places in a transformer block where linear layers take their input, and what hangs on each.
 *
 * FPTQ decides per *input*, not per linear: q, k and v read the same activation and must share its scale, as must gate and up.
 */
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { LINEAR_INPUTS, type LinearInput } from "../checkpoint/tensor-names.ts";

export { LINEAR_INPUTS, type LinearInput };

/** The linear layers that read each input: module names inside `model.layers.N`. */
export const LINEARS_OF: Readonly<Record<LinearInput, readonly string[]>> = {
  qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  o: ["self_attn.o_proj"],
  gate_up: ["mlp.gate_proj", "mlp.up_proj"],
  down: ["mlp.down_proj"],
};

/** The norm whose output an input is, where there is one: its weight can absorb equalization factors. */
export const PRECEDING_NORM: Readonly<Partial<Record<LinearInput, string>>> = {
  qkv: "input_layernorm",
  gate_up: "post_attention_layernorm",
};

/** `model.layers.3.gate_up`: how reports, figures and policy overrides call an input. */
export function linearInputName(layer: number, input: LinearInput): string {
  return `model.layers.${layer}.${input}`;
}

/** K of the linears that read this input. */
export function inFeatures(config: ModelConfig, input: LinearInput): number {
  if (input === "o") return config.heads * config.headDim;
  return input === "down" ? config.ffnSize : config.hiddenSize;
}
