/**
 * The tensors a checkpoint must have, by its configuration and its quantization scheme, checked before any
 * of them is read.
 *
 * A quantized linear module has, for weights [N, K] of b bits in groups of G
 * (`compressors/pack_quantized/base.py` of compressed-tensors; 4-bit floats too):
 *   weight_packed  I32 [N, ceil(K * b / 32)]
 *   weight_scale   float [N, K / G]
 *   weight_shape   I64 [2]
 *   input_scale    float [1], static only
 *
 * A module of a block may have a low-rank term beside its weights (`low-rank.ts`).
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import type { TensorInfo, TensorType } from "./checkpoint.ts";
import { lowRank, lowRankTensors } from "./quantization/low-rank.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { WEIGHT_BITS } from "./quantization/pack-quantized.ts";
import type { QuantizationScheme } from "./quantization/quantization-config.ts";
import { allLinearModules, attentionModule, EMBEDDING, FINAL_NORM, HEAD, layerNorms } from "../architecture/tensor-names.ts";

export interface ExpectedTensor {
  readonly shape: readonly number[];
  /** "float": any type that `readF32` takes. */
  readonly type: "float" | "I32" | "I64";
}

/**
 * By Hugging Face name, in the order data flows.
 *
 * @throws CheckpointError if a group size does not divide the in_features of a module
 */
export function expectedTensors(
  config: ModelConfig,
  quantization: QuantizationScheme | undefined,
  where: string,
): ReadonlyMap<string, ExpectedTensor> {
  const { vocabSize: V, hiddenSize: E, headDim: D } = config;
  const expected = new Map<string, ExpectedTensor>();
  const addFloat = (name: string, ...shape: number[]) => expected.set(name, { shape, type: "float" });
  const addLinear = (name: string, N: number, K: number) => {
    const scheme = quantization?.linear(name);
    if (!scheme) return addFloat(`${name}.weight`, N, K);
    const G = scheme.groupSize === "channel" ? K : scheme.groupSize;
    if (K % G !== 0) throw new CheckpointError(`${where}: ${name}: got group size ${G}, need a divisor of its ${K} in_features`);
    expected.set(`${name}.weight_packed`, { shape: [N, Math.ceil((K * WEIGHT_BITS[scheme.weights]) / 32)], type: "I32" });
    addFloat(`${name}.weight_scale`, N, K / G);
    expected.set(`${name}.weight_shape`, { shape: [2], type: "I64" });
    if (scheme.activations.kind === "static") addFloat(`${name}.input_scale`, 1);
    return expected;
  };

  addLinear(EMBEDDING, V, E);
  const modules = allLinearModules(config);
  for (let layer = 0; layer < config.layers; layer++) {
    const norms = layerNorms(config, layer);
    addFloat(norms.attention, E);
    addFloat(norms.mlp, E);
    if (norms.q !== undefined) addFloat(norms.q, D);
    if (norms.k !== undefined) addFloat(norms.k, D);
    if (quantization?.kvCache) for (const name of ["k_scale", "v_scale"]) addFloat(`${attentionModule(layer)}.${name}`, 1);
  }
  for (const { name, outFeatures, inFeatures, bias } of modules) {
    addLinear(name, outFeatures, inFeatures);
    if (bias) addFloat(`${name}.bias`, outFeatures);
  }
  addFloat(FINAL_NORM, E);
  if (!config.tiedEmbedding) addLinear(HEAD, V, E);
  return expected;
}

/**
 * Tensors that some writers leave in a file and that mean nothing: buffers, and the head beside a tied
 * embedding.
 */
const MEANINGLESS = /(^|\.)rotary_emb\.inv_freq$|\.attn\.(masked_)?bias$/;

/**
 * Checks that every expected tensor is there with its shape and type, and that nothing is left that would
 * change the result.
 *
 * @throws CheckpointError naming the first tensor that is missing, has another shape, or does not belong to
 *   the model; UnsupportedModelError if its element type is not one for its role
 */
export function checkTensors(
  tensors: ReadonlyMap<string, TensorInfo>,
  config: ModelConfig,
  quantization: QuantizationScheme | undefined,
  where: string,
): void {
  const expected = expectedTensors(config, quantization, where);
  for (const [name, { shape, type }] of expected) {
    const found = tensors.get(name);
    if (!found) throw new CheckpointError(`${where}: tensor ${name} [${shape.join(", ")}] is missing`);
    if (!sameShape(found.shape, shape)) {
      throw new CheckpointError(
        `${found.file}: tensor ${name}: got shape [${found.shape.join(", ")}], need [${shape.join(", ")}]`,
      );
    }
    if (type === "float") checkFloat(found);
    else if (found.type !== type) throw wrongType(found, type);
  }
  const added = new Set(
    allLinearModules(config).flatMap((module) =>
      lowRank(tensors, module) > 0 ? Object.values(lowRankTensors(module.name)) : [],
    ),
  );
  for (const name of added) checkFloat(tensors.get(name)!);
  for (const { name, file } of tensors.values()) {
    const tiedHead = config.tiedEmbedding && name.startsWith(`${HEAD}.`);
    if (!expected.has(name) && !added.has(name) && !tiedHead && !MEANINGLESS.test(name)) {
      throw new CheckpointError(
        `${file}: tensor ${name}: got a tensor with no place in this model, need only those it has: ignoring one could change the result`,
      );
    }
  }
}

/** The types `readF32` does not take: integers, and float64, which it could only round. */
const UNREADABLE_TYPES: ReadonlySet<TensorType> = new Set<TensorType>(["F64", "I8", "U8", "I16", "I32", "I64", "BOOL"]);

function checkFloat(tensor: TensorInfo): void {
  if (UNREADABLE_TYPES.has(tensor.type)) throw wrongType(tensor, "a float type");
}

function wrongType({ file, name, type }: TensorInfo, need: string): UnsupportedModelError {
  return new UnsupportedModelError(`${file}: tensor ${name}: got element type ${type}, need ${need}`);
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}
