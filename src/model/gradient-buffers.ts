/** Where gradients of one block and of the head are written, sized once for the longest sample. */
import type { ByInput } from "../architecture/description.ts";
import type { Pointer } from "../kernels/pointer.ts";

export interface GradientBuffers {
  /** Inputs of what is differentiated, as the forward pass made them. */
  readonly normedQkv: Pointer; // f32[M, E]
  readonly normedUp: Pointer; // f32[M, E]
  readonly middle: Pointer; // f32[M, E], the residual stream between attention and MLP

  readonly hidden: Pointer; // f32[M, E]
  readonly normed: Pointer; // f32[M, E]
  readonly attended: Pointer; // f32[M, H * D]
  readonly qkv: Pointer; // f32[M, (H + 2 Hkv) * D]
  readonly activated: Pointer; // f32[M, F]
  readonly norms: { readonly qkv: Pointer; readonly up: Pointer; readonly final: Pointer }; // f32[E] each
  /** Gradients of the logarithms of a linear layer's scales, f32[N, K/G]. */
  readonly scales: ByInput<Pointer>;

  /**
   * A linear layer's weights as f32w panels of [K, N], its input and the gradient of its output by columns.
   */
  readonly transposed: Pointer;
  readonly inputColumns: Pointer;
  readonly outputColumns: Pointer;
  /** f32[16] each: what codes stand for. */
  readonly values: Readonly<Record<"int4" | "fp4", Pointer>>;
  /** Turns the other way: -sin, f32[M, D/2]. */
  readonly sin: Pointer;
}
