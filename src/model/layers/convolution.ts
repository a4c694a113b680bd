/**
 * The short convolution that stands in place of attention in some layers of LFM2
 * (`assembly/attention/short-convolution.ts`). What it needs of earlier tokens lies in a pool of blocks as
 * keys do, a row for each token: so sequences are forked, cut, saved and shared as they are with attention,
 * and no bit depends on how a sequence was divided into passes.
 */
import type { Convolution } from "../../architecture/description.ts";
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { KvPrecision } from "../precision.ts";
import type { WeightLoader } from "../weights/weight-loader.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import { BLOCK_TOKENS, type LayerCache } from "./attention.ts";

/** A convolution in memory. */
export interface LoadedConvolution {
  readonly length: number; // K
  readonly weight: Pointer; // f32[K, E]
  readonly bias: Pointer; // f32[E], or NULL
}

export function planConvolution({ plan, config }: Planner, { weight, bias, length }: Convolution): LoadedConvolution {
  const { hiddenSize: E } = config;
  return {
    length,
    weight: plan.reserve("weights", 4 * length * E, weight),
    bias: bias === undefined ? NULL : plan.reserve("weights", 4 * E, bias),
  };
}

export function loadConvolution(loader: WeightLoader, convolution: Convolution, loaded: LoadedConvolution, E: number): void {
  const { weight, bias, length: K } = convolution;
  // The kernel takes all channels of a token together.
  const transpose = (values: Float32Array) => values.map((_, i) => values[(i % E) * K + Math.floor(i / E)]!);
  loader.floats(weight, loaded.weight, [E, 1, K], transpose);
  if (bias !== undefined) loader.vector(bias, loaded.bias, E);
}

/**
 * Reserves a layer's pool, f32[block][64][E].
 * @param precision of the keys and values of other layers: these values are floats in any case
 */
export function planConvolutionCache({ plan, config }: Planner, blocks: number, precision: KvPrecision): LayerCache {
  const bytes = 4 * BLOCK_TOKENS * config.hiddenSize;
  const k = plan.reserve("kvCache", blocks * bytes, `gated values of ${blocks * BLOCK_TOKENS} tokens`);
  return { precision, k, v: k, blockBytes: { k: bytes, v: 0 }, scales: { k: 1, v: 1 } };
}

/** Makes `buffers.attended`, f32[M, E], of M rows of gates and values in `buffers.qkv`. */
export function convolve(space: Workspace, { length, weight, bias }: LoadedConvolution, cache: LayerCache, M: number): void {
  const { kernels, buffers, config } = space;
  const { hiddenSize: E } = config;
  const { qkv, attended, rows } = buffers;
  kernels.split("append_gated_f32", M, qkv, cache.k, rows, 3 * E, E);
  kernels.split("convolve_f32", M, qkv, cache.k, weight, bias, attended, rows, 3 * E, E, length);
}
