/** Memory for gradients: planned, and its tables filled. */
import { type ByInput, mapInputs } from "../architecture/description.ts";
import { E2M1_DOUBLED } from "../checkpoint/formats/e2m1.ts";
import type { LoadedBlock } from "./block.ts";
import type { GradientBuffers } from "./gradient-buffers.ts";
import type { GroupedLinear } from "./layers/linear-gradient.ts";
import type { Planner, Workspace } from "./workspace.ts";

/** A block whose linears all have scales to tune. */
export interface GroupedBlock extends LoadedBlock {
  readonly inputs: ByInput<LoadedBlock["inputs"]["qkv"] & { readonly linear: GroupedLinear }>;
}

/**
 * @param rows tokens of the longest sample
 * @param block any one: all have one shape
 */
export function planGradients({ plan, sizes, config }: Planner, rows: number, { block, inputs }: GroupedBlock): GradientBuffers {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F, rotaryDim } = config;
  const f32 = (what: string, elements: number) => plan.reserve("scratch", 4 * elements, what);
  const linears = Object.values(inputs).map(({ linear }) => linear);
  const packed = (what: string, bytes: (linear: GroupedLinear) => number) =>
    plan.reserve("scratch", Math.max(...linears.map((linear) => bytes(linear) >>> 0)), what);
  return {
    normedQkv: f32("normalized states before attention", rows * E),
    normedUp: f32("normalized states before the MLP", rows * E),
    middle: f32("hidden states before the MLP", rows * E),
    hidden: f32("gradients of hidden states", rows * E),
    normed: f32("gradients of normalized states", rows * E),
    attended: f32("gradients of attention output", rows * H * D),
    qkv: f32("gradients of queries, keys and values", rows * (H + 2 * Hkv) * D),
    activated: f32("gradients of activated states", rows * F),
    norms: { qkv: f32("gradients of a norm", E), up: f32("gradients of a norm", E), final: f32("gradients of a norm", E) },
    scales: mapInputs(block, ({ name }) => {
      const { N, K, groupSize } = inputs[name]!.linear;
      return f32("gradients of scales", N * (K / groupSize));
    }),
    transposed: packed("transposed weights", ({ N, K }) => sizes.packed_bytes_f32w(K, N)),
    inputColumns: packed("input by columns", ({ K }) => sizes.packed_bytes_f32w(K, rows)),
    outputColumns: packed("gradients by columns", ({ N }) => sizes.packed_bytes_f32w(N, rows)),
    values: { int4: f32("values of int4", 16), fp4: f32("values of E2M1", 16) },
    sin: f32("negated sines", rows * (rotaryDim / 2)),
  };
}

/** Fills what stays the same: tables of values, and sines of the rotation back. */
export function fillGradientTables({ kernels, config, tables }: Workspace, buffers: GradientBuffers, rows: number): void {
  kernels.f32(buffers.values.int4, 16).set(Float32Array.from({ length: 16 }, (_, code) => code - 8));
  kernels.f32(buffers.values.fp4, 16).set(E2M1_DOUBLED);
  const half = rows * (config.rotaryDim / 2);
  kernels.f32(buffers.sin, half).set(kernels.f32(tables.ropes[0]!.sin, half).map((sine) => -sine));
}
