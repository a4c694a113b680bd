/**
 * What a model with transformed weights computes besides its architecture's own steps
 * (`src/architecture/online-transforms.ts`): the residual stream turned, the MLP's last input turned, inputs
 * in units of the residual stream. Nothing for a model that has none.
 */
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { Workspace } from "../workspace/workspace.ts";

/** Whether the MLP's last input is needed as floats, for what is done to it. */
export function changesDownInput({ config }: Workspace): boolean {
  const { online } = config;
  return online?.downHadamard !== undefined || online?.residualScaling === true;
}

/** Whether the residual stream is turned between the embedding and the head. */
export function turnsResidual({ config }: Workspace): boolean {
  return config.online?.residualHadamard !== undefined;
}

/** Turns M rows of the residual stream f32[M, E], or turns them back, which is the same; to may be from. */
export function turnResidual({ kernels, config }: Workspace, from: Pointer, to: Pointer, M: number): void {
  const size = config.online?.residualHadamard;
  if (size !== undefined) kernels.split("hadamard_f32", M, from, to, config.hiddenSize, size, rotation(size));
}

/**
 * Rows of the residual stream, f32[M, E], as they are without a turn: in `buffers.normed` where there is one,
 * since they may be asked for again.
 */
export function turnedBack(space: Workspace, hidden: Pointer, M: number): Pointer {
  if (!turnsResidual(space)) return hidden;
  const { normed } = space.buffers;
  turnResidual(space, hidden, normed, M);
  return normed;
}

/** Turns the MLP's last input f32[M, F], in place. */
export function turnDownInput({ kernels, config }: Workspace, x: Pointer, M: number): void {
  const size = config.online?.downHadamard;
  if (size !== undefined) kernels.split("hadamard_f32", M, x, x, config.ffnSize, size, rotation(size));
}

/** What makes a Hadamard matrix orthogonal. */
function rotation(size: number): number {
  return 1 / Math.sqrt(size);
}

/** Notes the size of each row of the residual stream that attention or MLP has just read. */
export function measureResidual({ kernels, buffers, config }: Workspace, M: number): void {
  if (!config.online?.residualScaling) return;
  kernels.split("residual_scales_f32", M, buffers.hidden, buffers.residualScales, M, config.hiddenSize, config.rmsNormEps);
}

/** Puts the input of a layer, f32[M, K], into units of that size. */
export function scaleInput({ kernels, buffers, config }: Workspace, x: Pointer, M: number, K: number): void {
  if (config.online?.residualScaling) kernels.split("scale_rows_f32", M, x, buffers.residualScales, K);
}

/** Puts its output f32[M, E] back. */
export function scaleOutput({ kernels, buffers, config }: Workspace, y: Pointer, M: number): void {
  if (!config.online?.residualScaling) return;
  kernels.split("scale_rows_f32", M, y, offsetBy(buffers.residualScales, 4 * M), config.hiddenSize);
}
