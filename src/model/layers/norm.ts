/** RMSNorm and LayerNorm before linear layers, and the residual connection that is added on the way. */
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { Norm } from "../../architecture/description.ts";
import type { WeightLoader } from "../weights/weight-loader.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import { type Linear, quantizeInput, readsFloats, staticScale } from "./linear.ts";

/** A norm over E elements in memory. */
export interface LoadedNorm {
  readonly norm: Norm;
  readonly weight: Pointer; // f32[E]
  readonly bias: Pointer; // f32[E], or 0 for none
}

export function planNorm({ plan }: Planner, norm: Norm, E: number): LoadedNorm {
  return {
    norm,
    weight: plan.reserve("weights", 4 * E, norm.weight),
    bias: norm.bias === undefined ? NULL : plan.reserve("weights", 4 * E, norm.bias),
  };
}

export function loadNorm(loader: WeightLoader, { norm, weight, bias }: LoadedNorm, E: number): void {
  loader.vector(norm.weight, weight, E);
  if (norm.bias !== undefined) loader.vector(norm.bias, bias, E);
}

/** y = norm(x), both f32[M, E]; y may be x. */
export function applyNorm(
  { kernels, config }: Workspace,
  { norm, weight, bias }: LoadedNorm,
  x: Pointer,
  y: Pointer,
  M: number,
): void {
  const { hiddenSize: E } = config;
  if (norm.kind === "rms") kernels.split("rmsnorm_f32", M, x, weight, y, M, E, norm.eps);
  else kernels.split("layernorm_f32", M, x, weight, bias, y, M, E, norm.eps);
}

/** Rows that a norm reads. */
export interface NormRows {
  readonly hidden: Pointer; // f32[M, E]
  /** f32[M, E] added to `hidden` first; 0 for none. */
  readonly residual: Pointer;
  readonly M: number;
  /** Whether the norm's output is wanted as floats in any case. */
  readonly floats?: boolean;
}

/**
 * Makes the input of a linear layer: hidden += residual, and the norm of hidden, in `buffers.normed` or
 * quantized where the layer multiplies integers.
 */
export function normInput(space: Workspace, loaded: LoadedNorm, linear: Linear, { hidden, residual, M, floats }: NormRows): void {
  const { kernels, buffers } = space;
  const { norm, weight, bias } = loaded;
  const { input } = linear.products[0];
  if (input.kind === "f32" || readsFloats(linear) || floats) {
    if (residual) kernels.split("add_f32", M, hidden, residual, linear.inFeatures);
    applyNorm(space, loaded, hidden, buffers.normed, M);
    quantizeInput(space, linear, buffers.normed, M);
    return;
  }
  const { q, scales, sums } = buffers.activations;
  const rms = norm.kind === "rms";
  const K = linear.inFeatures;
  if (input.kind === "qd14") {
    if (rms) kernels.split("rmsnorm_f32_qd14", M, hidden, residual, weight, q, scales, K, norm.eps);
    else kernels.split("layernorm_f32_qd14", M, hidden, residual, weight, bias, q, scales, K, norm.eps);
    return;
  }
  const [G, scale] = [input.sumsOf, staticScale(input)];
  if (rms) kernels.split("rmsnorm_f32_qd8", M, hidden, residual, weight, q, scales, sums, K, G, norm.eps, scale);
  else kernels.split("layernorm_f32_qd8", M, hidden, residual, weight, bias, q, scales, sums, K, G, norm.eps, scale);
}

/**
 * Makes the input of a linear layer that reads the residual stream itself: hidden += residual, and a copy in
 * `buffers.normed`, which a layer may round in place, or quantized.
 */
export function streamInput(space: Workspace, linear: Linear, { hidden, residual, M }: NormRows): void {
  const { kernels, buffers } = space;
  const { inFeatures: E } = linear;
  if (residual) kernels.split("add_f32", M, hidden, residual, E);
  kernels.f32(buffers.normed, M * E).set(kernels.f32(hidden, M * E));
  quantizeInput(space, linear, buffers.normed, M);
}

/** What the chain rule through an RMSNorm reads and writes, over M rows. */
export interface NormGradient {
  readonly x: Pointer; // f32[M, E], its input
  readonly dy: Pointer; // f32[M, E], gradient of its output
  readonly dx: Pointer; // f32[M, E], that of its input is added here
  readonly weight: Pointer; // f32[E], that of its weight is added here
}

export function backwardNorm(
  { kernels, config }: Workspace,
  { norm, weight }: LoadedNorm,
  { x, dy, dx, weight: gradient }: NormGradient,
  M: number,
): void {
  kernels.run.rmsnorm_backward_f32(x, weight, dy, dx, gradient, M, config.hiddenSize, norm.eps);
}
