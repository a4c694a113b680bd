/** Memory that gradients of one block and of the head are written to, sized once for the longest sample. */
import { E2M1_DOUBLED } from "../checkpoint/formats/e2m1.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { KernelExports, Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import type { MemoryPlan } from "../kernels/memory-plan.ts";
import type { Linear } from "../model/linear.ts";
import type { RopeTable } from "../model/rope.ts";

/** A linear layer with scales to tune. */
export type GroupedLinear = Extract<Linear, { kind: "w4a8" }>;

export interface GradientBuffers {
  /** Inputs of what is differentiated, as the forward pass made them. */
  readonly normedAttention: Pointer; // f32[M, E]
  readonly normedFfn: Pointer; // f32[M, E]
  readonly middle: Pointer; // f32[M, E], the residual stream between attention and MLP

  readonly hidden: Pointer; // f32[M, E]
  readonly normed: Pointer; // f32[M, E]
  readonly attended: Pointer; // f32[M, H * D]
  readonly qkv: Pointer; // f32[M, (H + 2 Hkv) * D]
  readonly activated: Pointer; // f32[M, F]
  readonly norms: { readonly attention: Pointer; readonly ffn: Pointer; readonly final: Pointer }; // f32[E] each
  /** Of the logarithms of a linear layer's scales, f32[N, K/G]. */
  readonly scales: Readonly<Record<"qkv" | "o" | "gateUp" | "down", Pointer>>;

  /** A linear layer's weights as f32w panels of [K, N], its input and the gradient of its output by columns. */
  readonly transposed: Pointer;
  readonly inputColumns: Pointer;
  readonly outputColumns: Pointer;
  /** f32[16] each: what codes stand for. */
  readonly values: Readonly<Record<GroupedLinear["codes"], Pointer>>;
  /** Turns the other way: -sin, f32[M, D/2]. */
  readonly sin: Pointer;
}

/** @param linears of any layer: all have one shape */
export function planGradients(
  plan: MemoryPlan,
  sizes: KernelExports,
  config: ModelConfig,
  rows: number,
  linears: Readonly<Record<"qkv" | "o" | "gateUp" | "down", GroupedLinear>>,
): GradientBuffers {
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = config;
  const f32 = (what: string, elements: number) => plan.reserve("scratch", 4 * elements, what);
  const all = Object.values(linears);
  const largest = (bytes: (linear: GroupedLinear) => number) => Math.max(...all.map((linear) => bytes(linear) >>> 0));
  const scales = ({ N, K, groupSize }: GroupedLinear) => f32("gradients of scales", N * (K / groupSize));
  return {
    normedAttention: f32("normalized states before attention", rows * E),
    normedFfn: f32("normalized states before the MLP", rows * E),
    middle: f32("hidden states before the MLP", rows * E),
    hidden: f32("gradients of hidden states", rows * E),
    normed: f32("gradients of normalized states", rows * E),
    attended: f32("gradients of attention output", rows * H * D),
    qkv: f32("gradients of queries, keys and values", rows * (H + 2 * Hkv) * D),
    activated: f32("gradients of activated states", rows * F),
    norms: { attention: f32("gradients of a norm", E), ffn: f32("gradients of a norm", E), final: f32("gradients of a norm", E) },
    scales: {
      qkv: scales(linears.qkv),
      o: scales(linears.o),
      gateUp: scales(linears.gateUp),
      down: scales(linears.down),
    },
    transposed: plan.reserve(
      "scratch",
      largest(({ N, K }) => sizes.packed_bytes_f32w(K, N)),
      "transposed weights",
    ),
    inputColumns: plan.reserve(
      "scratch",
      largest(({ K }) => sizes.packed_bytes_f32w(K, rows)),
      "input by columns",
    ),
    outputColumns: plan.reserve(
      "scratch",
      largest(({ N }) => sizes.packed_bytes_f32w(N, rows)),
      "gradients by columns",
    ),
    values: { int4: f32("values of int4", 16), fp4: f32("values of E2M1", 16) },
    sin: f32("negated sines", rows * (D / 2)),
  };
}

/** Fills what stays the same: tables of values, and sines of the rotation back. */
export function fillTables(kernels: Kernels, buffers: GradientBuffers, rope: RopeTable, rows: number, headDim: number): void {
  kernels.f32(buffers.values.int4, 16).set(Float32Array.from({ length: 16 }, (_, code) => code - 8));
  kernels.f32(buffers.values.fp4, 16).set(E2M1_DOUBLED);
  const half = rows * (headDim / 2);
  kernels.f32(buffers.sin, half).set(kernels.f32(rope.sin, half).map((sine) => -sine));
}
