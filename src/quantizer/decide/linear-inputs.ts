/**
 * What the quantizer needs to know of the four linear inputs of a block (`tensor-names.ts`).
 *
 * FPTQ decides per *input*, not per linear: q, k and v read the same activation and must share its scale, as must gate and up.
 */
import type { ModelConfig } from "../../architecture/model-config.ts";
import { layerNorms, type LinearInput } from "../../architecture/tensor-names.ts";

/** `model.layers.3.gate_up`: how reports, figures and policy overrides call an input. */
export function linearInputName(layer: number, input: LinearInput): string {
  return `model.layers.${layer}.${input}`;
}

/** Whether the input is the output of a norm, whose weight can absorb equalization factors. */
export function followsNorm(input: LinearInput): boolean {
  return input === "qkv" || input === "gate_up";
}

/** The tensor of that norm's weight; undefined for an input that follows none. */
export function precedingNorm(config: ModelConfig, layer: number, input: LinearInput): string | undefined {
  if (!followsNorm(input)) return undefined;
  return layerNorms(config, layer)[input === "qkv" ? "attention" : "mlp"];
}
