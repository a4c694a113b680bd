/** Memory for gradients: planned, and its tables filled. */
import { type ByInput, type InputName, mapInputs } from "../architecture/description.ts";
import { E2M1_DOUBLED } from "../checkpoint/formats/e2m1.ts";
import { NULL, type Pointer } from "../kernels/pointer.ts";
import type { LoadedBlock, LoadedInput } from "./block.ts";
import type { GradientBuffers, GradientKind, LinearGradients, LowRankScratch } from "./gradient-buffers.ts";
import type { DifferentiableLinear } from "./layers/linear-gradient.ts";
import type { Planner, Workspace } from "./workspace/workspace.ts";

/** A block whose linears all have a gradient. */
export interface DifferentiableBlock extends LoadedBlock {
  readonly inputs: ByInput<LoadedInput & { readonly linear: DifferentiableLinear }>;
}

/**
 * @param rows tokens of the longest sample
 * @param blocks all that will be differentiated, one at a time
 */
export function planGradients(
  planner: Planner,
  rows: number,
  blocks: readonly DifferentiableBlock[],
  wanted: ReadonlySet<GradientKind>,
): GradientBuffers {
  const { plan, sizes, config } = planner;
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F, rotaryDim } = config;
  const { queryNorm, keyNorm } = blocks[0]!.block;
  const f32 = (what: string, elements: number) => plan.reserve("scratch", 4 * elements, what);
  const some = (has: boolean, what: string, elements: number) => (has ? f32(what, elements) : NULL);
  const linears = blocks.flatMap(({ inputs }) => Object.values(inputs).map(({ linear }) => linear));
  const packed = (what: string, bytes: (linear: DifferentiableLinear) => number) =>
    plan.reserve("scratch", Math.max(...linears.map((linear) => bytes(linear) >>> 0)), what);
  const hasHeadNorms = queryNorm !== undefined && keyNorm !== undefined;
  const hasLowRank = linears.some(({ lowRank }) => lowRank !== undefined);
  const range = () => (wanted.has("ranges") ? plan.reserve("scratch", 8 * rows, "gradients of a range") : NULL);
  const rowsOfOutput = wanted.has("weights") || hasLowRank;
  const qkvStride = (H + 2 * Hkv) * D;
  return {
    normedQkv: f32("normalized states before attention", rows * E),
    normedUp: f32("normalized states before the MLP", rows * E),
    middle: f32("hidden states before the MLP", rows * E),
    projected: some(hasHeadNorms, "queries and keys before their norms", rows * qkvStride),
    hidden: f32("gradients of hidden states", rows * E),
    normed: f32("gradients of normalized states", rows * E),
    attended: f32("gradients of attention output", rows * H * D),
    qkv: f32("gradients of queries, keys and values", rows * qkvStride),
    activated: f32("gradients of activated states", rows * F),
    norms: {
      qkv: f32("gradients of a norm", E),
      up: f32("gradients of a norm", E),
      final: f32("gradients of a norm", E),
      query: some(hasHeadNorms, "gradients of a norm", queryNorm?.width ?? 0),
      key: some(hasHeadNorms, "gradients of a norm", keyNorm?.width ?? 0),
    },
    heads: some(hasHeadNorms, "gradients of a row's heads", (H + Hkv) * D),
    linears: mapInputs(blocks[0]!.block, ({ name }) => planLinearGradients(planner, blocks, name, wanted, range())),
    cache: { k: range(), v: range() },
    transposed: packed("transposed weights", ({ N, K }) => sizes.packed_bytes_f32w(K, N)),
    inputColumns: packed("input by columns", ({ K }) => sizes.packed_bytes_f32w(K, rows)),
    outputColumns: packed("gradients by columns", ({ N }) => sizes.packed_bytes_f32w(N, rows)),
    roundedInput: some(wanted.has("ranges"), "rounded input", rows * Math.max(...linears.map(({ K }) => K))),
    cacheInput: some(wanted.has("ranges"), "queries, keys and values before the cache", rows * qkvStride),
    outputRows: some(rowsOfOutput, "transposed gradients", rows * Math.max(...linears.map(({ N }) => N))),
    lowRank: hasLowRank ? planLowRankScratch(planner, rows, linears) : undefined,
    values: { qb4w: f32("values of int4", 16), qb4fw: f32("values of E2M1", 16) },
    ones: f32("ones", rows),
    sin: f32("negated sines", rows * (rotaryDim / 2)),
  };
}

/** One input's, for whichever block has most. */
function planLinearGradients(
  { plan }: Planner,
  blocks: readonly DifferentiableBlock[],
  name: InputName,
  wanted: ReadonlySet<GradientKind>,
  range: Pointer,
): LinearGradients {
  const linears = blocks.map(({ inputs }) => inputs[name]!.linear);
  const most = (what: string, elements: (linear: DifferentiableLinear) => number) => {
    const count = Math.max(...linears.map(elements));
    return count > 0 ? plan.reserve("scratch", 4 * count, what) : NULL;
  };
  const only = (kind: GradientKind, what: string, elements: (linear: DifferentiableLinear) => number) =>
    wanted.has(kind) ? most(what, elements) : NULL;
  const rank = ({ lowRank }: DifferentiableLinear) => lowRank?.rank ?? 0;
  const a = only("lowRank", "gradients of a low-rank term", (linear) => rank(linear) * linear.K);
  const b = only("lowRank", "gradients of a low-rank term", (linear) => linear.N * rank(linear));
  return {
    scales: only("scales", "gradients of scales", (linear) =>
      linear.form === "f32w" ? 0 : linear.N * (linear.K / linear.groupSize),
    ),
    bias: only("biases", "gradients of a bias", ({ N, bias }) => (bias ? N : 0)),
    weights: only("weights", "gradients of weights", ({ N, K }) => N * K),
    lowRank: a && b ? { a, b } : undefined,
    range,
  };
}

function planLowRankScratch({ plan, sizes }: Planner, rows: number, linears: readonly DifferentiableLinear[]): LowRankScratch {
  const terms = linears.flatMap(({ N, K, lowRank }) => (lowRank ? [{ N, K, R: lowRank.rank }] : []));
  const most = (bytes: (term: (typeof terms)[number]) => number) =>
    plan.reserve("scratch", Math.max(...terms.map((term) => bytes(term) >>> 0)), "gradients through a low-rank term");
  return {
    inner: most(({ R }) => 4 * rows * R),
    outer: most(({ R }) => 4 * rows * R),
    transposed: most(({ N, K, R }) => Math.max(sizes.packed_bytes_f32w(R, N) >>> 0, sizes.packed_bytes_f32w(K, R) >>> 0)),
    columns: most(({ R }) => sizes.packed_bytes_f32w(R, rows)),
    rows: most(({ R }) => 4 * rows * R),
    added: most(({ K }) => 4 * rows * K),
  };
}

/** Fills what stays the same: tables of values, ones, and sines of the rotation back. */
export function fillGradientTables({ kernels, config, tables }: Workspace, buffers: GradientBuffers, rows: number): void {
  kernels.f32(buffers.values.qb4w, 16).set(Float32Array.from({ length: 16 }, (_, code) => code - 8));
  kernels.f32(buffers.values.qb4fw, 16).set(E2M1_DOUBLED);
  kernels.f32(buffers.ones, rows).fill(1);
  const half = rows * (config.rotaryDim / 2);
  kernels.f32(buffers.sin, half).set(kernels.f32(tables.ropes[0]!.sin, half).map((sine) => -sine));
}
