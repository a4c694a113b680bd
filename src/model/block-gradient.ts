/**
 * The chain rule through one block (`block.ts`), from its output back to its input. What the forward pass
 * rounds (activations and the cache to int8, weights to 4 bits) counts as if it were not rounded: the
 * straight-through estimator (Bengio et al. 2013). Where static ranges are trained, what lies beyond them has
 * a gradient of zero (LSQ).
 */
import type { Pointer } from "../kernels/pointer.ts";
import type { Batch } from "./batch.ts";
import { forwardBlock } from "./block.ts";
import type { GradientBuffers } from "./gradient-buffers.ts";
import type { DifferentiableBlock } from "./gradients.ts";
import { backwardAttention } from "./layers/attention.ts";
import { backwardLinear } from "./layers/linear-gradient.ts";
import { multiply, quantizeInput } from "./layers/linear.ts";
import { backwardSwiglu } from "./layers/mlp.ts";
import { backwardNorm, type LoadedNorm } from "./layers/norm.ts";
import { backwardHeadNorms } from "./layers/head-norms.ts";
import { turnBack } from "./layers/positions.ts";
import type { Workspace } from "./workspace/workspace.ts";

/**
 * Runs the block over the rows of `batch`, one sequence from position 0, and keeps what the way back needs.
 *
 * @param input f32[M, E], the block's input, kept; `buffers.hidden` becomes its output
 */
export function forwardForGradients(
  space: Workspace,
  loaded: DifferentiableBlock,
  batch: Batch,
  input: Pointer,
  gradients: GradientBuffers,
): void {
  const { buffers } = space;
  const copy = (from: Pointer, to: Pointer) => copyStates(space, from, to, batch.rows);
  copy(input, buffers.hidden);
  forwardBlock(space, loaded, batch, (site) => {
    if (site === "qkv") copy(buffers.normed, gradients.normedQkv);
    if (site === "up") {
      copy(buffers.normed, gradients.normedUp);
      copy(buffers.hidden, gradients.middle);
    }
  });
}

function copyStates({ kernels, config }: Workspace, from: Pointer, to: Pointer, M: number): void {
  kernels.f32(to, M * config.hiddenSize).set(kernels.f32(from, M * config.hiddenSize));
}

/**
 * Goes back through the block that `forwardForGradients` has just run.
 *
 * @param gradients `hidden` holds the gradient of the block's output and receives that of its input; `norms`,
 *   `linears` and `cache` receive theirs
 */
export function backwardBlock(
  space: Workspace,
  loaded: DifferentiableBlock,
  M: number,
  input: Pointer,
  gradients: GradientBuffers,
): void {
  const { kernels, buffers, config } = space;
  const { hiddenSize: E } = config;
  const { qkv, up } = loaded.inputs;
  const { hidden, normed, attended, activated, norms, linears } = gradients;
  const norm = (loadedNorm: LoadedNorm, x: Pointer, weight: Pointer) => {
    kernels.f32(weight, E).fill(0);
    backwardNorm(space, loadedNorm, { x, dy: normed, dx: hidden, weight }, M);
  };
  const linear = (name: keyof typeof loaded.inputs, x: Pointer, dy: Pointer, dx: Pointer) =>
    backwardLinear(space, loaded.inputs[name]!.linear, { x, dy, dx, gradients: linears[name]! }, M, gradients);

  linear("down", buffers.activated, hidden, activated);
  backwardSwiglu(space, buffers.up, activated, M);
  linear("up", gradients.normedUp, buffers.up, normed);
  norm(up!.norm!, gradients.middle, norms.up);

  linear("o", buffers.attended, hidden, attended);
  backwardAttention(space, loaded, M, gradients);
  turnBack(space, M, gradients);
  if (loaded.queryNorm) {
    // Norms and rotation have overwritten queries and keys; the projection once more is cheaper than a copy
    // kept.
    quantizeInput(space, qkv.linear, gradients.normedQkv, M);
    multiply(space, qkv.linear, gradients.normedQkv, gradients.projected, M);
    backwardHeadNorms(space, loaded.block, loaded, M, gradients);
  }
  linear("qkv", gradients.normedQkv, gradients.qkv, normed);
  norm(qkv.norm!, input, norms.qkv);
}
