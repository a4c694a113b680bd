/**
 * Hessians of a layer's linear inputs: H = X^T X / tokens, which says what an error e in a row of weights
 * costs at the output, e H e^T.
 */
import type { InputName, LinearInput } from "../../architecture/description.ts";
import { RecipeError } from "../../errors.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Planner } from "../../model/workspace/workspace.ts";
import { factorStride, type GptqMemory } from "../round/rounding-memory.ts";

export interface Hessian {
  /** `model.layers.0.qkv`, for messages. */
  readonly name: string;
  readonly K: number;
  readonly tokens: number;
  /**
   * Sum over tokens of x x^T, f64[K, K], upper triangle. A view of linear memory, valid until the next layer
   * begins.
   */
  readonly gram: Float64Array;
  /** s of an equalization of the input, f32[K]; `gram` is of the input as it was. Undefined for none. */
  readonly factors?: Float32Array | undefined;
}

export type HessianRegions = ReadonlyMap<InputName, { readonly K: number; readonly gram: Pointer }>;

export function placeHessians({ plan, description }: Planner): HessianRegions {
  const { inputs } = description.blocks[0]!;
  return new Map(
    inputs.map(({ name, width: K }) => [name, { K, gram: plan.reserve("scratch", 8 * K ** 2, `Hessian of ${name}`) }]),
  );
}

export class HessianObservers {
  readonly #kernels: Kernels;
  readonly #regions: HessianRegions;

  constructor(kernels: Kernels, regions: HessianRegions) {
    this.#kernels = kernels;
    this.#regions = regions;
  }

  reset(): void {
    for (const { K, gram } of this.#regions.values()) this.#kernels.f64(gram, K * K).fill(0);
  }

  /** @param x f32[M, K], rows one after another */
  observe(input: InputName, x: Pointer, M: number): void {
    const { K, gram } = this.#regions.get(input)!;
    this.#kernels.split("gram_f64_f32", K / 8, x, gram, M, K);
  }

  /** @throws RecipeError naming the input if its Hessian has NaN or infinity */
  read({ name: input, path: name }: Pick<LinearInput, "name" | "path">, tokens: number): Hessian {
    const { K, gram: pointer } = this.#regions.get(input)!;
    const gram = this.#kernels.f64(pointer, K * K);
    for (let k = 0; k < K; k++) {
      // What is not finite in a column is not finite in its square.
      if (Number.isFinite(gram[k * K + k]!)) continue;
      throw new RecipeError(`${name}: Hessian: got ${gram[k * K + k]} at channel ${k}, need finite activations`);
    }
    return { name, K, tokens, gram };
  }
}

/** A Hessian ready for `round_gptq_f32`: its Cholesky factor lies in the regions given. */
export interface FactoredHessian {
  /** Column of the weight at each position of the factor; the last position is rounded first. */
  readonly columns: Int32Array;
  /**
   * Squared pivots by position, f32[K]: what rounding a column costs once those rounded later have answered
   * to it.
   */
  readonly pivots: Float32Array;
  /** What was added to the diagonal. */
  readonly added: number;
}

/** Damping grows by this after a factorization that failed, this often. */
const DAMPING_STEP = 10;
const DAMPING_TRIES = 4;
/** Where none was asked for and the Hessian is singular. */
const FIRST_DAMPING = 1e-4;

/**
 * H' + damping * mean(diag H') * I = U^T U, H'[i, j] = H[i, j] / (s_i s_j), in the order of `columns`. More
 * damping where that is singular.
 *
 * @param columns of the weight, in the order of the factor
 * @throws RecipeError naming the input if no damping tried makes it positive definite
 */
export function factorHessian(
  { kernels, regions }: GptqMemory,
  hessian: Hessian,
  columns: Int32Array,
  damping: number,
): FactoredHessian {
  const { name, K } = hessian;
  const stride = factorStride(K);
  const diagonal = hessianDiagonal(hessian);
  // All inputs zero: nothing can be lost, any positive definite matrix will do.
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / K || 1;
  let tried = damping;
  for (let attempt = 0; attempt < DAMPING_TRIES; attempt++) {
    const matrix = kernels.f64(regions.factor, K * stride);
    fillFactor(matrix, stride, hessian, columns);
    for (let p = 0; p < K; p++) matrix[p * stride + p]! += tried * mean;
    if (kernels.run.cholesky_f64(regions.factor, K, stride) < 0) {
      const pivots = Float32Array.from({ length: K }, (_, p) => matrix[p * stride + p]! ** 2);
      return { columns, pivots, added: tried * mean };
    }
    tried = Math.max(FIRST_DAMPING, tried * DAMPING_STEP);
  }
  throw new RecipeError(
    `${name}: Hessian: got a singular one, even with ${tried / DAMPING_STEP} of its mean added to the diagonal; need more calibration text`,
  );
}

/** Diagonal of H', f64[K]. */
export function hessianDiagonal({ K, tokens, gram, factors }: Hessian): Float64Array {
  return Float64Array.from({ length: K }, (_, k) => gram[k * K + k]! / (tokens * (factors?.[k] ?? 1) ** 2));
}

/**
 * H' + added * I with both triangles, columns as they are, in place of a factor.
 *
 * @param added to the diagonal, as `FactoredHessian` has it
 */
export function expandHessian({ kernels, regions }: GptqMemory, hessian: Hessian, added: number): void {
  const { K } = hessian;
  const stride = factorStride(K);
  const matrix = kernels.f64(regions.factor, K * stride);
  fillFactor(
    matrix,
    stride,
    hessian,
    Int32Array.from({ length: K }, (_, k) => k),
  );
  for (let i = 0; i < K; i++) {
    matrix[i * stride + i]! += added;
    for (let j = 0; j < i; j++) matrix[i * stride + j] = matrix[j * stride + i]!;
  }
}

function fillFactor(matrix: Float64Array, stride: number, { K, tokens, gram, factors }: Hessian, columns: Int32Array): void {
  const inv = Float64Array.from(columns, (column) => 1 / (factors?.[column] ?? 1));
  for (let p = 0; p < K; p++) {
    const i = columns[p]!;
    const scale = inv[p]! / tokens;
    for (let r = p; r < K; r++) {
      const j = columns[r]!;
      matrix[p * stride + r] = gram[i < j ? i * K + j : j * K + i]! * scale * inv[r]!;
    }
  }
}
