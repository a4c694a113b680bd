/**
 * A linear layer, y[M, N] = x[M, K] * W[N, K]^T + bias[N], in each of the forms this package runs.
 *
 * The projections of a block that share an input are one layer with their rows one after another (q, k, v;
 * gate, up): one pass over the activations. Rows whose weights have one form are one product, and one kernel
 * call: mostly all of them.
 */
import { NULL, offsetBy, type Pointer } from "../../kernels/pointer.ts";
import type { ActivationBits } from "../../checkpoint/quantization/quantization-config.ts";
import type { Workspace } from "../workspace/workspace.ts";
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
  /**
   * int8, and the sums of each `sumsOf` of a row, which divides K; if refined, what that leaves of the floats
   * is multiplied too, as int8 with scales of its own.
   */
  | { readonly kind: "qd8"; readonly activation: ActivationScale; readonly sumsOf: number; readonly isRefined?: true }
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

/** Rows that go through a GEMV one after another sooner than through a GEMM that unpacks panels first. */
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
  const [{ input: first }] = products;
  if (lowRank !== undefined || hasInt4(first)) return true;
  return products.some(({ input, K }) => input !== first || K !== inFeatures || input.kind === "f32" || isRefined(input));
}

function isRefined(input: ProductInput): boolean {
  return input.kind === "qd8" && input.isRefined === true;
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
  const [{ input: first }] = products;
  if (first.kind === "f32" && first.rounding) roundInput(space, first.rounding, x, M, inFeatures);
  let made: ProductInput | undefined = first;
  for (const product of products) {
    const { input } = product;
    if (input !== made) makeInput(space, product, inFeatures, x, M);
    made = input;
    multiplyProduct(space, linear, product, { x, y, M });
    if (isRefined(input)) {
      addRest(space, linear, product, { x, y, M });
      made = undefined;
    }
  }
  if (lowRank) addLowRank(space, { N, K: inFeatures, lowRank }, x, y, M);
}

/**
 * Adds r * W^T to a product's channels of y, r = x - scale * q: what rounding to int8 has left of x, at most
 * half a step of it, as int8 once more. The two together are as good as 15 bits, by kernels that take 8.
 */
function addRest(space: Workspace, linear: Linear, product: Product, { x, y, M }: ProductRows): void {
  const { kernels, buffers } = space;
  const { N, inFeatures, products } = linear;
  const { q, scales, rest } = buffers.activations;
  const { K } = product;
  const [floats, codes, rowScales] = [kernels.f32(x, M * inFeatures), kernels.i8(q, M * K), kernels.f32(scales, M)];
  const left = kernels.f32(rest!.x, M * inFeatures);
  for (let m = 0; m < M; m++) {
    const [scale, row, codeRow] = [rowScales[m]!, m * inFeatures, m * K];
    for (let k = 0; k < inFeatures; k++) left[row + k] = floats[row + k]! - scale * codes[codeRow + k]!;
  }
  makeInput(space, product, inFeatures, rest!.x, M);
  if (products.length > 1) kernels.f32(rest!.y, M * N).fill(0);
  multiplyProduct(space, { ...linear, bias: NULL }, product, { x, y: rest!.y, M });
  kernels.split("add_f32", M, y, rest!.y, N);
}

/** Rows that a product reads and writes. */
interface ProductRows {
  readonly x: Pointer; // f32[M, inFeatures]
  readonly y: Pointer; // f32[M, N] of the layer
  readonly M: number;
}

function multiplyProduct(
  { kernels, buffers, build }: Workspace,
  linear: Linear,
  product: Product,
  { x, y, M }: ProductRows,
): void {
  const { form, input, row, N, K, groupSize: G, weights: w, order } = product;
  const { scales, ordered } = buffers.activations;
  const { q, sums } = order ? ordered! : buffers.activations;
  if (order) kernels.split("gather_qd8", M, buffers.activations.q, order, q, sums, K, G);
  const { gemm, gemv, longestGemvGroup = Infinity, packedTiles } = weightForm(form);
  const bits = INPUT_BITS[input.kind];
  const bias = linear.bias ? offsetBy(linear.bias, 4 * row) : NULL;
  const all = { x, q, scales, sums, w, bias, y: offsetBy(y, 4 * row), M, N: linear.N, K, G, panels: Math.ceil(N / PANEL_ROWS) };
  const one = G > longestGemvGroup ? gemm : (gemv ?? gemm);
  // A GEMM writes whole panels of a row of y, unless the row ends there.
  const isWhole = N === linear.N || N % PANEL_ROWS === 0;
  const gemvRows = packedTiles?.includes(build) ? 1 : GEMV_ROWS;
  if (isWhole && (M > gemvRows || one === gemm)) return gemm(kernels, bits, all);
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
