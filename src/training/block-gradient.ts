/**
 * The chain rule through one block (`model/block.ts`), from its output back to its input. What the forward pass rounds (activations and
 * the cache to int8, weights to 4 bits) counts as if it were not rounded: the straight-through estimator (Bengio et al. 2013).
 */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { NULL, type Pointer } from "../kernels/pointer.ts";
import { forwardBlock } from "../model/block.ts";
import type { LayerCache } from "../model/kv-cache.ts";
import type { RopeTable } from "../model/rope.ts";
import type { RunState } from "../model/run-state.ts";
import type { LayerWeights } from "../model/weights.ts";
import type { GradientBuffers, GroupedLinear } from "./gradient-buffers.ts";

/** A block whose linears all have scales to tune. */
export interface GroupedLayer extends LayerWeights {
  readonly qkv: GroupedLinear;
  readonly o: GroupedLinear;
  readonly gateUp: GroupedLinear;
  readonly down: GroupedLinear;
}

/**
 * Runs the block again over M rows in `state.hidden`, which become its output, and then backwards.
 *
 * @param input f32[M, E], the same rows, kept
 * @param gradients `hidden` holds the gradient of the block's output and receives that of its input; `norms` and `scales` receive theirs
 */
export function backwardBlock(
  kernels: Kernels,
  config: ModelConfig,
  layer: GroupedLayer,
  cache: LayerCache,
  rope: RopeTable,
  state: RunState,
  input: Pointer,
  M: number,
  window: number,
  gradients: GradientBuffers,
): void {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F, rmsNormEps: eps } = config;
  const { hidden, normed, attended, qkv, activated, norms, scales } = gradients;
  const copy = (from: Pointer, to: Pointer) => kernels.f32(to, M * E).set(kernels.f32(from, M * E));
  copy(input, state.hidden);
  forwardBlock(kernels, config, layer, cache, rope, state, M, 0, window, (site) => {
    if (site === "qkv") copy(state.normed, gradients.normedAttention);
    if (site === "gate_up") {
      copy(state.normed, gradients.normedFfn);
      copy(state.hidden, gradients.middle);
    }
  });
  const backwardNorm = (x: Pointer, weight: Pointer, gradient: Pointer) => {
    kernels.f32(gradient, E).fill(0);
    kernels.run.rmsnorm_backward_f32(x, weight, normed, hidden, gradient, M, E, eps);
  };

  backwardLinear(kernels, layer.down, state.activated, hidden, activated, scales.down, M, gradients);
  kernels.split("swiglu_backward_f32", M, state.gateUp, activated, F);
  backwardLinear(kernels, layer.gateUp, gradients.normedFfn, state.gateUp, normed, scales.gateUp, M, gradients);
  backwardNorm(gradients.middle, layer.ffnNorm, norms.ffn);

  backwardLinear(kernels, layer.o, state.attended, hidden, attended, scales.o, M, gradients);
  kernels.split("attention_backward_f32", Hkv, state.qkv, attended, qkv, M, H, Hkv, D, window);
  // A rotation's transpose turns the other way.
  kernels.split("rope_f32", M, qkv, rope.cos, gradients.sin, H + Hkv, D, (H + 2 * Hkv) * D);
  backwardLinear(kernels, layer.qkv, gradients.normedAttention, qkv, normed, scales.qkv, M, gradients);
  backwardNorm(input, layer.attentionNorm, norms.attention);
}

/**
 * @param x f32[M, K], the layer's input
 * @param dy f32[M, N], the gradient of its output
 * @param dx f32[M, K], receives that of its input
 * @param scaleGradient f32[N, K/G], receives those of the logarithms of its scales
 */
function backwardLinear(
  kernels: Kernels,
  { N, K, groupSize: G, codes, weights }: GroupedLinear,
  x: Pointer,
  dy: Pointer,
  dx: Pointer,
  scaleGradient: Pointer,
  M: number,
  { transposed, inputColumns, outputColumns, values }: GradientBuffers,
): void {
  kernels.split("transpose_qb4w_f32w", Math.ceil(N / 8), weights, values[codes], transposed, N, K, G);
  kernels.split("pack_columns_f32w", Math.ceil(K / 8), x, inputColumns, M, K);
  kernels.split("pack_columns_f32w", Math.ceil(N / 8), dy, outputColumns, M, N);
  kernels.split("scale_gradient_f32", K / G, outputColumns, inputColumns, transposed, scaleGradient, M, N, K, G);
  kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(K / 8), dy, transposed, NULL, dx, M, K, N);
}
