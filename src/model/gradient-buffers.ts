/** Where gradients of one block and of the head are written, sized once for the longest sample. */
import type { ByInput } from "../architecture/description.ts";
import type { Pointer } from "../kernels/pointer.ts";

/**
 * The numbers whose gradients are wanted, beside the norms: logarithms of weight scales and of static ranges,
 * biases, low-rank terms, weights themselves.
 */
export type GradientKind = "scales" | "ranges" | "biases" | "lowRank" | "weights";

/** Gradients of an input's linear layers and of its range; 0 for what is not wanted or not there. */
export interface LinearGradients {
  /** Those of the logarithms of weight scales, f32[N, K/G]; 8-bit weights have one group. */
  readonly scales: Pointer;
  readonly bias: Pointer; // f32[N]
  readonly weights: Pointer; // f32[N, K]
  readonly lowRank: LowRankGradients | undefined;
  /** Summands of that of the logarithm of a static input's scale, f64[M]. */
  readonly range: Pointer;
}

export interface LowRankGradients {
  readonly a: Pointer; // f32[R, K]
  readonly b: Pointer; // f32[N, R]
}

/** What the chain rule through a low-rank term needs on its way, sized for the largest. */
export interface LowRankScratch {
  readonly inner: Pointer; // f32[M, R], x A^T
  readonly outer: Pointer; // f32[M, R], dy B
  readonly transposed: Pointer; // f32w panels of [R, N] or [K, R]
  readonly columns: Pointer; // f32w panels of [R, M]
  readonly rows: Pointer; // f32[R, M]
  readonly added: Pointer; // f32[M, K]
}

export interface GradientBuffers {
  /** Inputs of what is differentiated, as the forward pass made them. */
  readonly normedQkv: Pointer; // f32[M, E]
  readonly normedUp: Pointer; // f32[M, E]
  readonly middle: Pointer; // f32[M, E], the residual stream between attention and MLP
  /** Queries, keys and values before their norms, f32[M, qkvStride]; 0 where there are none. */
  readonly projected: Pointer;

  readonly hidden: Pointer; // f32[M, E]
  readonly normed: Pointer; // f32[M, E]
  readonly attended: Pointer; // f32[M, H * D]
  readonly qkv: Pointer; // f32[M, (H + 2 Hkv) * D]
  readonly activated: Pointer; // f32[M, F]
  /** f32[E] each; of norms over heads f32[D]. */
  readonly norms: Readonly<Record<"qkv" | "up" | "final" | "query" | "key", Pointer>>;
  /** One row of gradients before the norms of heads, f32[(H + Hkv) * D]; 0 where there are none. */
  readonly heads: Pointer;
  readonly linears: ByInput<LinearGradients>;
  /** Summands of the gradients of the logarithms of a static cache's scales, f64[M] each; 0 if not wanted. */
  readonly cache: { readonly k: Pointer; readonly v: Pointer };

  /**
   * A linear layer's weights as f32w panels of [K, N], its input and the gradient of its output by columns.
   */
  readonly transposed: Pointer;
  readonly inputColumns: Pointer;
  readonly outputColumns: Pointer;
  /** What a static range leaves of a linear layer's input, f32[M, K]; 0 unless ranges are trained. */
  readonly roundedInput: Pointer;
  /** Queries, keys and values before the cache, f32[M, qkvStride]; 0 unless ranges are trained. */
  readonly cacheInput: Pointer;
  readonly outputRows: Pointer; // f32[N, M], that gradient transposed; 0 if nothing needs it
  readonly lowRank: LowRankScratch | undefined;
  /** f32[16] each: what codes stand for. */
  readonly values: Readonly<Record<"qb4w" | "qb4fw", Pointer>>;
  readonly ones: Pointer; // f32[M]
  /** Turns the other way: -sin, f32[M, D/2]. */
  readonly sin: Pointer;
}
