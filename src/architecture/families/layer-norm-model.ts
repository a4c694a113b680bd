/**
 * What GPT-2, Phi, GPT-NeoX and BLOOM have in common, and the checks their configurations share: LayerNorm,
 * an MLP without a gate, a bias in every linear layer of a block, as many key-value heads as heads, all
 * tokens seen.
 */
import { UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields } from "../../json-object.ts";
import { type Architecture, MAX, type ModelConfig, USUAL } from "../model-config.ts";

/** Reads what counts and sizes are called: the first of the keys that has a value. */
export function parseSizes(
  fields: JsonFields,
  keys: Readonly<Record<"hidden" | "layers" | "heads", readonly [string, ...string[]]>>,
): Pick<ModelConfig, "vocabSize" | "hiddenSize" | "layers" | "heads"> {
  const key = (names: readonly [string, ...string[]]) => names.find((name) => fields.raw(name) !== undefined) ?? names[0];
  return {
    vocabSize: fields.positiveInteger("vocab_size", MAX.vocab),
    hiddenSize: fields.positiveInteger(key(keys.hidden), MAX.hidden),
    layers: fields.positiveInteger(key(keys.layers), MAX.layers),
    heads: fields.positiveInteger(key(keys.heads), MAX.heads),
  };
}

/** Configuration of such a model without RoPE; a family changes what differs. */
export function layerNormModel(
  architecture: Architecture,
  sizes: ReturnType<typeof parseSizes>,
  rest: Pick<ModelConfig, "ffnSize" | "rmsNormEps" | "positions" | "contextLength" | "tiedEmbedding" | "activation">,
): ModelConfig {
  return {
    ...USUAL,
    architecture,
    ...sizes,
    kvHeads: sizes.heads,
    headDim: sizes.hiddenSize / sizes.heads,
    norm: "layer",
    rotaryDim: 0,
    ropeTheta: 10_000, // not used, but a config has a value for it
    ropeScaling: { kind: "none" },
    attentionWindows: Array.from({ length: sizes.layers }, () => 0),
    attentionBias: "qkvo",
    mlpBias: true,
    headBias: false,
    gatedMlp: false,
    parallelResidual: false,
    qkNorm: "none",
    ...rest,
  };
}

/**
 * Refuses variants whose arithmetic is not run.
 *
 * @param supported key -> the value that is run, also what a missing key means
 * @throws UnsupportedModelError if a key has another value
 */
export function refuseVariants(fields: JsonFields, supported: Readonly<Record<string, boolean | number>>): void {
  for (const [key, value] of Object.entries(supported)) {
    const found = fields.raw(key) ?? value;
    if (found === value) continue;
    throw new UnsupportedModelError(`${fields.where}: ${key}: got ${describe(found)}, supported: ${value}`);
  }
}
