/**
 * How a token's place enters a block: queries and keys turned by rotary tables (Su et al. 2021; their
 * frequencies are in `rope-frequencies.ts`), or slopes on the scores of each head (ALiBi, Press et al. 2022).
 * Rows added to embeddings are in `embedding.ts`.
 *
 * Powers, sines and cosines are taken in wasm; what is done here uses only operations that IEEE 754 fixes.
 */
import { type Block, ropesOf } from "../../architecture/description.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { PositionTables, RopeTable } from "../workspace/buffers.ts";
import type { GradientBuffers } from "../gradient-buffers.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";
import { fillFrequencies } from "./rope-frequencies.ts";

/** @param positions tokens of a sequence, at most */
export function planPositions({ plan, config }: Planner, positions: number): PositionTables {
  const half = config.rotaryDim / 2;
  const f32 = (elements: number, what: string) => plan.reserve("weights", 4 * elements, what);
  return {
    ropes: ropesOf(config).map(() => ({
      frequencies: f32(half, "rotary frequencies"),
      cos: f32(positions * half, `cosines of ${positions} positions`),
      sin: f32(positions * half, `sines of ${positions} positions`),
    })),
    slopes: config.positions === "alibi" ? f32(2 * powerOfTwoUpTo(config.heads), "slopes of the heads") : NULL,
  };
}

export function fillPositions(kernels: Kernels, config: ModelConfig, tables: PositionTables, positions: number): void {
  for (const [i, rope] of ropesOf(config).entries()) fillRope(kernels, { ...config, ...rope }, tables.ropes[i]!, positions);
  if (tables.slopes) fillSlopes(kernels, tables.slopes, config.heads);
}

/** @param config with the base and scaling of this table */
function fillRope(kernels: Kernels, config: ModelConfig, { frequencies, cos, sin }: RopeTable, positions: number): void {
  const { rotaryDim } = config;
  const half = rotaryDim / 2;
  const scale = fillFrequencies(kernels.run, config, frequencies, kernels.f32(frequencies, half), positions);
  kernels.run.rope_table_f32(frequencies, cos, sin, 0, positions, rotaryDim);
  if (scale !== 1) for (const table of [cos, sin]) multiply(kernels.f32(table, positions * half), Math.fround(scale));
}

/** Products of float32 numbers, rounded once. */
function multiply(table: Float32Array, factor: number): void {
  for (let i = 0; i < table.length; i++) table[i]! *= factor;
}

/**
 * ALiBi's slopes: 2^(-8h/n) for heads h = 1..n, n a power of two; for other numbers of heads those of the
 * power of two below, then every second one of twice as many (the authors' `get_slopes`). Powers 256^(-i/n')
 * are what the rotary frequencies are made by.
 */
function fillSlopes(kernels: Kernels, slopes: Pointer, heads: number): void {
  const n = powerOfTwoUpTo(heads);
  const table = kernels.f32(slopes, 2 * n);
  kernels.run.rope_frequencies_f32(slopes, 256, 4 * n);
  const powers = [...table, 2 ** -8]; // 2^(-8i/2n), i = 0..2n
  for (let h = 0; h < heads; h++) table[h] = powers[h < n ? 2 * (h + 1) : 2 * (h - n) + 1]!;
}

function powerOfTwoUpTo(count: number): number {
  return 2 ** (31 - Math.clz32(count));
}

/**
 * Turns queries and keys of M rows in `buffers.qkv`, each by its row's position; nothing in a block without
 * RoPE.
 */
export function turn({ kernels, config, buffers, tables }: Workspace, { rope }: Pick<Block, "rope">, M: number): void {
  if (rope === undefined) return;
  const { heads: H, kvHeads: Hkv, headDim: D, rotaryDim, rotaryPairs } = config;
  // Queries and keys lie side by side, so one call rotates both.
  const { qkv, rows, qkvStride } = buffers;
  const { cos, sin } = tables.ropes[rope]!;
  const kernel = rotaryPairs === "halves" ? "rope_f32" : "rope_pairs_f32";
  kernels.split(kernel, M, qkv, cos, sin, rows, H + Hkv, D, rotaryDim, qkvStride);
}

/** Turns M rows of `gradients.qkv` back: a rotation's transpose turns the other way. */
export function turnBack({ kernels, config, buffers, tables }: Workspace, M: number, gradients: GradientBuffers): void {
  const { heads: H, kvHeads: Hkv, headDim: D, rotaryDim } = config;
  const { rows, qkvStride } = buffers;
  kernels.split("rope_f32", M, gradients.qkv, tables.ropes[0]!.cos, gradients.sin, rows, H + Hkv, D, rotaryDim, qkvStride);
}
