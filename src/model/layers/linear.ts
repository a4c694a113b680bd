/**
 * A linear layer, y[M, N] = x[M, K] * W[N, K]^T + bias[N], in each of the forms this package runs.
 *
 * The projections of a block that share an input are one layer with their rows one after another (q, k, v;
 * gate, up): one pass over the activations. Rows whose weights have one form are one product, and one kernel
 * call: mostly all of them.
 */
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { ActivationBits } from "../../checkpoint/quantization/quantization-config.ts";
import type { Workspace } from "../workspace.ts";
import { clampToInt4 } from "./int4-activations.ts";
import { addLowRank, type LowRank } from "./low-rank.ts";
import { type InputRounding, roundInput } from "./rounded-input.ts";
import { type InputBits, type WeightForm, weightForm } from "./weight-forms.ts";

/** How activations become int8 (FPTQ, section 3.3.1): one calibrated scale, or one per token. */
export type ActivationScale = { kind: "static"; scale: number; bits?: ActivationBits } | { kind: "dynamic" };

/** What a product reads. */
export type ProductInput =
  /** Floats, rounded first where `rounding` says so. */
  | { readonly kind: "f32"; readonly rounding?: InputRounding | undefined }
  /** int8, and the sums of each `sumsOf` of a row, which divides K. */
  | { readonly kind: "qd8"; readonly activation: ActivationScale; readonly sumsOf: number }
  /** 14 bits with a scale per token: the head's. */
  | { readonly kind: "qd14" };

const INPUT_BITS = { f32: 32, qd8: 8, qd14: 14 } as const satisfies Record<ProductInput["kind"], InputBits>;

/** Rows of a layer whose weights have one form. */
export interface Product {
  readonly form: WeightForm;
  readonly input: ProductInput;
  /** Its first row among those of the layer. */
  readonly row: number;
  readonly N: number;
  /** in_features, with zeros up to whole vectors where integers are multiplied (`paddedInputs`). */
  readonly K: number;
  /** k that share a scale, or of a superblock; K where one scale is for a channel. */
  readonly groupSize: number;
  /** Packed panels of 8 channels (`assembly/layouts/`). */
  readonly weights: Pointer;
  /** i32[K], which column of the input meets each column of the weights; undefined where it is its own. */
  readonly order?: Pointer | undefined;
}

export interface Linear {
  readonly N: number; // out_features
  /** Elements of its input. */
  readonly inFeatures: number;
  /** f32[N], or 0 for none. */
  readonly bias: Pointer;
  /** In the order of rows; the first one's input is made before the layer runs. */
  readonly products: readonly [Product, ...Product[]];
  /** Added to the product. Its layer needs its input in floats too. */
  readonly lowRank?: LowRank;
}

/** Rows that go through a GEMV one after another sooner than through a GEMM, which unpacks panels first. */
const GEMV_ROWS = 3;
const PANEL_ROWS = 8;

/** Integer kernels take rows in vectors of 16. */
export function paddedInputs(inFeatures: number): number {
  return 16 * Math.ceil(inFeatures / 16);
}

/**
 * Whether a layer reads its input as floats: it multiplies floats, or has a low-rank term that does, or needs
 * zeros behind them, or cuts them off, or makes of them what its products do not share.
 */
export function readsFloats({ products, inFeatures, lowRank }: Linear): boolean {
  const [{ input }] = products;
  return (
    lowRank !== undefined ||
    hasInt4(input) ||
    products.some((other) => other.input !== input || input.kind === "f32" || other.K !== inFeatures)
  );
}

/** Whether codes have 4 bits: floats are cut off before they are quantized. */
function hasInt4(input: ProductInput): boolean {
  return input.kind === "qd8" && input.activation.kind === "static" && input.activation.bits === 4;
}

/** Copies rows of `from` elements to rows of `to`, cut off or with zeros behind them; not in place. */
export function copyRows(
  { kernels }: Workspace,
  source: Pointer,
  target: Pointer,
  M: number,
  [from, to]: [number, number],
): void {
  const [x, y] = [kernels.f32(source, M * from), kernels.f32(target, M * to)];
  if (to > from) y.fill(0);
  for (let m = 0; m < M; m++) y.set(x.subarray(m * from, m * from + Math.min(from, to)), m * to);
}

/** Quantizes the input of a layer, f32[M, inFeatures] at `x`; nothing to do for a layer in f32. */
export function quantizeInput(space: Workspace, { products: [first], inFeatures }: Linear, x: Pointer, M: number): void {
  makeInput(space, first, inFeatures, x, M);
}

/** Makes the input of a product of f32[M, inFeatures] at `input`. */
function makeInput(space: Workspace, { input, K }: Product, inFeatures: number, floats: Pointer, M: number): void {
  if (input.kind === "f32") return;
  const { kernels, buffers } = space;
  let x = floats;
  if (K !== inFeatures) {
    x = buffers.paddedInput;
    copyRows(space, floats, x, M, [inFeatures, K]);
  }
  const { q, scales, sums } = buffers.activations;
  if (input.kind === "qd14") return kernels.split("quantize_f32_qd14", M, x, q, scales, K);
  const { activation, sumsOf } = input;
  if (activation.kind === "static" && activation.bits === 4) {
    clampToInt4(space, x, M, { K, stride: K, scale: activation.scale });
  }
  if (activation.kind === "static") kernels.split("quantize_f32_qs8", M, x, q, scales, sums, K, sumsOf, activation.scale);
  else kernels.split("quantize_f32_qd8", M, x, q, scales, sums, K, sumsOf);
}

/**
 * y = x * W^T + bias over M rows, whose input was made before: by `quantizeInput`, a norm or an activation.
 *
 * @param x f32[M, inFeatures], read by a layer that `readsFloats`, and rounded in place where its input is
 *   (`rounded-input.ts`)
 * @param y f32[M, N]
 */
export function multiply(space: Workspace, linear: Linear, x: Pointer, y: Pointer, M: number): void {
  const { N, inFeatures, products, lowRank } = linear;
  let { input } = products[0];
  if (input.kind === "f32" && input.rounding) roundInput(space, input.rounding, x, M, inFeatures);
  for (const product of products) {
    if (product.input !== input) makeInput(space, product, inFeatures, x, M);
    input = product.input;
    multiplyProduct(space, linear, product, { x, y, M });
  }
  if (lowRank) addLowRank(space, { N, K: inFeatures, lowRank }, x, y, M);
}

function multiplyProduct(
  { kernels, buffers }: Workspace,
  linear: Linear,
  product: Product,
  { x, y, M }: { readonly x: Pointer; readonly y: Pointer; readonly M: number },
): void {
  const { form, input, row, N, K, groupSize: G, weights: w, order } = product;
  const { scales, ordered } = buffers.activations;
  const { q, sums } = order ? ordered! : buffers.activations;
  if (order) kernels.split("gather_qd8", M, buffers.activations.q, order, q, sums, K, G);
  const { gemm, gemv, longestGemvGroup = Infinity } = weightForm(form);
  const bits = INPUT_BITS[input.kind];
  const bias = linear.bias ? offsetBy(linear.bias, 4 * row) : NULL;
  const all = { x, q, scales, sums, w, bias, y: offsetBy(y, 4 * row), M, N: linear.N, K, G, panels: Math.ceil(N / PANEL_ROWS) };
  const one = G > longestGemvGroup ? gemm : (gemv ?? gemm);
  // A GEMM writes whole panels of a row of y, unless the row ends there.
  const isWhole = N === linear.N || N % PANEL_ROWS === 0;
  if (isWhole && (M > GEMV_ROWS || one === gemm)) return gemm(kernels, bits, all);
  const rowSums = order ? K / G : input.kind === "qd8" ? K / input.sumsOf : 0;
  for (let m = 0; m < M; m++) {
    one(kernels, bits, {
      ...all,
      x: offsetBy(x, 4 * m * K),
      q: offsetBy(q, (bits === 14 ? 2 : 1) * m * K),
      scales: offsetBy(scales, 4 * m),
      sums: offsetBy(sums, 4 * m * rowSums),
      y: offsetBy(y, 4 * (m * linear.N + row)),
      M: 1,
      N,
    });
  }
}

/** The scale of all rows of an int8 input; 0 stands for one scale per row. */
export function staticScale({ activation }: Extract<ProductInput, { kind: "qd8" }>): number {
  return activation.kind === "static" ? activation.scale : 0;
}
