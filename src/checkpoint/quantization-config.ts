/**
 * `quantization_config` of compressed-tensors, `pack-quantized` (its `src/compressed_tensors/quantization/quant_args.py`),
 * read into a scheme that answers one question: how is this linear module stored?
 */

/** How the input of a linear layer is quantized while the model runs. */
export type ActivationQuantization = { kind: "none" } | { kind: "static" } | { kind: "dynamic" };

export interface LinearScheme {
  readonly numBits: 4 | 8;
  /** Elements of in_features that share a scale; "channel" means all of a row. */
  readonly groupSize: number | "channel";
  readonly activations: ActivationQuantization;
}

export interface QuantizationScheme {
  /** The scheme of a module by its name (`model.layers.0.self_attn.q_proj`); undefined if it is stored as floats. */
  linear(moduleName: string): LinearScheme | undefined;
  /** Whether layers carry `k_scale` and `v_scale`: an int8 cache, static, per tensor. */
  readonly kvCache: boolean;
}
