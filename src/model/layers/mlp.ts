/**
 * What lies between the MLP's linear layers: silu(gate) * up or gelu(gate) * up, or an activation of what the
 * first one gives.
 */
import type { Pointer } from "../../kernels/pointer.ts";
import type { Workspace } from "../workspace/workspace.ts";
import { type Linear, quantizeInput, readsFloats, staticScale } from "./linear.ts";
import { changesDownInput, scaleInput, turnDownInput } from "./online-transforms.ts";

/** Rows that an activation reads. */
export interface MlpRows {
  /** Gate, then up, F elements each, or F without a gate, at the start of each row of `stride`. */
  readonly x: Pointer;
  readonly stride: number;
  readonly M: number;
  /** Whether the activation's output is wanted as floats in any case. */
  readonly floats: boolean;
}

/**
 * Makes the input of the MLP's last linear layer: in `buffers.activated`, or quantized where the layer
 * multiplies integers.
 */
export function activate(space: Workspace, down: Linear, { x, stride, M, floats }: MlpRows): void {
  const { kernels, buffers, config } = space;
  const F = down.inFeatures;
  const { activation, gatedMlp } = config;
  const { input } = down.products[0];
  if (input.kind !== "qd8" || readsFloats(down) || changesDownInput(space) || floats) {
    if (gatedMlp) kernels.split(gatedKernel(activation), M, x, buffers.activated, F, stride);
    else kernels.split(plainKernel(activation), M, x, buffers.activated, F, stride);
    turnDownInput(space, buffers.activated, M);
    scaleInput(space, buffers.activated, M, F);
    quantizeInput(space, down, buffers.activated, M);
    return;
  }
  const { q, scales, sums } = buffers.activations;
  const [G, scale] = [input.sumsOf, staticScale(input)];
  if (gatedMlp) kernels.split(`${gatedKernel(activation)}_qd8`, M, x, q, scales, sums, F, G, stride, scale);
  else kernels.split(`${plainKernel(activation)}_qd8`, M, x, q, scales, sums, F, G, stride, scale);
}

function gatedKernel(activation: Workspace["config"]["activation"]): "swiglu_f32" | "geglu_tanh_f32" {
  if (activation === "silu") return "swiglu_f32";
  if (activation === "gelu_tanh") return "geglu_tanh_f32";
  throw new RangeError(`activation: got ${activation} with a gate, need silu or gelu_tanh`);
}

function plainKernel(activation: Workspace["config"]["activation"]): "gelu_f32" | "gelu_tanh_f32" | "relu_f32" {
  if (activation === "silu") throw new RangeError("activation: got silu without a gate, need gelu, gelu_tanh or relu");
  return `${activation}_f32`;
}

/**
 * The chain rule through silu(gate) * up.
 *
 * @param x f32[M, 2F], becomes its gradient
 * @param dy f32[M, F]
 */
export function backwardSwiglu({ kernels, config }: Workspace, x: Pointer, dy: Pointer, M: number): void {
  kernels.split("swiglu_backward_f32", M, x, dy, config.ffnSize);
}
