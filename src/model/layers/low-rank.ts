/**
 * The low-rank term of a linear layer, y += (x A^T) B^T: two thin layers in f32. The parts of a fused layer
 * have their A one below another and their B along the diagonal of one matrix, so that one pair of calls
 * serves all parts; the zeros between add nothing.
 */
import { NULL, type Pointer } from "../../kernels/pointer.ts";
import type { LowRankBuffers } from "../workspace/buffers.ts";
import type { Planner, Workspace } from "../workspace/workspace.ts";

export interface LowRank {
  /** Rank of all parts together, each filled up to whole panels. */
  readonly rank: number; // R
  readonly a: Pointer; // f32w panels of [R, K]
  readonly b: Pointer; // f32w panels of [N, R]
}

/** A part's rows of A begin a panel: with zeros up to a multiple of 8. */
export function paddedRank(rank: number): number {
  return 8 * Math.ceil(rank / 8);
}

export function planLowRank({ plan, sizes }: Planner, N: number, K: number, rank: number, what: string): LowRank {
  const reserve = (rows: number, columns: number) =>
    plan.reserve("weights", sizes.packed_bytes_f32w(rows, columns) >>> 0, `low-rank term of ${what}`);
  return { rank, a: reserve(rank, K), b: reserve(N, rank) };
}

/** @param rank the largest of any layer @param N its most out_features */
export function planLowRankBuffers({ plan }: Planner, maxRows: number, rank: number, N: number): LowRankBuffers {
  const f32 = (columns: number, what: string) => plan.reserve("scratch", 4 * maxRows * columns, `${what} of ${maxRows} rows`);
  return { inner: f32(rank, "low-rank activations"), outer: f32(N, "low-rank outputs") };
}

/** Adds the term of x f32[M, K] to y f32[M, N]. */
export function addLowRank(
  { kernels, buffers }: Workspace,
  { N, K, lowRank: { rank, a, b } }: { readonly N: number; readonly K: number; readonly lowRank: LowRank },
  x: Pointer,
  y: Pointer,
  M: number,
): void {
  const { inner, outer } = buffers.activations.lowRank!;
  kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(rank / 8), x, a, NULL, inner, M, rank, K);
  kernels.split("gemm_f32_f32_f32w_4x8c1", Math.ceil(N / 8), inner, b, NULL, outer, M, N, rank);
  kernels.split("add_f32", M, y, outer, N);
}
