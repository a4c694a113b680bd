/**
 * The one table from a role in the model to the name and shape of its tensor in a Hugging Face checkpoint.
 *
 * A transformer block has four places where linear layers take their input; the modules at one place read the same activations and
 * are fused, in the order given here: q,k,v and gate,up.
 */
import type { ModelConfig } from "./model-config.ts";

export type LinearInput = "qkv" | "o" | "gate_up" | "down";
/** In the order data flows through a block. */
export const LINEAR_INPUTS: readonly LinearInput[] = ["qkv", "o", "gate_up", "down"];

/** `[V, E]`, a module name. */
export const EMBEDDING = "model.embed_tokens";
/** `[V, E]`, a module name; absent if the embedding is tied. */
export const HEAD = "lm_head";
/** `[E]`, a tensor name. */
export const FINAL_NORM = "model.norm.weight";

/** A linear layer `y[M, N] = x[M, K] * W[N, K]^T (+ bias[N])`. Its tensors are `${name}.weight`, `${name}.bias`, ... */
export interface LinearModule {
  /** For instance `model.layers.0.self_attn.q_proj`. */
  readonly name: string;
  readonly layer: number;
  readonly input: LinearInput;
  readonly outFeatures: number; // N
  readonly inFeatures: number; // K
  readonly bias: boolean;
}

/** Tensor names of the norms of one block. */
export interface LayerNorms {
  /** `[E]`, before attention. */
  readonly attention: string;
  /** `[E]`, before the MLP. */
  readonly mlp: string;
  /** `[D]`, over each head of q and k; undefined without q/k norms. */
  readonly q: string | undefined;
  readonly k: string | undefined;
}

/** Where `k_scale` and `v_scale` of a layer's cache live: `${attentionModule(layer)}.k_scale`. */
export function attentionModule(layer: number): string {
  return `model.layers.${layer}.self_attn`;
}

/** The linear modules that read one input of one block, in fused order. */
export function linearModules(config: ModelConfig, layer: number, input: LinearInput): readonly LinearModule[] {
  const { hiddenSize: E, ffnSize: F, heads, kvHeads, headDim } = config;
  const attention = attentionModule(layer);
  const mlp = `model.layers.${layer}.mlp`;
  const linear = (name: string, outFeatures: number, inFeatures: number, bias: boolean): LinearModule => ({
    name,
    layer,
    input,
    outFeatures,
    inFeatures,
    bias, // prettier-ignore
  });
  const qkvBias = config.attentionBias !== "none";
  switch (input) {
    case "qkv":
      return [
        linear(`${attention}.q_proj`, heads * headDim, E, qkvBias),
        linear(`${attention}.k_proj`, kvHeads * headDim, E, qkvBias),
        linear(`${attention}.v_proj`, kvHeads * headDim, E, qkvBias),
      ];
    case "o":
      return [linear(`${attention}.o_proj`, E, heads * headDim, config.attentionBias === "qkvo")];
    case "gate_up":
      return [linear(`${mlp}.gate_proj`, F, E, config.mlpBias), linear(`${mlp}.up_proj`, F, E, config.mlpBias)];
    case "down":
      return [linear(`${mlp}.down_proj`, E, F, config.mlpBias)];
  }
}

/** Every linear module of every block, in the order data flows. The embedding and the head are not among them. */
export function allLinearModules(config: ModelConfig): readonly LinearModule[] {
  return Array.from({ length: config.layers }, (_, layer) =>
    LINEAR_INPUTS.flatMap((input) => linearModules(config, layer, input)),
  ).flat();
}

export function layerNorms(config: ModelConfig, layer: number): LayerNorms {
  const block = `model.layers.${layer}`;
  return {
    attention: `${block}.input_layernorm.weight`,
    mlp: `${block}.post_attention_layernorm.weight`,
    q: config.qkNorm ? `${attentionModule(layer)}.q_norm.weight` : undefined,
    k: config.qkNorm ? `${attentionModule(layer)}.k_norm.weight` : undefined,
  };
}
