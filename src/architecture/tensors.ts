/**
 * The tensors of a checkpoint, one list for all who need it: names and shapes that a file must have, and the
 * order in which one is written.
 *
 * A quantized linear module has, for weights [N, K] of b bits in groups of G
 * (`compressors/pack_quantized/base.py` of compressed-tensors; 4-bit floats too):
 *   weight_packed I32 [N, ceil(K * b / 32)]   weight_scale float [N, K / G]   weight_shape I64 [2]
 *                                             input_scale float [1], static only
 * and in two levels, of superblocks of B (`checkpoint/quantization/two-level.ts`):
 *   weight_packed, weight_shape as above        weight_multiplier float [N, K / B, 2]
 *   weight_scale U8 [N, K / G]                  weight_minimum U8 [N, K / G]
 */
import type { Block, Description, LinearInput, LinearModule, Norm } from "./description.ts";

/** How a module is stored, as far as shapes depend on it. */
export interface ModuleStorage {
  readonly bits: number;
  readonly groupSize: number | "channel";
  /** The part of a row with multipliers of its own, of weights in two levels. */
  readonly superblock?: number | undefined;
  /** Whether its input has one scale, stored beside it. */
  readonly inputScale: boolean;
}

export interface StorageOptions {
  /** undefined for a module stored as floats */
  readonly storage: (module: LinearModule) => ModuleStorage | undefined;
  /** Whether the input of a module that counts as floats has a scale, stored beside it; by default not. */
  readonly inputScale?: (module: LinearModule) => boolean;
  /** Rank of the low-rank term beside a module of a block; 0 for none. */
  readonly rank: (module: LinearModule) => number;
  /** Whether the scales of an int8 cache are stored. */
  readonly kvCache: boolean;
}

export interface ModelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role:
    | "weight" | "packed" | "scale" | "whole_scale" | "whole_minimum" | "multiplier" | "shape" | "input_scale" | "low_rank"
    | "bias" | "norm" | "positions" | "convolution" | "cache_scale"; // prettier-ignore
}

/** Lists every tensor of a model, in the order data flows. */
export function tensorsOf(description: Description, options: StorageOptions): ModelTensor[] {
  const { config, embedding, positions, projectIn, embeddingNorm, blocks, finalNorm, projectOut, head } = description;
  const { hiddenSize: E } = config;
  return [
    ...moduleTensors(embedding, options),
    ...(positions === undefined ? [] : [tensor("positions", positions, config.positionOffset + config.contextLength, E)]),
    ...(projectIn ? moduleTensors(projectIn, options) : []),
    ...(embeddingNorm ? normTensors(embeddingNorm, E) : []),
    ...blocks.flatMap((block) => blockTensors(block, E, options)),
    ...(finalNorm ? normTensors(finalNorm, E) : []),
    ...(projectOut ? moduleTensors(projectOut, options) : []),
    ...(head === undefined || head === embedding ? [] : moduleTensors(head, options)),
  ];
}

function blockTensors(block: Block, E: number, options: StorageOptions): ModelTensor[] {
  const { inputs, queryNorm, keyNorm, convolution, attention } = block;
  const headNorms = [queryNorm, keyNorm].filter((found) => found !== undefined);
  const scales = options.kvCache && !convolution ? ["k_scale", "v_scale"] : [];
  return [
    ...inputs.flatMap((input) => inputTensors(input, options)),
    ...(convolution ? [tensor("convolution", convolution.weight, E, 1, convolution.length)] : []),
    ...(convolution?.bias === undefined ? [] : [tensor("convolution", convolution.bias, E)]),
    ...headNorms.flatMap(({ weights }) => weights.map(({ tensor: name, shape }) => tensor("norm", name, ...shape))),
    ...scales.map((scale) => tensor("cache_scale", `${attention}.${scale}`, 1)),
  ];
}

function inputTensors({ from, width, modules, outputNorm, streamNorm }: LinearInput, options: StorageOptions): ModelTensor[] {
  const tensors = typeof from === "string" ? [] : normTensors(from, width);
  for (const module of modules) {
    const { name, outFeatures: N, inFeatures: K } = module;
    const R = options.rank(module);
    const { a, b } = lowRankTensors(name);
    const lowRank = R > 0 ? [tensor("low_rank", a, R, K), tensor("low_rank", b, N, R)] : [];
    const [stored, bias] = [moduleTensors({ ...module, bias: false }, options), biasTensors(module)];
    tensors.push(...stored, ...lowRank, ...bias);
  }
  for (const norm of [outputNorm, streamNorm]) if (norm) tensors.push(...normTensors(norm, modules[0]!.outFeatures));
  return tensors;
}

function moduleTensors(module: LinearModule, { storage, inputScale }: StorageOptions): ModelTensor[] {
  const { name, outFeatures: N, inFeatures: K } = module;
  const stored = storage(module);
  if (!stored) {
    const scale = inputScale?.(module) ? [tensor("input_scale", `${name}.input_scale`, 1)] : [];
    return [tensor("weight", `${name}.weight`, N, K), ...scale, ...biasTensors(module)];
  }
  const G = stored.groupSize === "channel" ? K : stored.groupSize;
  const B = stored.superblock;
  const scales =
    B === undefined
      ? [tensor("scale", `${name}.weight_scale`, N, K / G)]
      : [
          tensor("whole_scale", `${name}.weight_scale`, N, K / G),
          tensor("whole_minimum", `${name}.weight_minimum`, N, K / G),
          tensor("multiplier", `${name}.weight_multiplier`, N, K / B, 2),
        ];
  return [
    tensor("packed", `${name}.weight_packed`, N, Math.ceil((K * stored.bits) / 32)),
    ...scales,
    tensor("shape", `${name}.weight_shape`, 2),
    ...(stored.inputScale ? [tensor("input_scale", `${name}.input_scale`, 1)] : []),
    ...biasTensors(module),
  ];
}

function biasTensors({ name, outFeatures, bias }: LinearModule): ModelTensor[] {
  return bias ? [tensor("bias", `${name}.bias`, outFeatures)] : [];
}

function normTensors({ weight, bias }: Norm, width: number): ModelTensor[] {
  return [weight, bias].filter((name) => name !== undefined).map((name) => tensor("norm", name, width));
}

function tensor(role: ModelTensor["role"], name: string, ...shape: number[]): ModelTensor {
  return { name, shape, role };
}

/** Names of a module's low-rank term, stored as PEFT stores LoRA adapters. */
export function lowRankTensors(module: string): { readonly a: string; readonly b: string } {
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}
